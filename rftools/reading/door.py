"""What a library raises at a file from outside becomes one line; what is no file is not opened."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rftools.errors import LONGEST, RequestError, reason, system_reason

OURS = (RequestError, KeyboardInterrupt, SystemExit, GeneratorExit)


@contextmanager
def door(where: str | Path, words: str) -> Iterator[None]:
    """Inside the block every exception but our own becomes a `RequestError`: ``where words: reason``.

    Libraries raise what they like at a damaged file: classes of their own, assertions, panics of Rust that are no
    ``Exception``. Their warnings about it are not shown.

    Raises:
        RequestError: whatever else was raised.

    >>> with door("a.pt", "is damaged"):
    ...     {}["key"]
    Traceback (most recent call last):
    rftools.errors.RequestError: a.pt is damaged: KeyError: 'key'
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except OURS:
        raise
    except FileNotFoundError as error:
        raise RequestError(f"no such file: {where}") from error
    except MemoryError as error:
        raise RequestError(f"{where} asks for more memory than there is") from error
    except RecursionError as error:
        raise RequestError(f"{where} {words}: it is nested too deeply") from error
    except OSError as error:
        if error.strerror is None:
            raise RequestError(f"{where} {words}: {reason(error)}") from error
        raise RequestError(f"cannot read {where}: {error.strerror.lower()}") from error
    except BaseException as error:
        raise RequestError(f"{where} {words}: {reason(error)}") from error


def regular(path: str | Path) -> Path:
    """The path of a file that ends: no folder, no pipe that is waited for, no device.

    Raises:
        RequestError: it is none, or there is nothing.
    """
    file = Path(path)
    try:
        if file.is_file():
            return file
        there, folder = file.exists(), file.is_dir()
    except (OSError, ValueError) as error:  # a name that no file can have, a folder that may not be looked into
        raise RequestError(f"cannot read {str(path)[:LONGEST]}: {system_reason(error)}") from error
    if folder:
        raise RequestError(f"{path} is a folder; name a file in it")
    if there:
        raise RequestError(f"{path} is no regular file; name a file")
    raise RequestError(f"no such file: {path}")


def nameable(path: str | Path) -> Path:
    """A path that can be asked for, whether something is there or not.

    Raises:
        RequestError: a name that no file can have, or a folder that may not be looked into.
    """
    try:
        os.stat(path)
    except FileNotFoundError:
        pass
    except NotADirectoryError:
        pass
    except (OSError, ValueError) as error:
        raise RequestError(f"cannot read {str(path)[:LONGEST]}: {system_reason(error)}") from error
    return Path(path)
