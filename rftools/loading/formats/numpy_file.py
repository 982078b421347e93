"""NumPy's files of kernels: ``.npz`` with an array a weight, ``.npy`` with one; never pickled objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.loading.formats import Contents, reader
from rftools.reading.arrays import read_arrays

FLOATS = "f"
WIDEST = 8  # bytes of a number that torch has


@reader(".npz", ".npy")
def read_kernels(path: Path) -> Contents:
    """A state dict, in torch's order: ``(out, in, *kernel)``. The one array of a ``.npy`` is called ``weight``."""
    arrays = read_arrays(path, "is no whole NumPy file")
    return Contents({name or "weight": _tensor(array, name, path.name) for name, array in arrays.items()}, "NumPy file")


def _tensor(array: NDArray[Any], name: str, where: str) -> torch.Tensor:
    """In the machine's byte order; whole numbers as int64. Copied only where it is not so."""
    if array.dtype.kind == FLOATS and array.dtype.itemsize > WIDEST:
        raise RequestError(f"{where}: {name[:64] or 'its array'} is of {array.dtype}, which torch has not")
    kind = array.dtype.newbyteorder("=") if array.dtype.kind == FLOATS else np.dtype(np.int64)
    return torch.from_numpy(np.require(array, kind, ["C", "W"]))
