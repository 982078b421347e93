"""Weights of every kind of layer as ``(out, in per group, taps)``, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from rftools.errors import RequestError
from rftools.loading import Model
from rftools.weights import input_jumps

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def kernel_of(module: nn.Module) -> tuple[int, ...]:
    """The kernel's size; ``()`` for a linear layer.

    >>> kernel_of(nn.Conv2d(3, 4, (3, 5)))
    (3, 5)
    """
    return tuple(module.get_parameter("weight").shape[2:])


def steps_of(model: Model, layers: Iterable[str]) -> dict[str, tuple[float, ...]]:
    """The distance of neighbouring taps along each axis: dilation times the input pixels between them, as far as the
    input size is known and the layer has a step of its own.
    """
    try:
        jumps = input_jumps(model) if model.input_size is not None else {}
    except RequestError:  # what can't be captured has its directions between taps
        jumps = {}
    found = {}
    for name in layers:
        dilation = getattr(model.module.get_submodule(name), "dilation", ())
        jump = jumps.get(name, (1.0,) * len(dilation))
        found[name] = tuple(d * j for d, j in zip(dilation, jump, strict=True))
    return found


def to_kernels(module: nn.Module, weight: torch.Tensor) -> torch.Tensor:
    """A tensor shaped like the layer's weight as ``(out, in per group, taps)``.

    >>> layer = nn.ConvTranspose2d(4, 6, 3, groups=2)
    >>> tuple(to_kernels(layer, layer.weight).shape)
    (6, 2, 9)
    """
    taps = math.prod(weight.shape[2:])
    if not isinstance(module, TRANSPOSED):
        return weight.reshape(*weight.shape[:2], taps)
    inputs, outs = weight.shape[:2]
    groups = module.groups
    split = weight.reshape(groups, inputs // groups, outs, taps).transpose(1, 2)
    return split.reshape(groups * outs, inputs // groups, taps)


def from_kernels(module: nn.Module, kernels: torch.Tensor) -> torch.Tensor:
    """What `to_kernels` gave, in the shape of the layer's weight again."""
    shape = module.get_parameter("weight").shape
    if not isinstance(module, TRANSPOSED):
        return kernels.reshape(shape)
    groups = module.groups
    split = kernels.reshape(groups, kernels.shape[0] // groups, kernels.shape[1], kernels.shape[2])
    return split.transpose(1, 2).reshape(shape)
