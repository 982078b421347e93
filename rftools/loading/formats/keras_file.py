"""Keras' files: ``.h5`` of Keras 2 and 3, ``.keras`` archives. Kernels are turned to torch's order, nothing is built.

Layouts: Keras 2 keeps ``layer/weight:0`` and lists names in attributes; Keras 3 keeps ``layers/NAME/vars/0, 1, ...``.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rftools.errors import RequestError, missing_package
from rftools.loading.formats import Contents, reader
from rftools.reading import check, check_archive, door

ROOTS = ("model_weights", "layers", "_layer_checkpoint_dependencies")
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
    with door(path.name, "is no whole Keras file"), h5py.File(_hdf5(path), "r") as file:
        found: dict[str, Any] = {}
        _collect(file, "", found)
        check("entries", len(found), path.name)
        for name, dataset in found.items():
            yield _turned(name, dataset, path.name, values)


def _hdf5(path: Path) -> Any:
    """The HDF5 file itself, or the one in the archive of Keras 3."""
    if not zipfile.is_zipfile(path):
        return path
    with zipfile.ZipFile(path) as archive:
        check_archive(archive, path.name)
        if WEIGHTS not in archive.namelist():
            raise RequestError(f"{path.name} is no Keras archive: it has no {WEIGHTS}")
        check("expansion", archive.getinfo(WEIGHTS).file_size, path.name)
        return io.BytesIO(archive.read(WEIGHTS))


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


def _turned(path: str, dataset: Any, where: str, values: bool) -> tuple[str, torch.Tensor]:
    """A weight's name and value, as torch has them."""
    check("dims", dataset.ndim, where)
    if dataset.id.get_storage_size() == 0 and dataset.size:
        raise RequestError(f"{where} is damaged: {path[:64]} has no numbers")
    check("constants", 0 if dataset.nbytes <= 64 * max(1, dataset.id.get_storage_size()) else dataset.size, where)
    layer, kind = _named(path, dataset.ndim)
    order, shape = _order(layer, kind, tuple(dataset.shape))
    name = f"{layer}.{'weight' if kind == 'depthwise_kernel' and 'separable' not in layer else NAMES.get(kind, kind)}"
    if not values:
        return name, torch.empty(shape, dtype=getattr(torch, str(dataset.dtype)), device="meta")
    array = np.ascontiguousarray(dataset[()].astype(dataset.dtype.newbyteorder("=")).transpose(order)).reshape(shape)
    return name, torch.from_numpy(array)


def _named(path: str, rank: int) -> tuple[str, str]:
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
    if last == "kernel" and rank > 2 and "depthwise" in "".join(kept[-1:]):
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
    return "recurrent_kernel" if number == "1" and rank > 1 else "bias" if rank == 1 else f"var{number}"


def _order(layer: str, kind: str, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes in torch's order, and the shape then.

    Keras has ``(*kernel, in, out)``, of transposed convolutions ``(*kernel, out, in)`` where torch has
    ``(in, out, ...)``: both are the last two axes turned round and put first. Depthwise kernels
    ``(*kernel, in, multiplier)`` become ``(in * multiplier, 1, *kernel)``, those of one input beside each other.
    """
    rank = len(shape)
    if rank < 2 or kind in ("embeddings", "bias") or kind not in NAMES:
        return tuple(range(rank)), shape
    kernel = tuple(range(rank - 2))
    if kind == "depthwise_kernel":
        order = (rank - 2, rank - 1, *kernel)
        return order, (shape[-2] * shape[-1], 1, *shape[:-2])
    order = (rank - 1, rank - 2, *kernel)
    return order, tuple(shape[axis] for axis in order)
