"""One reading of weights: a module, a state dict and what files hold become the same list of kernels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from rftools.errors import RequestError
from rftools.reading import check
from rftools.weights.effective import Effective, State, WeightPlace, effective, held, places
from rftools.weights.kernels import Array, Kernels

NORM = re.compile(r"(?:^|[._])(?:ln|rms_?norm|layer_?norm|norm)[_a-z]*\d*$")
TURNED = re.compile(r"transpos|deconv|up_?conv", re.IGNORECASE)
BY_NAME = "read as a transposed convolution, by its name"
QUANTISED = "quantised: read as the values that it stands for"


@dataclass(frozen=True)
class KernelLayout:
    """What a weight's shape does not say."""

    transposed: bool = False
    groups: int = 1
    dilation: tuple[int, ...] | None = None
    note: str | None = None


def of_module(module: nn.Module) -> list[Kernels]:
    """The kernels of a module; its parameters are read, not its ``weight`` attributes, which may be stale."""
    state = held(module)
    return _read(_layouts(state, dict(module.named_modules(remove_duplicate=False))), state, type(module).__name__)


def of_state(state: State, where: str, architecture: nn.Module | None = None, prefix: str = "") -> list[Kernels]:
    """The kernels of a state dict: their layouts are those of ``architecture``, whose names follow ``prefix``, where it
    is known; otherwise biases and names say what can be known of them.

    Raises:
        RequestError: a mask or parts that do not fit; complex weights; values that only the meta device has.
    """
    modules = {} if architecture is None else architecture.named_modules(remove_duplicate=False)
    owners = {f"{prefix}{name}".rstrip("."): module for name, module in dict(modules).items()}
    own = _read(_layouts(state, owners), state, where)
    return [replace(layer, name=layer.name or "weight") for layer in own]


def _layouts(state: State, owners: Mapping[str, nn.Module]) -> dict[WeightPlace, KernelLayout | None]:
    """Each weight's layout, None for what is no layer: of the modules that are known, guessed for others."""
    found: dict[WeightPlace, KernelLayout | None] = {}
    for place in places(state):
        owner, shape = owners.get(place.prefix.rstrip(".")), _shape(place, state)
        if owner is not None:
            found[place] = None if _is_norm(owner) else _layout_of(owner, place, len(shape) - 2)
        elif len(shape) > 1:
            found[place] = _guessed(place, shape, _bias(place, state), first=not any(found.values()))
    return found


def _read(layouts: Mapping[WeightPlace, KernelLayout | None], state: State, where: str) -> list[Kernels]:
    """Each weight once: layers that share it stand under the first of their names."""
    found: list[Kernels] = []
    known: dict[object, int] = {}
    for place, layout in layouts.items():
        own = None if layout is None else effective(place, state, where)
        if own is None or layout is None or own.value.ndim < 2 or not _has_values(own.value, place):
            continue
        if own.key is not None and own.key in known:
            number = known[own.key]
            found[number] = found[number].shared_with(place.layer)
            continue
        if own.key is not None:
            known[own.key] = len(found)
        found.append(_kernels(place, own, layout))
    return found


def _kernels(place: WeightPlace, own: Effective, layout: KernelLayout) -> Kernels:
    array = as_array(own.value, place.layer)
    if layout.transposed:
        array = turned(array, layout.groups, place.layer)
    if layout.groups < 1 or len(array) % layout.groups:
        raise RequestError(
            f"layer {place.layer!r} has {len(array)} output channels, which are no {layout.groups} groups"
        )
    notes = (own.note, layout.note, QUANTISED if own.value.is_quantized else None)
    return Kernels(
        place.layer,
        array,
        own.kind,
        layout.dilation or (1,) * (array.ndim - 2),
        layout.groups,
        "; ".join(note for note in notes if note) or None,
    )


def _has_values(tensor: torch.Tensor, place: WeightPlace) -> bool:
    if tensor.is_complex():
        raise RequestError(
            f"layer {place.layer!r} has complex weights; what points where is not defined for them: give their real or "
            "imaginary part, or their size"
        )
    return bool(tensor.numel()) and (tensor.is_floating_point() or tensor.is_quantized)


def _is_norm(owner: nn.Module) -> bool:
    return isinstance(owner, (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase))


def _layout_of(owner: nn.Module, place: WeightPlace, rank: int) -> KernelLayout:
    """A convolution's own layout; of modules that torch does not know their attributes of the same names."""
    if place.leaf != "weight":
        return KernelLayout()
    dilation = getattr(owner, "dilation", None)
    known = isinstance(dilation, tuple) and len(dilation) == rank
    transposed, groups = getattr(owner, "transposed", False), getattr(owner, "groups", 1)
    return KernelLayout(transposed is True, groups if isinstance(groups, int) else 1, dilation if known else None)


def _shape(place: WeightPlace, state: State) -> tuple[int, ...]:
    names = (place.name(), place.name("_orig"), place.name("_v"), place.behind("original"), place.behind("original1"))
    return next((tuple(state[name].shape) for name in names if name in state), ())


def _bias(place: WeightPlace, state: State) -> tuple[int, ...] | None:
    names = (f"{place.prefix}bias", f"{place.prefix}bias_orig", f"{place.prefix}parametrizations.bias.original")
    return next((tuple(state[name].shape) for name in names if name in state), None)


def _guessed(
    place: WeightPlace, shape: tuple[int, ...], bias: tuple[int, ...] | None, *, first: bool
) -> KernelLayout | None:
    """None for a norm. A bias has an entry an output channel, and says of most convolutions whether they are turned;
    one input channel a filter is a depthwise layer's, but where the net begins.
    """
    if bias == shape or (bias is None and NORM.search(place.prefix.rstrip("."))):
        return None
    if place.leaf != "weight" or len(shape) < 3 or 0 in shape:
        return KernelLayout()
    depthwise = shape[0] if shape[1] == 1 and not first else 1
    outputs = bias[0] if bias is not None and len(bias) == 1 else None
    if outputs is not None and outputs not in (shape[0], 0) and outputs % shape[1] == 0:
        groups = outputs // shape[1]
        return KernelLayout(transposed=True, groups=groups if shape[0] % groups == 0 else 1)
    if outputs in (None, shape[1]) and TURNED.search(place.prefix):
        return KernelLayout(transposed=True, groups=depthwise, note=BY_NAME)
    return KernelLayout(groups=depthwise)


def _check_groups(channels: int, which: str, groups: int, name: str) -> None:
    if groups < 1 or channels % groups:
        raise RequestError(f"layer {name!r} has {channels} {which} channels, which are no {groups} groups")


def turned(weight: Array, groups: int, name: str) -> Array:
    """A transposed convolution's (in, out per group, ...) as (out, in per group, ...)."""
    inputs, outs, *kernel = weight.shape
    _check_groups(inputs, "input", groups, name)
    split = weight.reshape(groups, inputs // groups, outs, *kernel).swapaxes(1, 2)
    return np.ascontiguousarray(split).reshape(groups * outs, inputs // groups, *kernel)


def as_array(tensor: torch.Tensor, name: str = "") -> Array:
    """A weight's values: float32, or float64 where those would be zero or infinite in it.

    >>> [as_array(torch.tensor([[value]], dtype=torch.float64)).dtype.name for value in (1e-50, 1.0)]
    ['float64', 'float32']
    """
    if tensor.is_meta:
        raise RequestError(f"the weights{f' of {name!r}' if name else ''} are on the meta device: they have no values")
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.layout != torch.strided:
        check("constants", tensor.numel(), f"the weights of {name!r}")
        tensor = tensor.to_dense()
    own = tensor.detach().cpu()
    short = own.float()
    if own.dtype == torch.float64 and (
        bool(((short == 0) != (own == 0)).any()) or bool((short.isinf() & ~own.isinf()).any())
    ):
        return own.numpy()
    array: Array = short.numpy()
    return array
