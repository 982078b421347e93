"""Random small nets for property tests; a failure shrinks to a small net."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

CHANNELS = 4
Step = tuple[Any, ...]


class RandomNet(nn.Module):
    """A chain of steps with branches; ``steps`` prints when a test fails."""

    def __init__(self, rank: int, steps: list[Step]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rank = rank
        self.steps = steps
        self.precision = nn.Parameter(torch.ones(1))  # tells the capture which precision the net runs in
        self.children_ = nn.ModuleList([self._module(step) for step in steps])
        for parameter in self.parameters():
            nn.init.uniform_(parameter, 0.05, 0.4)

    def _module(self, step: Step) -> nn.Module:
        kind, *a = step
        conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[self.rank - 1]
        up = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[self.rank - 1]
        if kind == "conv":
            k, s, p, d, groups, mode = a
            p = min(p, d * (k - 1))
            return conv(CHANNELS, CHANNELS, k, s, p, d, groups=groups, padding_mode=mode)
        if kind == "up":
            k, s, p, d = a
            return up(CHANNELS, CHANNELS, k, s, min(p, d * (k - 1)), dilation=d)
        if kind == "branch":
            return RandomNet(self.rank, a[0])
        if kind == "norm":
            return {"group": nn.GroupNorm(2, CHANNELS), "batch": _batch_norm(self.rank)}[a[0]]
        if kind == "lstm":
            return nn.LSTM(CHANNELS, CHANNELS, batch_first=True)
        return nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for step, child in zip(self.steps, self.children_, strict=True):
            x = self._step(step, child, x)
        return x

    def _step(self, step: Step, child: nn.Module, x: torch.Tensor) -> torch.Tensor:
        kind, *a = step
        if min(x.shape[2:]) < 2 and kind in {"conv", "pool", "slice", "branch", "reflect", "unshuffle"}:
            return x
        if kind in {"conv", "up", "norm"}:
            if kind == "conv":
                k, _, p, d, _, mode = a
                p = min(p, d * (k - 1))
                if min(x.shape[2:]) + 2 * p < d * (k - 1) + 1 or (mode != "zeros" and p >= min(x.shape[2:])):
                    return x
            return child(x)
        return FUNCTIONS[kind](self, child, x, *a)


def _batch_norm(rank: int) -> nn.Module:
    return (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[rank - 1](CHANNELS)


def _pool(net: RandomNet, child: nn.Module, x: torch.Tensor, how: str, k: int, s: int, ceil: bool) -> torch.Tensor:
    if min(x.shape[2:]) < k:
        return x
    name = {"max": "max_pool", "avg": "avg_pool", "lp": "avg_pool"}[how]
    function = getattr(F, f"{name}{net.rank}d")
    return function(x, k, s, k // 2, ceil_mode=ceil)


def _branch(net: RandomNet, child: nn.Module, x: torch.Tensor, steps: Any, join: str) -> torch.Tensor:
    y = child(x)
    sizes = [slice(0, min(a, b)) for a, b in zip(x.shape[2:], y.shape[2:], strict=True)]
    x, y = x[(slice(None), slice(None), *sizes)], y[(slice(None), slice(None), *sizes)]
    if join == "add":
        return x + y
    if join == "mul":
        return x * torch.sigmoid(y)
    wide = torch.cat([x, y], 1)
    if join == "cat":
        return wide[:, :CHANNELS] + wide[:, CHANNELS:].flip(1)
    if join == "shuffle":
        shape = wide.shape
        return wide.reshape(1, 2, CHANNELS, *shape[2:]).transpose(1, 2).reshape(shape)[:, :CHANNELS]
    return wide.chunk(2, 1)[1]


def _interpolate(
    net: RandomNet, child: nn.Module, x: torch.Tensor, mode: str, factor: float, size: int, corners: bool
) -> torch.Tensor:
    if max(x.shape[2:]) > 16:
        return x
    if mode == "linear":
        mode = ("linear", "bilinear", "trilinear")[net.rank - 1]
    if mode == "bicubic" and net.rank != 2:
        mode = "nearest"
    align = corners if mode not in {"nearest", "nearest-exact", "area"} else None
    if size:
        return F.interpolate(x, size=[size] * net.rank, mode=mode, align_corners=align)
    return F.interpolate(x, scale_factor=factor, mode=mode, align_corners=align)


def _shuffle(net: RandomNet, child: nn.Module, x: torch.Tensor) -> torch.Tensor:
    if net.rank != 2 or max(x.shape[2:]) > 12:
        return x
    return F.pixel_shuffle(x, 2).repeat(1, CHANNELS, 1, 1)


def _unshuffle(net: RandomNet, child: nn.Module, x: torch.Tensor) -> torch.Tensor:
    if net.rank != 2:
        return x
    even = x[..., : x.shape[-2] // 2 * 2, : x.shape[-1] // 2 * 2]
    return F.pixel_unshuffle(even, 2)[:, 1 : 1 + CHANNELS]


def _slice(net: RandomNet, child: nn.Module, x: torch.Tensor, start: int, step: int) -> torch.Tensor:
    return x[..., start % x.shape[-1] :: step]


def _tokens(net: RandomNet, child: nn.Module, x: torch.Tensor, how: str) -> torch.Tensor:
    """Windows of two along the last axis, attended to or reshaped and put back."""
    n = x.shape[-1] // 2 * 2
    x = x[..., :n]
    shape = x.shape
    windows = x.reshape(*shape[:-1], n // 2, 2)
    if how == "attend":
        q = windows.movedim(1, -1)
        q = F.scaled_dot_product_attention(q, q, q)
        return q.movedim(-1, 1).reshape(shape)
    if how == "swap":
        return windows.flip(-1).reshape(shape)
    return windows.softmax(-1).reshape(shape)


def _linear(net: RandomNet, child: nn.Module, x: torch.Tensor, how: str) -> torch.Tensor:
    if how == "mixer":
        return x @ torch.full((x.shape[-1], x.shape[-1]), 0.3, dtype=x.dtype)
    if how == "se":
        return x * torch.sigmoid(x.mean(tuple(range(2, x.dim())), keepdim=True))
    if how == "einsum":
        return torch.einsum("ncl,lk->nck", x.flatten(2), torch.eye(x[0, 0].numel(), dtype=x.dtype) + 0.1).reshape(
            x.shape
        )
    return x.cumsum(-1)


def _adaptive(net: RandomNet, child: nn.Module, x: torch.Tensor, size: int) -> torch.Tensor:
    return getattr(F, f"adaptive_avg_pool{net.rank}d")(x, size)


def _pad(net: RandomNet, child: nn.Module, x: torch.Tensor, mode: str, before: int, after: int) -> torch.Tensor:
    if mode != "constant" and max(before, after) >= min(x.shape[2:]):
        return x
    return F.pad(x, [before, after] * net.rank, mode=mode)


FUNCTIONS: dict[str, Callable[..., torch.Tensor]] = {
    "relu": lambda net, child, x: F.relu(x),
    "pool": _pool,
    "branch": _branch,
    "interpolate": _interpolate,
    "shuffle": _shuffle,
    "unshuffle": _unshuffle,
    "slice": _slice,
    "tokens": _tokens,
    "linear": _linear,
    "adaptive": _adaptive,
    "pad": _pad,
    "flip": lambda net, child, x: x.flip(-1),
    "roll": lambda net, child, x, by: x.roll(by, -1),
    "transpose": lambda net, child, x: x.transpose(-1, -2).contiguous() if net.rank > 1 else x,
    "lstm": lambda net, child, x: child(x.transpose(1, 2))[0].transpose(1, 2) if net.rank == 1 else x,
}


def draw_step(r: random.Random, branches: bool = True) -> Step:
    """One step with its parameters; convolutions, resampling and pools come up most."""
    kinds = "conv conv conv conv up pool pool interpolate pad slice tokens linear adaptive norm roll other"
    kind = r.choice(kinds.split() + ["branch"] * (2 * branches))
    if kind == "conv":
        mode = r.choice(["zeros"] * 4 + ["reflect", "circular", "replicate"])
        return (kind, r.randint(1, 4), r.randint(1, 3), r.randint(0, 3), r.randint(1, 3), r.choice([1, 2, 4]), mode)
    if kind == "up":
        return (kind, r.randint(1, 4), r.randint(1, 3), r.randint(0, 2), r.randint(1, 2))
    if kind == "branch":
        steps = [draw_step(r, branches=False) for _ in range(r.randint(1, 3))]
        return (kind, steps, r.choice(["add", "mul", "cat", "shuffle", "chunk"]))
    choices: dict[str, Callable[[], Step]] = {
        "pool": lambda: (r.choice(["max", "avg"]), r.randint(2, 3), r.randint(1, 3), r.random() < 0.5),
        "interpolate": lambda: (
            r.choice(["nearest", "nearest-exact", "linear", "bicubic", "area"]),
            r.choice([2.0, 0.5, 1.5, 3.0]),
            r.choice([0, 0, 5, 9]),
            r.random() < 0.5,
        ),
        "pad": lambda: (r.choice(["constant", "reflect", "circular", "replicate"]), r.randint(0, 2), r.randint(0, 2)),
        "slice": lambda: (r.randint(0, 3), r.randint(1, 2)),
        "tokens": lambda: (r.choice(["attend", "swap", "softmax"]),),
        "linear": lambda: (r.choice(["mixer", "se", "cumsum", "einsum"]),),
        "adaptive": lambda: (r.randint(1, 6),),
        "norm": lambda: (r.choice(["group", "batch"]),),
        "roll": lambda: (r.randint(-2, 2),),
        "other": tuple,
    }
    if kind == "other":
        return (r.choice(["relu", "flip", "shuffle", "unshuffle", "transpose", "lstm"]),)
    return (kind, *choices[kind]())


def draw_net(seed: int) -> RandomNet:
    """The net of a seed."""
    r = random.Random(seed)
    rank = r.choice([1, 1, 2, 2, 2, 3])
    return RandomNet(rank, [draw_step(r) for _ in range(r.randint(1, 6))])


def check_seed(seed: int, check: Callable[[RandomNet], None]) -> None:
    """Check the net of a seed; where that fails, the message is that of the smallest net in it that does."""
    net = draw_net(seed)

    def fails(net: RandomNet) -> bool:
        try:
            check(net)
        except Exception:
            return True
        return False

    if fails(net):
        small = smallest(net, fails)
        try:
            check(small)
        except Exception as error:
            raise AssertionError(f"seed {seed}, rank {small.rank}, steps {small.steps}: {error}") from error
        raise AssertionError(f"seed {seed} failed once, and not again")


def smallest(net: RandomNet, fails: Callable[[RandomNet], bool]) -> RandomNet:
    """Drop steps as long as the net still fails."""
    steps = list(net.steps)
    position = 0
    while position < len(steps):
        shorter = RandomNet(net.rank, steps[:position] + steps[position + 1 :])
        if shorter.steps and fails(shorter):
            steps = list(shorter.steps)
        else:
            position += 1
    return RandomNet(net.rank, steps)


INPUT = {1: (CHANNELS, 17), 2: (CHANNELS, 9, 11), 3: (CHANNELS, 5, 6, 7)}
INTERPOLATING = {"interpolate"}


def interpolates(net: RandomNet) -> bool:
    """Whether a tap of the net may be zero by construction, so that a NaN passes where nothing else does."""
    return any(
        s[0] in INTERPOLATING or (s[0] == "branch" and interpolates(c))
        for s, c in zip(net.steps, net.children_, strict=True)
    )  # type: ignore[arg-type]
