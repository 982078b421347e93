"""Writes in place: through views, into slices, over what other tensors share."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tests.nets.base import CHANNELS, CONV, Apply, kind

Function = Callable[[torch.Tensor], torch.Tensor]


def _halves_swapped(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    n = y.shape[-1] // 2
    first, last = y[..., :n], y[..., n : 2 * n]
    kept = first.clone()
    first.copy_(last)
    last.copy_(kept)
    return y


def _through_transposed(x: torch.Tensor) -> torch.Tensor:
    y = x * 1.0
    y.transpose(1, -1)[:, 1:3].mul_(0.5).add_(x.transpose(1, -1)[:, 0:2])
    return y


def _through_flat(x: torch.Tensor) -> torch.Tensor:
    y = x.tanh()
    y.view(-1)[3::5] = x.reshape(-1)[: y.view(-1)[3::5].numel()]
    return y


def _through_pieces(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    for number, piece in enumerate(y.unbind(-1)):
        if number % 3 == 1:
            piece += x[..., 0]
    return y


def _through_chunks(x: torch.Tensor) -> torch.Tensor:
    y = x.sigmoid()
    first, second = y.chunk(2, 1)
    first.mul_(second)
    second.sub_(first)
    return y


def _read_before_and_after(x: torch.Tensor) -> torch.Tensor:
    y = x * 2
    before = y.roll(1, -1)
    view = y[..., 1:]
    y[..., ::2] = 0.0
    return y + before + nn.functional.pad(view, (0, 1))


def _overlapping(x: torch.Tensor) -> torch.Tensor:
    """Frames added up where they overlap, as at the end of a separator."""
    out = torch.zeros(*x.shape[:-1], 2 * x.shape[-1] + 1, dtype=x.dtype)
    for t in range(x.shape[-1]):
        out[..., 2 * t : 2 * t + 3] += x[..., t : t + 1] * torch.tensor([0.5, 1.0, 0.5], dtype=x.dtype)
    return out


def _accumulated(x: torch.Tensor) -> torch.Tensor:
    total = torch.zeros_like(x)
    for by in (0, 2, 3):
        total += x.roll(by, -1).tanh()
        total[..., 0] = 0
    return total


def _swept(x: torch.Tensor) -> torch.Tensor:
    """Each place is changed by its neighbour, which was changed before."""
    y = x.clone()
    for t in range(1, x.shape[-1]):
        y[..., t] += 0.5 * y[..., t - 1]
    return y


def _masked(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    there = torch.arange(x.shape[-1]) % 3 == 0
    y[..., there] = x.roll(1, -1)[..., there].tanh()
    return y.masked_fill_(torch.arange(x.shape[-1]) == 1, 0.5)


def _indexed(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y.index_fill_(-1, torch.tensor([0, 3]), 1.0)
    y.index_add_(-1, torch.tensor([1, 1, 2]), x[..., :3])
    return y.index_copy_(-1, torch.tensor([4]), x[..., -1:])


def _filled(x: torch.Tensor) -> torch.Tensor:
    y = x.relu()
    y[:, 0] = x[:, 1]
    y[:, 2].fill_(0.3)
    y[..., -1].zero_()
    return y


def _expanded(x: torch.Tensor) -> torch.Tensor:
    y = x.new_empty(x.shape)
    y.copy_(x[..., :1].expand_as(x))
    y[..., 2:] = x[..., :-2]
    return y * torch.linspace(0.5, 1.5, x.shape[-1], dtype=x.dtype)  # no two of its places are equal


def _turned_in_place(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y.transpose_(1, -1)
    y.unsqueeze_(0).squeeze_(0)
    return y.tanh().transpose_(1, -1)


def _diagonal(x: torch.Tensor) -> torch.Tensor:
    if x.dim() != 3:
        return x.tanh_() if x.is_leaf else x.tanh()
    y = x.clone()
    y[0, :, :CHANNELS].diagonal().copy_(x[0, :, -1])
    return y


WRITES: dict[str, Function] = {
    "halves swapped": _halves_swapped,
    "through a transposed view": _through_transposed,
    "through a flat view": _through_flat,
    "through pieces": _through_pieces,
    "through chunks": _through_chunks,
    "read before and after": _read_before_and_after,
    "overlap and add": _overlapping,
    "accumulated": _accumulated,
    "swept": _swept,
    "under a mask": _masked,
    "at indices": _indexed,
    "filled": _filled,
    "expanded": _expanded,
    "turned in place": _turned_in_place,
    "diagonal": _diagonal,
}


@kind(weight=4)
def written_in_place(r: random.Random, rank: int) -> nn.Module:
    name = r.choice(list(WRITES))
    return Apply(WRITES[name], name)


class Remembering(nn.Module):
    """Several outputs of which one is a view that the caller reads after the rest was written."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.conv = CONV[rank - 1](CHANNELS, CHANNELS, 3, padding=1)

    def forward(self, x: torch.Tensor) -> Any:
        y = self.conv(x).tanh()
        out = torch.zeros_like(y)
        out[..., ::2] = y[..., ::2]
        return {"made": out, "from": y, "both": (out.roll(1, -1), y[..., :1])}


@kind()
def written_and_returned(r: random.Random, rank: int) -> nn.Module:
    used = r.choice(["made", "from", "all"])

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        found = step.net(x)
        if used == "all":
            return found["made"] * found["from"].sigmoid() + found["both"][1]
        return found[used]

    return Apply(function, used, net=Remembering(rank))
