"""Norms: with the batch's own statistics, over space, over channels, by hand."""

from __future__ import annotations

import random

import torch
import torch.nn.functional as F
from torch import nn

from tests.nets.base import CHANNELS, Apply, kind

BATCH = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
INSTANCE = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


@kind(survives=True)
def batch_norm(r: random.Random, rank: int) -> nn.Module:
    norm = BATCH[rank - 1](CHANNELS)
    with torch.no_grad():
        norm.running_mean.normal_()
        norm.weight.uniform_(0.5, 1.5)
    return norm


@kind(weight=2, ties=True)
def batch_statistics(r: random.Random, rank: int) -> nn.Module:
    """Without running statistics the whole map is seen."""
    if r.random() < 0.5:
        return BATCH[rank - 1](CHANNELS, track_running_stats=False)
    return Apply(lambda x: F.batch_norm(x, None, None, training=True), "function")


@kind(weight=2, ties=True)
def instance_norm(r: random.Random, rank: int) -> nn.Module:
    return INSTANCE[rank - 1](CHANNELS, affine=r.random() < 0.5, track_running_stats=r.random() < 0.3)


@kind(ties=True)
def group_norm(r: random.Random, rank: int) -> nn.Module:
    return nn.GroupNorm(r.choice([1, 2, 4]), CHANNELS)


@kind(ties=True)
def channels_last_norm(r: random.Random, rank: int) -> nn.Module:
    norm = nn.LayerNorm(CHANNELS) if r.random() < 0.5 else nn.RMSNorm(CHANNELS)
    return Apply(lambda step, x: step.norm(x.movedim(1, -1)).movedim(-1, 1), norm=norm)


@kind(ties=True)
def line_norm(r: random.Random, rank: int) -> nn.Module:
    """Over the last axis, or over a single element: then it is a constant."""
    one = r.random() < 0.3

    def function(x: torch.Tensor) -> torch.Tensor:
        if one:
            return x + F.layer_norm(x[..., :1], (1,))
        return F.layer_norm(x, (x.shape[-1],))

    return Apply(function, f"one {one}")


@kind(ties=True)
def standardised(r: random.Random, rank: int) -> nn.Module:
    dims = r.choice([(-1,), (1,), tuple(range(2, rank + 2))])
    how = r.choice(["var_mean", "separate", "normalize"])

    def function(x: torch.Tensor) -> torch.Tensor:
        if how == "normalize":
            return F.normalize(x, dim=dims[0])
        if how == "var_mean":
            var, mean = torch.var_mean(x, dims, keepdim=True)
        else:
            var, mean = x.var(dims, keepdim=True), x.mean(dims, keepdim=True)
        return (x - mean) / (var + 1e-5).sqrt()

    return Apply(function, f"{how} {dims}")


@kind()
def softmax(r: random.Random, rank: int) -> nn.Module:
    dim, log = r.choice([1, -1, 2]), r.random() < 0.3
    return Apply(lambda x: x.log_softmax(dim) + 2 if log else x * x.softmax(dim), f"{dim} {log}")


@kind(1, 2)
def ordered(r: random.Random, rank: int) -> nn.Module:
    """Places that the data choose."""
    how = r.choice(["sort", "topk", "kthvalue", "median", "quantile"])

    def function(x: torch.Tensor) -> torch.Tensor:
        return {
            "sort": lambda: x.sort(-1)[0],
            "topk": lambda: x.topk(3, -1)[0],
            "kthvalue": lambda: x * x.kthvalue(2, -1, keepdim=True)[0],
            "median": lambda: x + x.median(-1, keepdim=True)[0],
            "quantile": lambda: x + (x + torch.linspace(-0.1, 0.1, x.shape[-1]).to(x)).quantile(0.3, -1, keepdim=True),
        }[how]()

    return Apply(function, how)
