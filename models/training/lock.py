"""A run's folder is written by one process at a time."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rftools.errors import RequestError

TAKEN = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EEXIST)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Inside the block the folder is this process's; however that ends, the system takes the lock back.

    Where a file system knows no locks the block runs without one.

    Raises:
        RequestError: another process writes there.
    """
    try:
        taken = _take(folder)
    except OSError as error:
        if error.errno in TAKEN:
            raise RequestError(
                f"{folder} is being written by another process; wait for it, or name another folder with -o"
            ) from error
        taken = None
    try:
        yield
    finally:
        if taken is not None:
            os.close(taken)


def _take(folder: Path) -> int:
    """A descriptor that holds the lock until it is closed."""
    if os.name == "nt":  # a file that Windows deletes when it is closed, by whatever end of the process
        return os.open(folder / ".lock", os.O_CREAT | os.O_EXCL | getattr(os, "O_TEMPORARY", 0))
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
