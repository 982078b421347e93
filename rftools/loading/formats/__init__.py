"""Readers, one a file format: a module in this folder that registers itself for the endings that it reads.

A reader takes a path and gives `Contents` (weights, perhaps with what they belong to) or a whole `Model`::

    @reader(".toy")
    def read_toy(path):
        return Contents({"conv.weight": torch.zeros(4, 3, 3, 3)}, "toy file")
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rftools.errors import RequestError
from rftools.loading.foreign import refuse_foreign
from rftools.loading.model import Model


@dataclass(frozen=True)
class Contents:
    """What a file of weights holds: plain containers with tensors in them, and the format's name in words.

    ``names`` are the classes and functions that a pickle asks for; none of them is imported.
    """

    content: Mapping[str, Any]
    format: str
    names: tuple[str, ...] = ()


Reader = Callable[[Path], Contents | Model]
READERS: dict[str, Reader] = {}
HEADERS: dict[str, Reader] = {}
MAGIC = ((b"\x89HDF\r\n\x1a\n", ".h5"), (b"\x93NUMPY", ".npy"))  # first bytes that say more than an ending


def reader(*endings: str, header: Reader | None = None) -> Callable[[Reader], Reader]:
    """Enters a reader for the files that end so; ``header`` gives the same on the meta device, without the numbers.

    Raises:
        ValueError: an ending has a reader already.
    """

    def enter(function: Reader) -> Reader:
        for ending in endings:
            if READERS.get(ending, function) is not function:
                raise ValueError(f"files that end in {ending} have two readers")
            READERS[ending] = function
            if header is not None:
                HEADERS[ending] = header
        return function

    return enter


def readers() -> Mapping[str, Reader]:
    """Every ending that can be read, with its reader; this folder's modules register when they are first needed."""
    for found in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{found.name}")
    return READERS


def read_file(path: Path) -> Contents | Model:
    """What a file holds. One whose ending says nothing is read as PyTorch's.

    Raises:
        RequestError: no such file, or nothing that can be read without running its code.
    """
    return readers()[_ending(path)](path)


def read_header(path: Path) -> Contents | Model:
    """As `read_file`, with tensors that have no numbers where the format allows it."""
    known, ending = readers(), _ending(path)
    return HEADERS.get(ending, known[ending])(path)


def _ending(path: Path) -> str:
    """What a file is read as: its first bytes where they say it, its longest known ending, PyTorch's otherwise."""
    refuse_foreign(path)
    if not path.exists():
        raise RequestError(f"no such file: {path}")
    if path.is_file():
        with path.open("rb") as stream:
            head = stream.read(16)
        size = int.from_bytes(head[:8], "little")
        if head[8:9] == b"{" and size < path.stat().st_size:
            return ".safetensors"
        for magic, ending in MAGIC:
            if head.startswith(magic):
                return ending
    name = path.name.lower()
    return max((ending for ending in readers() if name.endswith(ending)), key=len, default=".pt")
