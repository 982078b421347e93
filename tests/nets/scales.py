"""Nets of several scales: U-Nets with crops, pyramids of resampling at odd factors."""

from __future__ import annotations

import random
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from tests.nets.base import CHANNELS, CONV, TRANSPOSED, kind

UP = ("linear", "bilinear", "trilinear")
POOL = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)


def _cropped(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both cut to what they share: one at its middle, the other at its end."""
    for dim in range(2, x.dim()):
        n = min(x.shape[dim], y.shape[dim])
        x, y = x.narrow(dim, (x.shape[dim] - n) // 2, n), y.narrow(dim, 0, n)
    return x, y


class UNet(nn.Module):
    def __init__(self, rank: int, padding: int, up: str) -> None:
        super().__init__()
        conv, deconv = CONV[rank - 1], TRANSPOSED[rank - 1]
        self.up, self.rank = up, rank
        self.down = conv(CHANNELS, CHANNELS, 3, padding=padding)
        self.bottom = conv(CHANNELS, CHANNELS, 3, padding=1)
        self.rise: nn.Module = deconv(CHANNELS, CHANNELS, 2, 2) if up == "transposed" else nn.Identity()
        self.out = conv(2 * CHANNELS, CHANNELS, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip = self.down(x).sin()  # of bounded numbers a relu may leave none
        y = self.bottom(POOL[self.rank - 1](skip, 2)).sin()
        y = self.rise(y) if self.up == "transposed" else F.interpolate(y, scale_factor=2, mode=self.up)
        return self.out(torch.cat(_cropped(skip, y), 1))


@kind(folds=True, weight=2)
def unet(r: random.Random, rank: int) -> nn.Module:
    up = r.choice(["transposed", "nearest", UP[rank - 1]])
    return UNet(rank, r.choice([0, 1]), up)


class Pyramid(nn.Module):
    """Levels at odd fractions of the size, brought back to the first and joined."""

    def __init__(self, rank: int, factors: list[float], mode: str, how: str) -> None:
        super().__init__()
        self.factors, self.mode, self.how = factors, mode, how
        self.convs = nn.ModuleList([CONV[rank - 1](CHANNELS, CHANNELS, 3, padding=1) for _ in factors])

    def forward(self, x: torch.Tensor) -> Any:
        total, levels = x, []
        for factor, conv in zip(self.factors, self.convs, strict=True):
            small = conv(F.interpolate(x, scale_factor=factor, mode=self.mode))
            level = F.interpolate(small, size=x.shape[2:], mode=self.mode)
            levels.append(level)
            total = total + level
        return total if self.how == "sum" else [total, *levels]


@kind(folds=True, weight=2)
def pyramid(r: random.Random, rank: int) -> nn.Module:
    factors = [r.choice([0.7, 0.6, 1.3, 0.45]) for _ in range(r.randint(1, 2))]
    mode = r.choice(["nearest", "area", UP[rank - 1]])
    return Pyramid(rank, factors, mode, r.choice(["sum", "list"]))


class Dilated(nn.Module):
    """Dilated branches and a pooled one, as in ASPP."""

    def __init__(self, rank: int, rates: list[int], pooled: bool) -> None:
        super().__init__()
        conv = CONV[rank - 1]
        self.branches = nn.ModuleList([conv(CHANNELS, CHANNELS, 3, padding=d, dilation=d) for d in rates])
        self.project = conv(CHANNELS * (len(rates) + pooled), CHANNELS, 1)
        self.pooled = pooled

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = [branch(x) for branch in self.branches]
        if self.pooled:
            made.append(x.mean(tuple(range(2, x.dim())), keepdim=True).expand_as(x))
        return self.project(torch.cat(made, 1))


@kind()
def dilated(r: random.Random, rank: int) -> nn.Module:
    return Dilated(rank, r.sample([1, 2, 3], 2), r.random() < 0.4)


class Residual(nn.Module):
    def __init__(self, rank: int, stride: int) -> None:
        super().__init__()
        conv = CONV[rank - 1]
        self.first = conv(CHANNELS, CHANNELS, 3, stride, 1)
        self.second = conv(CHANNELS, CHANNELS, 3, 1, 1)
        self.short: nn.Module = nn.Identity() if stride == 1 else conv(CHANNELS, CHANNELS, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.second(F.relu(self.first(x))) + self.short(x))


@kind(weight=2)
def residual(r: random.Random, rank: int) -> nn.Module:
    return Residual(rank, r.choice([1, 2]))
