"""Where kernels come from: a loaded model, a module, or a bare state dict; zeros by mask or baked in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.files import sha256_of
from rftools.loading import Model, as_model, load
from rftools.loading.load import bare_weights
from rftools.loading.state_dict import masked, state_dict_of
from rftools.results import ModelInfo
from rftools.rows import names_of, only

if TYPE_CHECKING:
    import torch
    from torch import nn

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Kernels:
    """One layer's weight: ``weight`` is ``(out, in per group, *kernel)``, transposed convolutions turned round.

    ``zero_kind``: ``mask`` where a pruning mask is stored beside the weight, ``parametrization``, None where zeros
    could only be in the weight itself. ``dilation`` is one number an axis.
    """

    name: str
    weight: Array
    zero_kind: str | None
    dilation: tuple[int, ...]
    groups: int = 1
    note: str | None = None

    @cached_property
    def total(self) -> float:
        """The sum of all weights; not finite where any is not (or where the sum leaves float32)."""
        return float(self.weight.sum())

    @property
    def kernel(self) -> tuple[int, ...]:
        return self.weight.shape[2:]


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
    if isinstance(model, (str, Path)):
        return _from_path(Path(model))
    if isinstance(model, Mapping):
        return _finish(
            _from_state(dict(model), "the state dict"), ModelInfo("state dict", "state dict", None, _count(model))
        )
    loaded = as_model(model)
    masked_in_file = loaded.metadata.get("masked", ())
    layers = [
        replace(own, zero_kind="mask") if own.name in masked_in_file else own for own in _from_module(loaded.module)
    ]
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
    return _finish(_from_state(state, path.name), info)


def _count(state: Mapping[str, torch.Tensor]) -> int:
    return sum(t.numel() for name, t in state.items() if not name.endswith(("_mask", "num_batches_tracked")))


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


def _from_module(module: nn.Module) -> list[Kernels]:
    from torch import nn

    convolutions = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    transposed = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    found = []
    for name, child in module.named_modules():
        if not isinstance(child, (*convolutions, *transposed, nn.Linear)):
            continue
        array = _as_array(_own_weight(child))
        dilation: tuple[int, ...] = ()
        if not isinstance(child, nn.Linear):
            dilation = tuple(int(d) for d in child.dilation)
        if isinstance(child, transposed):
            array = _turned(array, child.groups)
        groups = int(getattr(child, "groups", 1))
        found.append(Kernels(name, array, _zero_kind(child), dilation, groups))
    return found


def _own_weight(module: Any) -> torch.Tensor:
    """A pruned module's ``weight`` is renewed by its forward pass only; after loading a state dict it is stale."""
    if hasattr(module, "weight_mask") and hasattr(module, "weight_orig"):
        return module.weight_orig * module.weight_mask
    return module.weight


def _turned(weight: Array, groups: int) -> Array:
    """A transposed convolution's (in, out per group, ...) as (out, in per group, ...)."""
    inputs, outs, *kernel = weight.shape
    split = weight.reshape(groups, inputs // groups, outs, *kernel).swapaxes(1, 2)
    return np.ascontiguousarray(split).reshape(groups * outs, inputs // groups, *kernel)


def _zero_kind(module: nn.Module) -> str | None:
    if hasattr(module, "weight_mask"):
        return "mask"
    if "weight" in getattr(module, "parametrizations", {}):
        return "parametrization"
    return None


def _as_array(tensor: torch.Tensor) -> Array:
    if tensor.is_meta:
        raise RequestError("the weights are on the meta device: they have no values")
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    array: Array = tensor.detach().float().cpu().numpy()
    return array


def _from_state(state: dict[str, torch.Tensor], where: str) -> list[Kernels]:
    found = []
    normed = [name for name in state if name.endswith(("weight_g", "parametrizations.weight.original0"))]
    if normed:
        raise RequestError(
            f"{where}: {normed[0].rpartition('.')[0] or normed[0]} is kept in parts (weight norm); give the "
            "architecture (--model SPEC), or remove the parametrization before saving"
        )
    for name, tensor in state.items():
        if name.endswith(("_mask", ".mask")) or not (tensor.is_floating_point() or tensor.is_quantized):
            continue
        layer, weight, kind = _effective(name, tensor, state, where)
        if layer is None or weight.ndim < 2:
            continue
        array = _as_array(weight)
        note = "quantised: read as the values that it stands for" if weight.is_quantized else None
        found.append(Kernels(layer, array, kind, (1,) * (array.ndim - 2), note=note))
    return found


def _effective(
    name: str, tensor: torch.Tensor, state: Mapping[str, torch.Tensor], where: str
) -> tuple[str | None, torch.Tensor, str | None]:
    """A layer's name and its weight with masks applied; None for what is no weight."""
    if name.endswith(".weight") or name == "weight":
        return name.removesuffix("weight").removesuffix(".") or "weight", tensor, None
    for suffix, mask_name, kind in (
        ("weight_orig", "weight_mask", "mask"),
        ("parametrizations.weight.original", "parametrizations.weight.0.mask", "parametrization"),
    ):
        if not name.endswith(suffix):
            continue
        prefix = name.removesuffix(suffix)
        mask = state.get(prefix + mask_name)
        layer = prefix.rstrip(".")
        return layer or "weight", tensor if mask is None else masked(tensor, mask, layer, where), kind
    return None, tensor, None
