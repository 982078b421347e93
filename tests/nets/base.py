"""What a random net is: a chain of steps, each of a kind, drawn from a number of its own so that nets can shrink."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

CHANNELS = 4
INPUT = {1: (CHANNELS, 13), 2: (CHANNELS, 7, 8), 3: (CHANNELS, 4, 5, 4)}
LARGEST = {1: 40, 2: 18, 3: 9}
CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
Maker = Callable[[random.Random, int], nn.Module]


@dataclass(frozen=True)
class Kind:
    """How steps of one kind are made, in nets of which ranks, and how often they come up.

    ``folds``: a border repeats the input's own values, so that a window without borders does not hold them all.
    ``rounds``: weights that are zero by construction are rounding (of resampling), which moves values by so little.
    ``faint``: what lies far back is forgotten until rounding takes it.
    ``survives``: the step serves in nets whose weights have zeros (smooth, with weights of its own or none).
    ``ties``: it leaves values that are equal, opposite or add up to a constant, whose later sums and differences would
    be constant for no reason of structure: its values get factors of their own.
    """

    make: Maker
    ranks: tuple[int, ...]
    weight: float
    folds: bool
    survives: bool
    rounds: bool
    faint: bool
    ties: bool


KINDS: dict[str, Kind] = {}


def kind(
    *ranks: int,
    weight: float = 1.0,
    folds: bool = False,
    survives: bool = False,
    rounds: bool = False,
    faint: bool = False,
    ties: bool = False,
) -> Callable[[Maker], Maker]:
    """Register the function that follows as a kind of step, under its own name."""

    def register(make: Maker) -> Maker:
        name = make.__name__
        assert name not in KINDS, name
        KINDS[name] = Kind(make, ranks or (1, 2, 3), weight, folds, survives, rounds, faint, ties)
        return make

    return register


class Apply(nn.Module):
    """A function as a module; one that has ``parts`` (buffers, modules, parameters) is given the module too. ``note``
    says what it is where a test fails.
    """

    def __init__(self, function: Callable[..., Any], note: str = "", **parts: Any) -> None:
        super().__init__()
        self.function = function
        self.note = note
        self.with_parts = bool(parts)
        for name, part in parts.items():
            if isinstance(part, torch.Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(self, x) if self.with_parts else self.function(x)

    def extra_repr(self) -> str:
        return self.note


class Net(nn.Module):
    """A chain of steps ``(kind, number)``; one that can't run on what comes before it is left out.

    ``pruned``: weights keep the zeros that steps were drawn with; without, there are none, since to a field that knows
    no weights a zero among them is a weight like others.
    """

    def __init__(self, rank: int, steps: list[tuple[str, int]], *, pruned: bool = False) -> None:
        super().__init__()
        self.rank, self.pruned = rank, pruned
        self.drawn: list[tuple[str, int]] = []
        self.steps = nn.ModuleList()
        self.register_buffer("precision", torch.zeros(1, dtype=torch.float64))  # of nets without weights too
        x = torch.randn(1, *INPUT[rank], dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            for name, number in steps:
                step = make_step(name, number, rank, pruned=pruned)
                try:
                    y = step(x)
                except (RuntimeError, ValueError, IndexError, AssertionError):
                    continue
                if _sound(_map(y), rank):
                    self.steps.append(step)
                    self.drawn.append((name, number))
                    x = _map(y)

    @property
    def folds(self) -> bool:
        return any(KINDS[name].folds for name, _ in self.drawn)

    @property
    def rounds(self) -> bool:
        return any(KINDS[name].rounds for name, _ in self.drawn)

    @property
    def faint(self) -> bool:
        return any(KINDS[name].faint for name, _ in self.drawn)

    def forward(self, x: torch.Tensor) -> Any:
        for step in self.steps[:-1]:
            x = _map(step(x))
        return self.steps[-1](x)

    def kind_of(self, layer: str) -> str:
        """The kind of the step that a layer belongs to."""
        head = layer.replace("/", ".").replace("[", ".").replace("#", ".").split(".")
        last = len(self.drawn) - 1
        return self.drawn[int(head[1]) if head[0] == "steps" else last][0]


def _map(value: Any) -> torch.Tensor:
    """What the next step is given: the first tensor of tuples and dicts."""
    while not isinstance(value, torch.Tensor):
        value = next(iter(value.values())) if isinstance(value, dict) else value[0]
    return value


def _sound(y: torch.Tensor, rank: int) -> bool:
    fits = y.dim() == rank + 2 and y.shape[:2] == (1, CHANNELS) and min(y.shape[2:]) >= 2
    return fits and max(y.shape[2:]) <= LARGEST[rank] and y.is_floating_point() and bool(y.isfinite().all())


def make_step(name: str, number: int, rank: int, *, pruned: bool = False) -> nn.Module:
    """The step of a kind that a number stands for."""
    state = torch.get_rng_state()
    try:
        torch.manual_seed(number)
        step = KINDS[name].make(random.Random(number), rank)
        step = (nn.Sequential(step, Apply(uneven, "uneven")) if KINDS[name].ties else step).double().eval()
        if not pruned:
            _fill_zeros(step)
        return step
    finally:
        torch.set_rng_state(state)


def _fill_zeros(step: nn.Module) -> None:
    with torch.no_grad():
        for parameter in step.parameters():
            parameter.copy_(torch.where(parameter == 0, 0.1 + 0.2 * torch.rand_like(parameter), parameter))


def kinds_of(rank: int, survives: bool = False) -> list[str]:
    return [name for name, own in KINDS.items() if rank in own.ranks and (own.survives or not survives)]


def draw_net(seed: int, *, survives: bool = False) -> Net:
    """The net of a seed: one to four steps; each kind comes first in turn, so that none is left out."""
    r = random.Random(seed)
    ranks = [1, 2, 3] if survives else [1, 1, 2, 2, 3]
    rank = r.choice(ranks)
    names = kinds_of(rank, survives)
    first = [name for i, name in enumerate(KINDS) if i == seed % len(KINDS) and name in names]
    weights = [KINDS[name].weight for name in names]
    more = r.choices(names, weights, k=r.randint(1 if first else 2, 3))
    steps = [*first, *more]
    r.shuffle(steps)
    return Net(rank, [(name, r.randrange(1 << 30)) for name in steps], pruned=survives)


def smallest(net: Net, fails: Callable[[Net], bool]) -> Net:
    """Drop steps as long as the net still fails."""
    steps, position = list(net.drawn), 0
    while position < len(steps):
        shorter = Net(net.rank, steps[:position] + steps[position + 1 :], pruned=net.pruned)
        if len(shorter.drawn) and fails(shorter):
            steps = list(shorter.drawn)
        else:
            position += 1
    return Net(net.rank, steps, pruned=net.pruned)


def uneven(x: torch.Tensor) -> torch.Tensor:
    """Each element times a factor of its own."""
    return x * (1 + 0.3 * torch.arange(1, x.numel() + 1, dtype=x.dtype).sin().reshape(x.shape))


def tokens_of(x: torch.Tensor) -> torch.Tensor:
    """A map's positions as tokens, ``(n, tokens, channels)``."""
    return x.flatten(2).transpose(1, 2)


def as_map(tokens: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Tokens back in the places of ``x``."""
    return tokens.transpose(1, 2).reshape(x.shape)
