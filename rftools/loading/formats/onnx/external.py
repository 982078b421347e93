"""Weights that an ONNX file keeps in files beside it: only of its own folder, only as many bytes as fit."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from rftools.errors import RequestError

SIGNS = "/\\:\0"  # of which none is in the name of a file of the same folder


def fill_external(graph: Any, folder: Path, where: str) -> None:
    """Puts the bytes of tensors that lie in other files into the graph.

    Raises:
        RequestError: a file in another folder, one that is missing, a link, or too short.
    """
    for tensor in _tensors(graph, 0):
        if tensor.data_location == 1:  # TensorProto.EXTERNAL
            tensor.raw_data = _bytes_of(tensor, folder, where)
            tensor.data_location = 0
            del tensor.external_data[:]


def _tensors(graph: Any, depth: int) -> Iterator[Any]:
    """Every tensor of a graph and of the graphs inside its operators."""
    yield from graph.initializer
    for node in graph.node if depth < 8 else ():
        for attribute in node.attribute:
            yield from (tensor for tensor in (attribute.t, *attribute.tensors) if tensor.data_location)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner, depth + 1)


def _bytes_of(tensor: Any, folder: Path, where: str) -> bytes:
    from onnx import helper

    entries = {entry.key: entry.value for entry in tensor.external_data}
    name = entries.get("location", "").removeprefix("./")
    if not name or name in (".", "..") or any(sign in name for sign in SIGNS):
        raise RequestError(f"{where} keeps weights in {name[:64]!r}, which is not in its own folder; it is not opened")
    file = folder / name
    if file.is_symlink() or not file.is_file():
        raise RequestError(f"{where} keeps weights in {name[:64]}, which is no file beside it; put it there")
    try:
        offset, given = int(entries.get("offset", 0)), int(entries.get("length", -1))
        wanted = prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{where} is damaged: it does not say how many bytes of {name[:64]} are meant") from error
    if given not in (-1, wanted) or offset < 0 or wanted < 0 or offset + wanted > file.stat().st_size:
        raise RequestError(f"{where} or {name[:64]} is damaged: {tensor.name[:64]} would reach out of it")
    with file.open("rb") as stream:
        stream.seek(offset)
        return stream.read(wanted)
