"""Which dimension is space: channels as places, places as channels, images in the batch, maps without channels."""

from __future__ import annotations

import math
import random
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from tests.nets.base import CHANNELS, CONV, Apply, kind


@kind(1)
def channels_as_time(r: random.Random, rank: int) -> nn.Module:
    """A convolution along the channels, one place beside the other."""
    conv = nn.Conv1d(1, 1, 3, padding=1)

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        columns = x.transpose(1, 2).reshape(-1, 1, CHANNELS)
        return step.conv(columns).reshape(1, -1, CHANNELS).transpose(1, 2)

    return Apply(function, conv=conv)


@kind()
def channel_attention(r: random.Random, rank: int) -> nn.Module:
    """ECA: a convolution along the channels' means."""
    conv, whole = nn.Conv1d(1, 1, 3, padding=1), r.random() < 0.5

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        pooled = x.flatten(2).mean(-1) if whole else x.flatten(2)[..., ::2].amax(-1)
        gate = step.conv(pooled.unsqueeze(1)).sigmoid()
        return x * gate.reshape(1, CHANNELS, *[1] * rank)

    return Apply(function, f"whole {whole}", conv=conv)


@kind(1, 2)
def patches(r: random.Random, rank: int) -> nn.Module:
    """Patches as channels and back, by hand, with something in between."""
    size, how = r.choice([2, 3]), r.choice(["channels", "tokens", "mixer"])
    mix = nn.Linear(size**rank, size**rank)

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        counts = [n // size for n in x.shape[2:]]
        x = x[(..., *(slice(0, n * size) for n in counts))]
        deep = x.reshape(1, CHANNELS, *[k for n in counts for k in (n, size)])
        order = [0, 1, *range(2, 2 + 2 * rank, 2), *range(3, 3 + 2 * rank, 2)]
        tokens = deep.permute(order).reshape(1, CHANNELS, math.prod(counts), size**rank)
        if how == "channels":
            tokens = step.mix(tokens).tanh()
        elif how == "tokens":
            tokens = tokens + tokens.mean(-1, keepdim=True).roll(1, 2)
        else:
            tokens = tokens + tokens.transpose(2, 3).cumsum(-1).transpose(2, 3)
        back = tokens.reshape(1, CHANNELS, *counts, *[size] * rank)
        places = [0, 1, *(d for a in range(rank) for d in (2 + a, 2 + rank + a))]
        return back.permute(places).reshape(x.shape)

    return Apply(function, f"{size} {how}", mix=mix)


@kind(1, 2)
def scrambled(r: random.Random, rank: int) -> nn.Module:
    """A reshape where a transposition was meant."""
    how = r.choice(["reshape", "halves", "rows"])

    def function(x: torch.Tensor) -> torch.Tensor:
        if how == "reshape":
            return x.reshape(1, -1, CHANNELS).transpose(1, 2).reshape(x.shape)
        if how == "halves":
            return x.reshape(1, CHANNELS // 2, 2, -1).mean(2).repeat(1, 2, 1).reshape(x.shape)
        return x.transpose(1, -1).reshape(x.shape).tanh()

    return Apply(function, how)


@kind(1, 2)
def in_the_batch(r: random.Random, rank: int) -> nn.Module:
    """Pieces of the map as images of a batch, each by itself or with its batch's statistics."""
    how = r.choice(["conv", "norm", "attention"])
    conv = CONV[rank - 1](CHANNELS, CHANNELS, 3, padding=1)

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        n = x.shape[-1] // 2 * 2
        pieces = x[..., :n].unflatten(-1, (2, n // 2)).movedim(-2, 1)[0]
        if how == "conv":
            pieces = step.conv(pieces)
        elif how == "norm":
            pieces = F.instance_norm(pieces)
        else:
            tokens = pieces.flatten(2).transpose(1, 2)
            pieces = F.scaled_dot_product_attention(tokens, tokens, tokens).transpose(1, 2).reshape(pieces.shape)
        return torch.cat([pieces[:1], pieces[1:]], -1)

    return Apply(function, how, conv=conv)


@kind()
def without_a_batch(r: random.Random, rank: int) -> nn.Module:
    conv = CONV[rank - 1](CHANNELS, CHANNELS, 3, padding=r.choice([0, 1]))
    return Apply(lambda step, x: step.conv(x[0]).unsqueeze(0), conv=conv)


@kind(1)
def line_as_map(r: random.Random, rank: int) -> nn.Module:
    """A 1-D net that looks at channels and time as at an image."""
    conv, how = nn.Conv2d(1, 1, 3, padding=1), r.choice(["image", "folded", "norm"])

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        if how == "image":
            return step.conv(x.unsqueeze(1)).squeeze(1)
        if how == "norm":
            return F.instance_norm(x.unsqueeze(1)).squeeze(1)
        n = x.shape[-1] // 3 * 3
        made = step.conv(x[:, :1, :n].reshape(1, 1, -1, 3)).reshape(1, 1, n).expand(1, CHANNELS, n)
        return made * torch.linspace(1, 2, CHANNELS).reshape(1, -1, 1).to(x)  # no channel twice

    return Apply(function, how, conv=conv)


@kind(2, 3)
def axis_by_axis(r: random.Random, rank: int) -> nn.Module:
    """An axis of the map mixed by itself: axial attention, a linear layer along rows, a pool along one axis."""
    dim, how = r.randint(2, rank + 1), r.choice(["attention", "cumsum", "pool", "softmax", "gate"])

    def function(x: torch.Tensor) -> torch.Tensor:
        if how == "attention":
            tokens = x.movedim((1, dim), (-1, -2))
            return F.scaled_dot_product_attention(tokens, tokens, tokens).movedim((-1, -2), (1, dim))
        return {
            "cumsum": lambda: x.cumsum(dim),
            "pool": lambda: x.mean(dim, keepdim=True) + x,
            "softmax": lambda: x.softmax(dim) * x,
            "gate": lambda: x * x.amax([d for d in range(2, x.dim()) if d != dim], keepdim=True).sigmoid(),
        }[how]()

    return Apply(function, f"{how} {dim}")


@kind(2)
def coordinate_attention(r: random.Random, rank: int) -> nn.Module:
    """Rows' and columns' means side by side in one line, and apart again."""
    conv = nn.Conv1d(CHANNELS, CHANNELS, r.choice([1, 3]), padding="same")

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        rows, columns = x.mean(3), x.mean(2)
        both = step.conv(torch.cat([rows, columns], 2)).sigmoid()
        first, second = both.split([rows.shape[2], columns.shape[2]], 2)
        return x * first.unsqueeze(3) * second.unsqueeze(2)

    return Apply(function, conv=conv)


@kind(2, 3, faint=True)
def flattened_map(r: random.Random, rank: int) -> nn.Module:
    """A map as a line of its places, treated as a line, and as a map again."""
    how, conv = r.choice(["conv", "roll", "norm", "gru"]), nn.Conv1d(CHANNELS, CHANNELS, 3, padding=1)
    net = nn.GRU(CHANNELS, CHANNELS, batch_first=True)

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        line = x.flatten(2)
        made = {
            "conv": lambda: step.conv(line),
            "roll": lambda: line + line.roll(2, -1),
            "norm": lambda: F.layer_norm(line, (line.shape[-1],)),
            "gru": lambda: step.net(line.transpose(1, 2))[0].transpose(1, 2),
        }[how]()
        return made.reshape(x.shape)

    return Apply(function, how, conv=conv, net=net)
