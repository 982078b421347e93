"""Standard output and error: a command answers in one line, too, where they are closed, full or of another encoding."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from typing import TextIO


class Closed(io.TextIOBase):
    """In the place of a standard output that was closed before the program began."""

    def write(self, text: str) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


class Nowhere(io.TextIOBase):
    """In the place of a standard error that was closed: nobody reads it."""

    def write(self, text: str) -> int:
        return len(text)


def prepare() -> None:
    """Names that the encoding does not have are written out; streams that there are not are stood in for."""
    sys.stdout = _whole(sys.stdout) if sys.stdout else Closed()
    sys.stderr = sys.stderr or Nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _whole(stream: TextIO) -> TextIO:
    """A stream whose writes are whole: without a buffer (``python -u``) Python loses what a full disk did not take."""
    raw = getattr(stream, "buffer", None)
    ours = stream is sys.__stdout__  # another's, a test's say, is not taken apart
    if not ours or not isinstance(stream, io.TextIOWrapper) or not isinstance(raw, io.RawIOBase):
        return stream
    encoding = stream.encoding
    return io.TextIOWrapper(io.BufferedWriter(stream.detach()), encoding, line_buffering=True)


def drop() -> None:
    """What is still to be written goes nowhere, so that Python's end does not fail over it again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
