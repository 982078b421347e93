"""Weights of every kind of layer as ``(out, in per group, taps)``, and back."""

from __future__ import annotations

import math

import torch
from torch import nn

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def kernel_of(module: nn.Module) -> tuple[int, ...]:
    """The kernel's size; ``()`` for a linear layer.

    >>> kernel_of(nn.Conv2d(3, 4, (3, 5)))
    (3, 5)
    """
    return tuple(module.get_parameter("weight").shape[2:])


def step_of(module: nn.Module) -> tuple[float, ...]:
    """The distance of neighbouring taps along each axis: the dilation."""
    return tuple(float(d) for d in getattr(module, "dilation", ()))


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
