"""Learned weights with zeros, used by modules and as functions: what is left of a field when they are pruned."""

from __future__ import annotations

import random
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from tests.nets.base import CHANNELS, CONV, TRANSPOSED, Apply, kind

LONG = 64


def pruned(module: nn.Module, r: random.Random, sparsity: float | None = None) -> nn.Module:
    """Zeros in all weights, single ones and whole kernels."""
    share = r.choice([0.3, 0.6, 0.8, 0.9]) if sparsity is None else sparsity
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.mul_(torch.rand_like(parameter) >= share)
                if parameter.ndim > 2:
                    parameter.mul_(torch.rand(*parameter.shape[:2], *[1] * (parameter.ndim - 2)) >= 0.2)
    return module


@kind(survives=True, weight=4)
def pruned_convolution(r: random.Random, rank: int) -> nn.Module:
    k, d = r.randint(1, 3), r.randint(1, 2)
    groups = r.choice([1, 1, 2])
    conv = CONV[rank - 1](CHANNELS, CHANNELS, k, r.choice([1, 1, 2]), d * (k - 1) // 2, d, groups=groups)
    return pruned(conv, r)


@kind(survives=True)
def pruned_transposed(r: random.Random, rank: int) -> nn.Module:
    return pruned(TRANSPOSED[rank - 1](CHANNELS, CHANNELS, 3, r.choice([1, 2]), 1), r)


@kind(survives=True, weight=2)
def pruned_function(r: random.Random, rank: int) -> nn.Module:
    """Parameters that functions take: along the last axis, or over channels."""
    how = r.choice(["matmul", "einsum", "linear", "channels", "convolution", "scaled"])
    n = CHANNELS if how in {"channels", "scaled"} else LONG
    matrix = nn.Parameter(torch.randn(n, n) * (torch.rand(n, n) > r.choice([0.5, 0.8, 0.95])))
    kernel = nn.Parameter(pruned(CONV[rank - 1](CHANNELS, CHANNELS, 3), r).weight.detach().clone())

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        length = x.shape[-1]
        own = step.matrix[:length, :length]
        return {
            "matmul": lambda: x @ own,
            "einsum": lambda: torch.einsum("...l,lk->...k", x, own),
            "linear": lambda: F.linear(x, own),
            "channels": lambda: torch.einsum("nc...,cd->nd...", x, step.matrix),
            "convolution": lambda: getattr(F, f"conv{rank}d")(x, step.kernel, padding=1),
            "scaled": lambda: x * step.matrix[0].reshape(1, -1, *[1] * rank) + 1,
        }[how]()

    return Apply(function, how, matrix=matrix, kernel=kernel)


@kind(survives=True)
def pruned_affine(r: random.Random, rank: int) -> nn.Module:
    """Norms some of whose channels are scaled by zero."""
    how = r.choice(["batch", "layer", "group"])
    norm: nn.Module
    if how == "batch":
        norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[rank - 1](CHANNELS)
    else:
        norm = nn.LayerNorm(CHANNELS) if how == "layer" else nn.GroupNorm(2, CHANNELS)
    with torch.no_grad():
        norm.weight.copy_(torch.rand(CHANNELS) * torch.tensor([1.0, 0.0, 1.0, float(r.random() < 0.5)]))

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        return step.norm(x.movedim(1, -1)).movedim(-1, 1) if how == "layer" else step.norm(x)

    return Apply(function, how, norm=norm)


@kind(survives=True)
def pruned_made_weight(r: random.Random, rank: int) -> nn.Module:
    """Weights that an operator makes: masked, standardised, by ``weight_norm``."""
    how = r.choice(["masked", "standardised", "weight_norm", "scaled"])
    conv = pruned(CONV[rank - 1](CHANNELS, CHANNELS, 3, padding=1), r)
    if how == "weight_norm":
        return parametrizations.weight_norm(conv)
    mask = (torch.rand_like(conv.weight) < 0.3).float()

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        weight = step.conv.weight
        if how == "masked":
            weight = weight * step.mask
        elif how == "scaled":
            weight = weight / (weight.abs().amax() + 1e-3)
        else:
            dims = tuple(range(1, weight.dim()))
            weight = (weight - weight.mean(dims, keepdim=True)) / (weight.std(dims, keepdim=True) + 1e-5)
        return getattr(F, f"conv{rank}d")(x, weight, step.conv.bias, padding=1)

    return Apply(function, how, conv=conv, mask=mask)


@kind(survives=True)
def pruned_linear(r: random.Random, rank: int) -> nn.Module:
    linear = pruned(nn.Linear(CHANNELS, CHANNELS), r)
    return Apply(lambda step, x: step.linear(x.movedim(1, -1)).movedim(-1, 1), linear=linear)


@kind(1, 2)
def conditional_weights(r: random.Random, rank: int) -> nn.Module:
    """A kernel that the data make."""
    maker = nn.Linear(CHANNELS, CHANNELS * CHANNELS * 3**rank)

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        kernel = step.maker(x.flatten(2).mean(-1)).reshape(CHANNELS, CHANNELS, *[3] * rank)
        return getattr(F, f"conv{rank}d")(x, kernel, padding=1)

    return Apply(function, maker=maker)
