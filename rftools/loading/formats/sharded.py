"""Weights in several files with an index of them, as Hugging Face folders hold large nets' (``*.index.json``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rftools.errors import RequestError
from rftools.loading.formats import Contents, read_file, read_header, reader
from rftools.loading.model import Model
from rftools.reading import read_json

ENDINGS = (".safetensors", ".bin", ".pt", ".pth")


def gathered(path: Path, read: Callable[[Path], Contents | Model]) -> Contents:
    """The tensors that the index lists, each from its file, with ``read``.

    Raises:
        RequestError: the index is damaged, or names a file that is not in its folder.
    """
    places = shards(path)
    tensors: dict[str, Any] = {}
    names: set[str] = set()
    for shard in dict.fromkeys(places.values()):
        found = read(path.parent / shard)
        if isinstance(found, Model):
            raise RequestError(f"{path.name} names {shard}, which holds a whole net")
        tensors |= {name: value for name, value in found.content.items() if places.get(name) == shard}
        names |= set(found.names)
    if missing := [name for name in places if name not in tensors]:
        raise RequestError(f"{path.name}: {missing[0]} is not in {places[missing[0]]}; the files are of different nets")
    return Contents(tensors, f"{len(set(places.values()))} files with an index", tuple(sorted(names)))


def shards(path: Path) -> dict[str, str]:
    """Which file of the folder each tensor is in.

    Raises:
        RequestError: no index, or one that names a file elsewhere or one that is missing.
    """
    held = read_json(path, "is no index of weight files")
    places = held.get("weight_map") if isinstance(held, Mapping) else None
    if not isinstance(places, Mapping) or not places or not all(_is_plain(shard) for shard in places.values()):
        raise RequestError(f"{path.name} names files outside of its folder, or of other kinds; none of them is read")
    missing = [shard for shard in dict.fromkeys(places.values()) if not (path.parent / shard).is_file()]
    if missing:
        raise RequestError(f"{path.name} names {missing[0]}, which is not in its folder; download all of its files")
    return dict(places)


def _is_plain(name: Any) -> bool:
    """A file name without any folder in it."""
    return isinstance(name, str) and name.endswith(ENDINGS) and not any(sign in name for sign in "/\\:\0")


def read_sharded_header(path: Path) -> Contents:
    """The same without the numbers."""
    return gathered(path, read_header)


@reader(".index.json", header=read_sharded_header)
def read_sharded(path: Path) -> Contents:
    """The tensors of all the files that an index names."""
    return gathered(path, read_file)
