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


def reader(*endings: str) -> Callable[[Reader], Reader]:
    """Enters a reader for the files that end so.

    Raises:
        ValueError: an ending has a reader already.
    """

    def enter(function: Reader) -> Reader:
        for ending in endings:
            if READERS.get(ending, function) is not function:
                raise ValueError(f"files that end in {ending} have two readers")
            READERS[ending] = function
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
    if not path.exists():
        raise RequestError(f"no such file: {path}")
    refuse_foreign(path)
    known = readers()
    return known.get(path.suffix.lower(), known[".pt"])(path)
