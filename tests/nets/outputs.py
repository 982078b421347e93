"""Modules that return tuples, lists and dicts, in an order that is not the one they ran in."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import nn

from tests.nets.base import CHANNELS, CONV, kind


class Heads(nn.Module):
    """Several outputs, the last one made first."""

    def __init__(self, rank: int, how: str) -> None:
        super().__init__()
        self.wide = CONV[rank - 1](CHANNELS, CHANNELS, 3, padding=1)
        self.narrow = CONV[rank - 1](CHANNELS, CHANNELS, 1)
        self.how = how

    def forward(self, x: torch.Tensor) -> Any:
        late = self.narrow(x).tanh()
        early = self.wide(x) + late
        return {
            "tuple": lambda: (early, late),
            "list": lambda: [early.relu(), late],
            "dict": lambda: {"seg": early, "box": late},
            "nested": lambda: {"seg": (early, late), "box": [late]},
            "same twice": lambda: (early, early, late),
            "input too": lambda: (early, x),
        }[self.how]()


class Within(nn.Module):
    """The heads inside another module, which uses one or both."""

    def __init__(self, heads: Heads, both: bool) -> None:
        super().__init__()
        self.heads, self.both = heads, both

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = self.heads(x)
        first, second = _two(made)
        return first * second.sigmoid() if self.both else first


def _two(made: Any) -> tuple[torch.Tensor, torch.Tensor]:
    if isinstance(made, dict):
        made = list(made.values())
    first, second = made[0], made[-1]
    first = first if isinstance(first, torch.Tensor) else first[0]
    return first, second if isinstance(second, torch.Tensor) else second[0]


HOW = ("tuple", "list", "dict", "nested", "same twice", "input too")


@kind()
def heads(r: random.Random, rank: int) -> nn.Module:
    return Heads(rank, r.choice(HOW))


@kind()
def heads_within(r: random.Random, rank: int) -> nn.Module:
    return Within(Heads(rank, r.choice(HOW)), r.random() < 0.5)


class Shared(nn.Module):
    """One module called twice, the second time on its own output."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.own = CONV[rank - 1](CHANNELS, CHANNELS, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.own(self.own(x).tanh())


@kind()
def shared(r: random.Random, rank: int) -> nn.Module:
    return Shared(rank)
