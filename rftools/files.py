"""Files are written whole or not at all: to a temporary name beside the target, then renamed.

Only regular files are replaced. A symbolic link is followed, and stays a link; pipes and devices are written into.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

from rftools.errors import LONGEST, RequestError, system_reason


def check_writable(path: str | Path) -> Path:
    """Raise `RequestError` now if ``path`` could not be written later (before hours of work, not after)."""
    target = Path(path)
    try:
        os.lstat(target)
        folder = target.is_dir()
    except (FileNotFoundError, NotADirectoryError):
        folder = False
    except (OSError, ValueError) as error:  # a name that no file can have
        raise RequestError(f"cannot write {str(target)[:LONGEST]}: {system_reason(error)}") from error
    if folder:
        raise RequestError(f"cannot write {target}: it is a folder; name a file")
    if _is_stream(target):
        if not os.access(target, os.W_OK):
            raise RequestError(f"cannot write {target}: permission denied")
        return target
    parent = _followed(target).parent
    if not parent.is_dir():
        raise RequestError(f"cannot write {target}: the folder {parent} does not exist; create it first")
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise RequestError(f"cannot write {target}: {system_reason(error)}") from error
    return target


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a binary file whose content stands under ``path`` when the block ends without an error.

    Raises:
        RequestError: it can't be written.
    """
    target = Path(path)
    with _into_stream(target) if _is_stream(target) else _into_file(_followed(target)) as stream:
        yield stream


def _followed(target: Path) -> Path:
    """What a symbolic link names; any other path as it is."""
    try:
        if not target.is_symlink():
            return target
    except (OSError, ValueError) as error:  # a name that no file can have
        raise RequestError(f"cannot write {str(target)[:LONGEST]}: {system_reason(error)}") from error
    real = Path(os.path.realpath(target))
    if real.is_symlink():
        raise RequestError(f"cannot write {target}: its symbolic links go round in a circle")
    return real


def _is_stream(target: Path) -> bool:
    """Whether there is something that is neither a file nor a folder: a pipe, a device, a socket."""
    try:
        return target.exists() and not target.is_file() and not target.is_dir()
    except OSError:
        return False


@contextlib.contextmanager
def _into_stream(target: Path) -> Iterator[IO[bytes]]:
    """All of it at once in the end; a pipe waits for its reader, as everywhere."""
    buffer = io.BytesIO()
    yield buffer
    try:
        with open(target, "wb") as stream:
            stream.write(buffer.getbuffer())
    except OSError as error:
        raise RequestError(f"cannot write {target}: {system_reason(error)}") from error


@contextlib.contextmanager
def _into_file(target: Path) -> Iterator[IO[bytes]]:
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    except (OSError, ValueError) as error:
        raise RequestError(f"cannot write {str(target)[:LONGEST]}: {system_reason(error)}") from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        raise RequestError(f"cannot write {target}: {system_reason(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 under ``path``, whole or not at all."""
    with atomic_write(path) as stream:
        stream.write(text.encode("utf-8", errors="backslashreplace"))  # names of files may hold bytes that are none


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class Hashed:
    """A file as it was when it was read, by its size and time; its SHA-256 is worked out when it is first asked for."""

    path: Path
    size: int
    written: int  # nanoseconds

    @classmethod
    def of(cls, path: Path) -> Hashed:
        found = path.stat()
        return cls(path.absolute(), found.st_size, found.st_mtime_ns)

    @cached_property
    def sha256(self) -> str | None:
        """None where the file has gone or changed since: the sum would be another file's."""
        try:
            digest = sha256_of(self.path)
            return digest if Hashed.of(self.path) == self else None
        except OSError:
            return None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
