"""Arrays of numbers from NPY and NPZ files: headers are checked before room is made for what they say.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.reading.archives import bytes_of, check_archive
from rftools.reading.door import door, regular
from rftools.reading.limits import check

NUMBERS = "biuf"
NO_ARRAYS = "is no array file that can be read without pickle"
#: What arrays may be of besides, by NumPy's letter.
OTHER = {
    "c": "complex numbers",
    "S": "texts",
    "U": "texts",
    "M": "dates",
    "m": "spans of time",
    "O": "Python objects, which would have to be unpickled",
    "V": "records",
    "T": "texts",
}


def read_array(path: str | Path, rows: int | None = None) -> NDArray[Any]:
    """The array of an NPY file, or the only one of an NPZ; its first ``rows``, and no more is read.

    Raises:
        RequestError: no such file, a damaged one, several arrays, or one that is not of numbers.
    """
    found = read_arrays(path, rows=rows)
    if len(found) != 1:
        names = ", ".join(list(found)[:5]) + (", ..." if len(found) > 5 else "")
        raise RequestError(f"{Path(path).name} holds {len(found)} arrays ({names}); save the one that is meant alone")
    return next(iter(found.values()))


def read_arrays(path: str | Path, words: str = NO_ARRAYS, *, rows: int | None = None) -> Mapping[str, NDArray[Any]]:
    """Every array of an NPZ by its name; that of an NPY under ``""``. Of each the first ``rows`` where they are given.

    Raises:
        RequestError: no such file; a damaged one; arrays that are not of numbers.
    """
    file = regular(path)
    with door(file.name, words), file.open("rb") as stream:
        if stream.read(2) != b"PK":
            stream.seek(0)
            return {"": _array(stream, file.stat().st_size, file.name, rows)}
        with zipfile.ZipFile(stream) as archive:
            return _members(archive, file.name, rows)


def _members(archive: zipfile.ZipFile, where: str, rows: int | None) -> dict[str, NDArray[Any]]:
    check_archive(archive, where)
    found = {}
    for entry in archive.infolist():
        with archive.open(entry) as stream:
            name = entry.filename.removesuffix(".npy")
            found[name] = _array(stream, entry.file_size, f"{where}: {name}", rows)
    return found


def _array(stream: IO[bytes], size: int, where: str, rows: int | None) -> NDArray[Any]:
    """One array of ``size`` bytes with its header, or its first rows where these lie together."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if dtype.kind not in NUMBERS:
        raise RequestError(f"{where} is of {OTHER.get(dtype.kind, dtype)}, not of numbers")
    check("dims", len(shape), where)
    held = size - stream.tell()
    if prod(shape) * dtype.itemsize != held or min(shape, default=0) < 0:
        raise RequestError(f"{where} is damaged: its header says {'x'.join(map(str, shape))}, and {held} bytes follow")
    if rows is not None and shape and rows < shape[0] and not fortran:
        shape = (rows, *shape[1:])
        held = prod(shape) * dtype.itemsize
    numbers = np.frombuffer(bytes_of(stream, held), dtype, prod(shape))
    return numbers.reshape(shape, order="F" if fortran else "C")


def real_numbers(array: Any, where: str) -> NDArray[Any]:
    """An array as float32, in the machine's byte order.

    Raises:
        RequestError: it is not of real numbers, or holds NaN, infinite ones, or ones too large for float32.

    >>> real_numbers(np.array([1, 2], ">i2"), "a.npy")
    array([1., 2.], dtype=float32)
    """
    given = np.asarray(array)
    if given.dtype.kind not in NUMBERS:
        raise RequestError(f"{where} is of {OTHER.get(given.dtype.kind, given.dtype)}, not of numbers")
    with np.errstate(over="ignore"):
        found: NDArray[Any] = np.require(given, np.float32, ["C", "W"])
    check_finite(int(found.size - np.count_nonzero(np.isfinite(found))), int(found.size), where)
    return found


def check_finite(wrong: int, of: int, where: str) -> None:
    """Raise where some of an input's numbers are none.

    Raises:
        RequestError: they are; fields would look like any other.
    """
    if wrong:
        raise RequestError(
            f"{where}: {wrong} of {of} numbers are NaN, infinite or beyond float32; gradients at them mean nothing"
        )
