"""Keras' files: ``.h5`` of Keras 2 and 3, ``.keras`` archives. Kernels are turned to torch's order, nothing is built.

Layouts: Keras 2 keeps ``layer/weight:0`` and lists names in attributes; Keras 3 keeps ``layers/NAME/vars/0, 1, ...``.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import torch

from rftools.errors import RequestError, missing_package
from rftools.loading.formats import Contents, reader
from rftools.reading import check, check_archive, door

ROOTS = ("model_weights", "layers", "_layer_checkpoint_dependencies")
DESCRIPTION = "model_config"  # the attribute of a whole net's file of before .keras
WEIGHTS = "model.weights.h5"
NAMES = {
    "kernel": "weight", "depthwise_kernel": "depthwise.weight", "pointwise_kernel": "pointwise.weight",
    "bias": "bias", "gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
    "moving_variance": "running_var", "embeddings": "weight", "recurrent_kernel": "recurrent.weight",
}  # fmt: skip


def read_keras_header(path: Path) -> Contents:
    """Names, types and shapes."""
    return Contents(dict(_tensors(path, values=False)), "Keras file")


@reader(".h5", ".hdf5", ".keras", header=read_keras_header)
def read_keras(path: Path) -> Contents:
    """The weights as a state dict in torch's order: ``(out, in, *kernel)``, depthwise ones ``(out, 1, *kernel)``."""
    return Contents(dict(_tensors(path, values=True)), "Keras file")


def _tensors(path: Path, *, values: bool) -> Iterator[tuple[str, torch.Tensor]]:
    try:
        import h5py
    except ImportError:
        raise missing_package("h5py", "keras", "Keras files") from None
    with door(path.name, "is no whole Keras file"), _hdf5(path) as opened, h5py.File(opened, "r") as file:
        found: dict[str, Any] = {}
        _collect(file, "", found)
        check("entries", len(found), path.name)
        depthwise = _depthwise(file, path.name)
        for name, dataset in found.items():
            yield _turned((name, depthwise), dataset, path.name, values)


def _hdf5(path: Path) -> Any:
    """The HDF5 file itself, or the one in the archive of Keras 3."""
    if not zipfile.is_zipfile(path):
        return path.open("rb")
    with zipfile.ZipFile(path) as archive:
        check_archive(archive, path.name)
        if WEIGHTS not in archive.namelist():
            raise RequestError(f"{path.name} is no Keras archive: it has no {WEIGHTS}")
        entry = archive.getinfo(WEIGHTS)
        if entry.compress_type == zipfile.ZIP_STORED:
            return _Member(path, entry)
        check("expansion", entry.file_size, path.name)
        return io.BytesIO(archive.read(WEIGHTS))


class _Member(io.RawIOBase):
    """A file in an archive that is not packed, read where it lies."""

    def __init__(self, path: Path, entry: zipfile.ZipInfo) -> None:
        self.stream = path.open("rb")
        self.stream.seek(entry.header_offset + 26)
        name, extra = struct.unpack("<HH", self.stream.read(4))
        self.begin, self.size = entry.header_offset + 30 + name + extra, entry.file_size
        self.seek(0)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: max(0, self.size - self.tell())]
        return self.stream.readinto(view)

    def seek(self, offset: int, whence: int = 0) -> int:
        place = offset + (0, self.tell(), self.size)[whence] if whence else offset
        return self.stream.seek(self.begin + place) - self.begin

    def tell(self) -> int:
        return self.stream.tell() - self.begin

    def close(self) -> None:
        self.stream.close()
        super().close()


def _collect(group: Any, prefix: str, found: dict[str, Any], depth: int = 0) -> None:
    """The datasets by their paths, in the file's order; links to other files and places are not followed."""
    import h5py

    check("depth", depth, prefix or "the file")
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        member, path = group[name], f"{prefix}/{name}" if prefix else name
        if isinstance(member, h5py.Group):
            if not path.startswith(("optimizer", "optimizer_weights")):
                _collect(member, path, found, depth + 1)
        elif isinstance(member, h5py.Dataset) and member.dtype.kind == "f" and not member.external:
            found[path] = member


def _depthwise(file: Any, where: str) -> set[str]:
    """The layers that a whole net's description calls depthwise; Keras 3 names their kernels as all others."""
    text = file.attrs.get(DESCRIPTION)
    if not isinstance(text, (str, bytes)):
        return set()
    check("text", len(text), where)
    return set(_named_so(json.loads(text), where, 0))


def _named_so(part: Any, where: str, depth: int) -> Iterator[str]:
    check("depth", depth, where)
    if isinstance(part, dict):
        inner = part.get("config")
        if str(part.get("class_name", "")).startswith("Depthwise") and isinstance(inner, dict):
            yield str(inner.get("name"))
    for item in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _named_so(item, where, depth + 1)


def _turned(place: tuple[str, set[str]], dataset: Any, where: str, values: bool) -> tuple[str, torch.Tensor]:
    """A weight's name and value, as torch has them."""
    path, depthwise = place
    check("dims", dataset.ndim, where)
    if dataset.id.get_storage_size() == 0 and dataset.size:
        raise RequestError(f"{where} is damaged: {path[:64]} has no numbers")
    check("constants", 0 if dataset.nbytes <= 64 * max(1, dataset.id.get_storage_size()) else dataset.size, where)
    layer, kind = _named(path, dataset.ndim, depthwise)
    order, shape = _order(layer, kind, tuple(dataset.shape))
    name = f"{layer}.{'weight' if kind == 'depthwise_kernel' and 'separable' not in layer else NAMES.get(kind, kind)}"
    if not values:
        return name, torch.empty(shape, dtype=getattr(torch, str(dataset.dtype)), device="meta")
    array = dataset[()].astype(dataset.dtype.newbyteorder("="), copy=False)
    return name, torch.from_numpy(array.transpose(order).reshape(shape))


def _named(path: str, rank: int, depthwise: Collection[str] = ()) -> tuple[str, str]:
    """The layer and the kind of weight that a path says.

    >>> _named("model_weights/conv1/conv1/kernel:0", 4)
    ('conv1', 'kernel')
    >>> _named("layers/conv2d_1/vars/0", 4), _named("layers/conv2d_1/vars/1", 1)
    (('conv2d_1', 'kernel'), ('conv2d_1', 'bias'))
    """
    parts = [part for part in path.split("/") if part and part not in ROOTS]
    last = parts.pop().partition(":")[0]
    if parts and parts[-1] == "vars":
        parts.pop()
        last = _numbered(parts[-1] if parts else "", last, rank)
    kept = [part for k, part in enumerate(parts) if k == 0 or part != parts[k - 1]]
    if len(kept) > 1 and kept[0] == kept[-1]:  # Keras 2 names the model between
        kept = kept[-1:]
    if last == "kernel" and rank > 2 and ("depthwise" in "".join(kept[-1:]) or kept[-1] in depthwise):
        last = "depthwise_kernel"
    return ".".join(part.replace(".", "_") for part in kept) or "layer", last


def _numbered(layer: str, number: str, rank: int) -> str:
    """What Keras 3's variable of a number is, by its layer's name and rank."""
    if "norm" in layer:
        kinds = ("gamma", "beta", "moving_mean", "moving_variance")
        return kinds[int(number)] if number.isdecimal() and int(number) < len(kinds) else number
    if "separable" in layer and rank > 2:
        return {"0": "depthwise_kernel", "1": "pointwise_kernel"}.get(number, number)
    if number == "0" and rank > 1:
        return "depthwise_kernel" if "depthwise" in layer else "embeddings" if "embedding" in layer else "kernel"
    if number == "1" and rank > 1 and "cell" in layer:
        return "recurrent_kernel"
    return "bias" if number == "1" or rank == 1 else f"var{number}"


def _order(layer: str, kind: str, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes in torch's order, and the shape then.

    Keras has ``(*kernel, in, out)``, of transposed convolutions ``(*kernel, out, in)`` where torch has
    ``(in, out, ...)``: both are the last two axes turned round and put first. Depthwise kernels
    ``(*kernel, in, multiplier)`` become ``(in * multiplier, 1, *kernel)``, those of one input beside each other. An
    attention's ``(in, heads, each)`` and ``(heads, each, out)`` are matrices.
    """
    rank = len(shape)
    if rank < 2 or kind in ("embeddings", "bias") or kind not in NAMES:
        return tuple(range(rank)), shape
    attention, _, part = layer.rpartition(".")
    if attention and rank == 3 and part.removesuffix("_dense") in ("query", "key", "value"):
        return (1, 2, 0), (shape[1] * shape[2], shape[0])
    if attention and rank == 3 and part in ("attention_output", "output_dense"):
        return (2, 0, 1), (shape[2], shape[0] * shape[1])
    kernel = tuple(range(rank - 2))
    if kind == "depthwise_kernel":
        order = (rank - 2, rank - 1, *kernel)
        return order, (shape[-2] * shape[-1], 1, *shape[:-2])
    order = (rank - 1, rank - 2, *kernel)
    return order, tuple(shape[axis] for axis in order)
