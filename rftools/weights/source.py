"""Where kernels come from: a loaded model, a module, or a bare state dict; zeros by mask or baked in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rftools.errors import RequestError
from rftools.files import sha256_of
from rftools.loading import Model, as_model, load
from rftools.loading.load import bare_weights
from rftools.loading.state_dict import state_dict_of, unpacked
from rftools.results import ModelInfo
from rftools.rows import names_of, only
from rftools.weights.kernels import Kernels

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Weights:
    """All layers' kernels, and whose they are. ``known``: whether the architecture (dilation) is known."""

    info: ModelInfo
    input_size: tuple[int, ...] | None
    layers: tuple[Kernels, ...]
    known: bool


def collect(model: Model | nn.Module | Mapping[str, torch.Tensor] | str | Path) -> Weights:
    """The kernels of whatever has weights: a `Model`, a module, a state dict, or the path of a file.

    Raises:
        RequestError: no layer with a kernel or a matrix; NaN in a weight; a mask that does not fit its weight.
    """
    from rftools.weights.reading import of_module

    if isinstance(model, (str, Path)):
        return _from_path(Path(model))
    if isinstance(model, Mapping):
        return _from_state(
            unpacked(model), "the state dict", ModelInfo("state dict", "state dict", None, _count(model))
        )
    loaded = as_model(model)
    masked_in_file = loaded.metadata.get("masked", ())
    layers = [replace(own, zero_kind="mask") if own.name in masked_in_file else own for own in of_module(loaded.module)]
    return _finish(layers, loaded.info(), loaded.input_size, known=True)


def chosen(layers: Sequence[Kernels], patterns: Sequence[str] | str | None) -> list[Kernels]:
    """The layers that are asked for by names or patterns, all where none is.

    Raises:
        RequestError: a pattern that matches none.
    """
    return list(only(layers, names_of(patterns)))


def _from_path(path: Path) -> Weights:
    content = bare_weights(path)
    if content is None:
        return collect(load(path))
    state = state_dict_of(content, path.name)
    info = ModelInfo(str(path), path.name, sha256_of(path), _count(state))
    return _from_state(state, path.name, info)


def _from_state(state: Mapping[str, torch.Tensor], where: str, info: ModelInfo) -> Weights:
    """Tensors alone; where the net is recognised by them, its groups and dilations are known too."""
    from rftools.weights.reading import of_state

    architecture, prefix = _architecture(state, where)
    return _finish(of_state(state, where, architecture, prefix), info, known=architecture is not None)


def _architecture(state: Mapping[str, torch.Tensor], where: str) -> tuple[nn.Module | None, str]:
    """The net that the tensors are of, without values, and the prefix of its names in them; None where none fits."""
    import torch

    from rftools.loading.factories import build
    from rftools.loading.fitting import recognised

    try:
        match = recognised(state, where)
        with torch.device("meta"):
            return build(match.spec, **match.arguments).module, match.prefix
    except (RequestError, RuntimeError):  # none fits, its library is missing, or it can't be built without values
        return None, ""


def _count(state: Mapping[str, torch.Tensor]) -> int:
    held = {name: tensor for name, tensor in state.items() if hasattr(tensor, "numel")}
    return sum(t.numel() for name, t in held.items() if not name.endswith(("_mask", "num_batches_tracked")))


def _finish(
    layers: list[Kernels], info: ModelInfo, input_size: tuple[int, ...] | None = None, *, known: bool = False
) -> Weights:
    if not layers:
        raise RequestError(f"{info.name} has no layer with a kernel or a weight matrix")
    for layer in layers:
        if not np.isfinite(layer.total) and not np.isfinite(layer.weight).all():  # a sum shows it at once
            raise RequestError(
                f"layer {layer.name!r} has NaN or infinite weights; the training diverged or the file is damaged"
            )
    return Weights(info, input_size, tuple(layers), known)
