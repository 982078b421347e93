"""NumPy's files of kernels: ``.npz`` with an array a weight, ``.npy`` with one; never pickled objects."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from rftools.errors import RequestError
from rftools.loading.formats import Contents, reader
from rftools.loading.limits import check
from rftools.loading.stub.archive import check_archive

KINDS = "biuf"  # of numbers that kernels are made of


def read_arrays_header(path: Path) -> Contents:
    """Names, types and shapes."""
    return Contents(dict(_tensors(path, values=False)), "NumPy file")


@reader(".npz", ".npy", header=read_arrays_header)
def read_arrays(path: Path) -> Contents:
    """A state dict, in torch's order: ``(out, in, *kernel)``. The one array of a ``.npy`` is called ``weight``."""
    return Contents(dict(_tensors(path, values=True)), "NumPy file")


def _tensors(path: Path, *, values: bool) -> Iterator[tuple[str, torch.Tensor]]:
    try:
        if path.suffix.lower() != ".npz":
            with path.open("rb") as stream:
                yield "weight", _array(stream, path.stat().st_size, path.name, values)
            return
        with zipfile.ZipFile(path) as archive:
            check_archive(archive, path.name)
            for entry in archive.infolist():
                with archive.open(entry) as member:
                    name = entry.filename.removesuffix(".npy")
                    yield name, _array(member, entry.file_size, f"{name[:64]} in {path.name}", values)
    except RequestError:
        raise
    except Exception as error:  # whatever a damaged file makes zipfile and numpy raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RequestError(f"{path.name} is no whole NumPy file: {reason}") from error


def _array(stream: IO[bytes], size: int, where: str, values: bool) -> torch.Tensor:
    """One array, whose header has to agree with the bytes that are there."""
    version = np.lib.format.read_magic(stream)
    header: Any = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = header(stream)
    if dtype.hasobject or dtype.kind not in KINDS or dtype.itemsize > 8:
        raise RequestError(f"{where} is an array of {dtype}, not of numbers that a kernel is made of")
    check("dims", len(shape), where)
    count = math.prod(shape)
    if count * dtype.itemsize > size:
        raise RequestError(f"{where} is damaged: its header speaks of {count} numbers, which are not there")
    plain = np.dtype(dtype.newbyteorder("="))
    if not values:
        kind = torch.from_numpy(np.zeros(1, _signed(plain))).dtype
        return torch.empty(shape, dtype=kind, device="meta")
    flat = np.frombuffer(stream.read(count * dtype.itemsize), dtype)
    return torch.from_numpy(flat.reshape(shape, order="F" if fortran else "C").astype(_signed(plain)))


def _signed(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Torch has no wide unsigned numbers that it can work with."""
    return np.dtype(np.int64) if dtype.kind == "u" and dtype.itemsize > 1 else dtype
