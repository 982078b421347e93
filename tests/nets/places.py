"""Single places joined with all, slices, rolls, reductions that leave places out."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import nn

from tests.nets.base import CHANNELS, CONV, Apply, kind


@kind(weight=2)
def one_place_for_all(r: random.Random, rank: int) -> nn.Module:
    """A place that stands still, joined with one that moves."""
    at = r.choice([0, -1, 2])
    how = r.choice(["add", "gate", "maximum", "cat"])

    def function(x: torch.Tensor) -> torch.Tensor:
        one = x[..., at].unsqueeze(-1)
        if how == "add":
            return x + one
        if how == "gate":
            return x * one.sigmoid()
        if how == "maximum":
            return torch.maximum(x, one.expand_as(x) - 0.1)
        return torch.cat([x, one.expand_as(x)], 1)[:, ::2]

    return Apply(function, f"{how} {at}")


@kind(2, 3)
def one_row_for_all(r: random.Random, rank: int) -> nn.Module:
    at = r.choice([0, -1, 1])
    return Apply(lambda x: x * x.select(2, at).unsqueeze(2).tanh(), f"{at}")


@kind()
def sliced(r: random.Random, rank: int) -> nn.Module:
    start, step, dim = r.randint(0, 2), r.randint(1, 2), r.randint(2, rank + 1)
    index = (slice(None),) * dim + (slice(start, None, step),)
    return Apply(lambda x: x[index], f"dim {dim} {start}::{step}")


@kind(folds=True, ties=True)
def rolled(r: random.Random, rank: int) -> nn.Module:
    by, dim = r.randint(-2, 2), r.randint(2, rank + 1)
    return Apply(lambda x: x + x.roll(by, dim), f"{by} {dim}")


@kind(folds=True, ties=True)
def flipped(r: random.Random, rank: int) -> nn.Module:
    dim = r.randint(2, rank + 1)
    both = r.random() < 0.5
    return Apply(lambda x: x + x.flip(dim) if both else x.flip(dim), f"{dim} {both}")


@kind(2, 3)
def swapped_axes(r: random.Random, rank: int) -> nn.Module:
    return Apply(lambda x: x.transpose(-1, -2).contiguous())


@kind(2, 3)
def turned(r: random.Random, rank: int) -> nn.Module:
    times = r.randint(1, 3)
    return Apply(lambda x: torch.rot90(x, times, (-2, -1)), f"{times}")


@kind(weight=2)
def reduced_with_holes(r: random.Random, rank: int) -> nn.Module:
    """A mean over every other place, or over a part, is not global."""
    step, low, how = r.choice([1, 2, 3]), r.choice([0, 1]), r.choice(["mean", "amax", "sum", "norm", "var"])

    def function(x: torch.Tensor) -> torch.Tensor:
        part = x[..., low : x.shape[-1] - 1 : step]
        found = {
            "mean": lambda: part.mean(-1, keepdim=True),
            "amax": lambda: part.amax(-1, keepdim=True),
            "sum": lambda: part.sum(-1, keepdim=True),
            "norm": lambda: part.norm(dim=-1, keepdim=True),
            "var": lambda: part.var(-1, keepdim=True),
        }[how]()
        return x * found.tanh()

    return Apply(function, f"{how} {low}::{step}")


@kind(weight=2)
def channels_reduced(r: random.Random, rank: int) -> nn.Module:
    """Attention over space from the channels' mean and maximum: maps without channels on the way."""
    conv = CONV[rank - 1](2, 1, 3, padding=1)
    keep = r.random() < 0.5

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        mean, top = x.mean(1, keepdim=keep), x.amax(1, keepdim=keep)
        both = torch.cat([mean, top], 1) if keep else torch.stack([mean, top], 1)
        return x * step.conv(both).sigmoid()

    return Apply(function, f"keepdim {keep}", conv=conv)


@kind()
def split_and_joined(r: random.Random, rank: int) -> nn.Module:
    how = r.choice(["chunk", "split", "unbind", "tensor_split"])

    def function(x: torch.Tensor) -> torch.Tensor:
        if how == "chunk":
            a, b = x.chunk(2, 1)
        elif how == "split":
            a, b = x.split([2, 2], 1)
        elif how == "tensor_split":
            a, b = x.tensor_split(2, 1)
        else:
            pieces = x.unbind(1)
            a, b = torch.stack(pieces[:2], 1), torch.stack(pieces[2:], 1)
        return torch.cat([a * b.sigmoid(), b], 1)

    return Apply(function, how)


@kind()
def squeeze_and_excite(r: random.Random, rank: int) -> nn.Module:
    linear = nn.Linear(CHANNELS, CHANNELS)

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        gate = step.linear(x.flatten(2).mean(-1)).sigmoid()
        return x * gate.reshape(1, CHANNELS, *[1] * rank)

    return Apply(function, linear=linear)


@kind(1, 2)
def padded_mix(r: random.Random, rank: int) -> nn.Module:
    """What every place sees, with places beside it that see nothing."""
    linear = nn.Linear(5, 5)

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        mixed = step.linear(x[..., :5])
        return nn.functional.pad(mixed, (2, 1)) + nn.functional.pad(x[..., :1], (0, 7))

    return Apply(function, linear=linear)


@kind(1, 2)
def cropped_transform(r: random.Random, rank: int) -> nn.Module:
    """Fourier transforms that crop or pad what they read."""
    n = r.choice([4, 6, 9])
    how = r.choice(["rfft", "fft", "irfft", "shift", "ishift"])

    def function(x: torch.Tensor) -> torch.Tensor:
        if how == "rfft":
            return torch.fft.rfft(x, n=n).abs()
        if how == "fft":
            return torch.fft.fft(x, n=n).abs()
        if how == "irfft":
            return torch.fft.irfft(torch.fft.rfft(x[..., :6]), n=6)
        shift = torch.fft.fftshift if how == "shift" else torch.fft.ifftshift
        return shift(x[..., :7], dim=-1)

    return Apply(function, f"{how} {n}")
