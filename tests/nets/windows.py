"""Convolutions, pools, padding, resampling, norms that keep places."""

from __future__ import annotations

import random

import torch
import torch.nn.functional as F
from torch import nn

from tests.nets.base import CHANNELS, CONV, TRANSPOSED, Apply, kind

POOLS = {
    "max": (F.max_pool1d, F.max_pool2d, F.max_pool3d),
    "average": (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d),
}
ADAPTIVE = {
    "max": (F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d),
    "average": (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d),
}
MODES = {"linear": ("linear", "bilinear", "trilinear")}


@kind(weight=4)
def convolution(r: random.Random, rank: int) -> nn.Module:
    k, d = r.randint(1, 3), r.randint(1, 2)
    return CONV[rank - 1](
        CHANNELS, CHANNELS, k, r.choice([1, 1, 2]), r.randint(0, d * (k - 1)), d, groups=r.choice([1, 1, 2, 4])
    )


@kind(folds=True)
def folding_convolution(r: random.Random, rank: int) -> nn.Module:
    mode = r.choice(["reflect", "circular", "replicate"])
    return CONV[rank - 1](CHANNELS, CHANNELS, 3, r.choice([1, 2]), 1, padding_mode=mode)


@kind()
def transposed(r: random.Random, rank: int) -> nn.Module:
    k, s = r.randint(1, 3), r.randint(1, 2)
    return TRANSPOSED[rank - 1](CHANNELS, CHANNELS, k, s, r.randint(0, k - 1), r.randint(0, s - 1))


@kind()
def pool(r: random.Random, rank: int) -> nn.Module:
    how, k, s, ceil = r.choice(list(POOLS)), r.randint(2, 3), r.randint(1, 3), r.random() < 0.5
    function = POOLS[how][rank - 1]
    return Apply(lambda x: function(x, k, s, k // 2, ceil_mode=ceil), f"{how} {k} {s} {ceil}")


@kind()
def adaptive_pool(r: random.Random, rank: int) -> nn.Module:
    how, size = r.choice(list(ADAPTIVE)), r.randint(2, 5)
    return Apply(lambda x: ADAPTIVE[how][rank - 1](x, size), f"{how} {size}")


@kind(folds=True, weight=2, rounds=True, ties=True)
def resampling(r: random.Random, rank: int) -> nn.Module:
    """Factors that are no whole numbers, sizes that don't divide."""
    mode = r.choice(["nearest", "nearest-exact", "linear", "area", "bicubic"])
    factor, size = r.choice([2.0, 0.5, 1.5, 0.7, 1.25, 0.4]), r.choice([0, 0, 5, 7, 9])
    corners = r.random() < 0.5
    mode = "nearest" if mode == "bicubic" and rank != 2 else MODES.get(mode, (mode,) * 3)[rank - 1]
    align = corners if mode not in {"nearest", "nearest-exact", "area"} else None
    given = {"size": [size] * rank} if size else {"scale_factor": factor}
    return Apply(lambda x: F.interpolate(x, mode=mode, align_corners=align, **given), f"{mode} {given} {align}")


@kind(2, folds=True, rounds=True)
def antialiased(r: random.Random, rank: int) -> nn.Module:
    mode, size = r.choice(["bilinear", "bicubic"]), r.randint(3, 9)
    return Apply(lambda x: F.interpolate(x, size=size, mode=mode, antialias=True), f"{mode} {size}")


@kind()
def padding(r: random.Random, rank: int) -> nn.Module:
    amounts = [r.randint(-1, 2) for _ in range(2 * rank)]
    return Apply(lambda x: F.pad(x, amounts), f"{amounts}")


@kind(folds=True, ties=True)
def folding_padding(r: random.Random, rank: int) -> nn.Module:
    mode, amounts = r.choice(["reflect", "circular", "replicate"]), [r.randint(0, 2) for _ in range(2 * rank)]
    return Apply(lambda x: F.pad(x, amounts, mode=mode), f"{mode} {amounts}")


@kind(2)
def pixel_shuffle(r: random.Random, rank: int) -> nn.Module:
    if r.random() < 0.5:
        return Apply(lambda x: F.pixel_shuffle(x, 2).repeat(1, CHANNELS, 1, 1), "up")
    return Apply(lambda x: F.pixel_unshuffle(x[..., : x.shape[-2] // 2 * 2, : x.shape[-1] // 2 * 2], 2)[:, 2:6], "down")


@kind(2)
def unfolded(r: random.Random, rank: int) -> nn.Module:
    """Windows as columns, weighed and put back."""
    k = r.choice([2, 3])

    def function(x: torch.Tensor) -> torch.Tensor:
        columns = F.unfold(x, k, padding=1)
        return F.fold(columns * columns.sigmoid(), x.shape[2:], k, padding=1)

    return Apply(function, f"{k}")


@kind(2)
def fractional(r: random.Random, rank: int) -> nn.Module:
    samples = torch.rand(1, CHANNELS, 2, dtype=torch.float64)
    return Apply(lambda x: F.fractional_max_pool2d(x, 2, 3, _random_samples=samples.to(x)), "2 to 3")


@kind(1, 2)
def tensor_windows(r: random.Random, rank: int) -> nn.Module:
    size, step = r.randint(2, 3), r.randint(1, 2)
    return Apply(lambda x: (3 * x.unfold(-1, size, step)).sin().amax(-1), f"{size} {step}")


@kind(weight=2, survives=True)
def activation(r: random.Random, rank: int) -> nn.Module:
    return r.choice([nn.Tanh, nn.GELU, nn.SiLU, nn.Softplus, nn.Sigmoid, nn.ELU])()


@kind()
def kinked(r: random.Random, rank: int) -> nn.Module:
    return r.choice([nn.ReLU(), nn.LeakyReLU(0.1), nn.Hardswish(), nn.PReLU(CHANNELS), nn.Hardtanh(-2, 2)])


@kind(1, 2)
def windowed_attention(r: random.Random, rank: int) -> nn.Module:
    size = r.choice([2, 3])

    def function(x: torch.Tensor) -> torch.Tensor:
        n = x.shape[-1] // size * size
        windows = x[..., :n].unflatten(-1, (n // size, size)).movedim(1, -1)
        return F.scaled_dot_product_attention(windows, windows, windows).movedim(-1, 1).flatten(-2)

    return Apply(function, f"{size}")
