"""Loops that carry a state: convolutions in turn, caches that grow, scans, both directions, buffers that slide."""

from __future__ import annotations

import random
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from tests.nets.base import CHANNELS, CONV, Apply, kind


@kind(1, weight=2)
def lstm_by_hand(r: random.Random, rank: int) -> nn.Module:
    """Gates written out; the first memory is zero, so that its gate closes."""
    gates, last = nn.Linear(2 * CHANNELS, 4 * CHANNELS), r.random() < 0.3

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        hidden = memory = x.new_zeros(1, CHANNELS)
        made = []
        for t in range(x.shape[-1]):
            i, f, g, o = step.gates(torch.cat([x[..., t], hidden], 1)).chunk(4, 1)
            memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
            hidden = o.sigmoid() * memory.tanh()
            made.append(hidden)
        return x * hidden.unsqueeze(-1) if last else torch.stack(made, 2)

    return Apply(function, f"last {last}", gates=gates)


@kind(1)
def cache_that_grows(r: random.Random, rank: int) -> nn.Module:
    """Attention step by step over all that was seen."""

    def function(x: torch.Tensor) -> torch.Tensor:
        seen, made = [], []
        for t in range(x.shape[-1]):
            token = x[..., t : t + 1].transpose(1, 2)
            seen.append(token)
            cache = torch.cat(seen, 1)
            made.append((token @ cache.transpose(1, 2)).softmax(-1) @ cache)
        return torch.cat(made, 1).transpose(1, 2)

    return Apply(function)


@kind(1, 2)
def sliding_buffer(r: random.Random, rank: int) -> nn.Module:
    """A buffer of the last places, mixed at each step."""
    width, pace = r.randint(2, 3), r.choice([1, 2])

    def function(x: torch.Tensor) -> torch.Tensor:
        buffer, made = x[..., :width] * 0, []
        for t in range(0, x.shape[-1], pace):
            buffer = torch.cat([buffer[..., 1:], x[..., t : t + 1]], -1)
            made.append((buffer * buffer.sigmoid()).mean(-1))
        return torch.stack(made, -1)

    return Apply(function, f"{width} every {pace}")


@kind(1)
def scan(r: random.Random, rank: int) -> nn.Module:
    """A state space: decays that are constants, learned or made of the data."""
    how = r.choice(["constant", "learned", "selective", "diagonal with zeros"])
    decay = nn.Parameter(torch.rand(CHANNELS, 3))
    zeros = torch.tensor([0.0, 0.5, 0.9]).expand(CHANNELS, 3).clone()

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        state, made = x.new_zeros(1, CHANNELS, 3), []
        for t in range(x.shape[-1]):
            given = x[..., t].unsqueeze(-1)
            own = {
                "constant": 0.8,
                "learned": step.decay.sigmoid(),
                "selective": (-F.softplus(given)).exp(),
                "diagonal with zeros": step.zeros.to(x.dtype),
            }[how]
            state = own * state + given
            made.append(state.sum(-1))
        return torch.stack(made, -1)

    return Apply(function, how, decay=decay, zeros=zeros)


@kind(1)
def both_ways_by_hand(r: random.Random, rank: int) -> nn.Module:
    how = r.choice(["sum", "cat", "first only"])

    def function(x: torch.Tensor) -> torch.Tensor:
        def run(steps: list[int]) -> torch.Tensor:
            state, made = torch.zeros_like(x[..., 0]), {}
            for t in steps:
                state = torch.tanh(state * 0.7 + 0.1 * x[..., t])  # far from 1, which nothing moves
                made[t] = state
            return torch.stack([made[t] for t in sorted(made)], -1)

        there, back = run(list(range(x.shape[-1]))), run(list(range(x.shape[-1]))[::-1])
        if how == "sum":
            return there + back
        return torch.cat([there, back], 1)[:, ::2] if how == "cat" else torch.cat([there, back], 1)[:, :CHANNELS]

    return Apply(function, how)


@kind(2)
def rows_in_turn(r: random.Random, rank: int) -> nn.Module:
    """Each row is changed by a convolution of the row before (SCNN)."""
    conv, dim = nn.Conv1d(CHANNELS, CHANNELS, 3, padding=1), r.choice([2, 3])

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        rows = list(x.unbind(dim))
        for t in range(1, len(rows)):
            rows[t] = rows[t] + step.conv(rows[t - 1]).tanh()
        return torch.stack(rows, dim)

    return Apply(function, f"dim {dim}", conv=conv)


@kind()
def applied_again(r: random.Random, rank: int) -> nn.Module:
    """One convolution over and over, with what went in added each time."""
    conv, times = CONV[rank - 1](CHANNELS, CHANNELS, 3, padding=1), r.randint(2, 3)

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        y = torch.zeros_like(x)
        for _ in range(times):
            y = (step.conv(y) + x).tanh()
        return y

    return Apply(function, f"{times}", conv=conv)


@kind(1)
def states_of_layers(r: random.Random, rank: int) -> nn.Module:
    """Two layers of a recurrent net, whose states come from data or start the next one."""
    name, how = r.choice(["lstm", "gru", "rnn"]), r.choice(["deep", "from data", "chained", "last of both"])
    make = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[name]
    first = make(CHANNELS, CHANNELS, 2, batch_first=True, bidirectional=how == "last of both")
    second = make(CHANNELS, CHANNELS, 2, batch_first=True)

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        tokens = x.transpose(1, 2)
        if how == "from data":
            state = x[..., :2].movedim(-1, 0).contiguous()
            given = (state, state.tanh()) if name == "lstm" else state
            return step.first(tokens, given)[0].transpose(1, 2)
        out, state = step.first(tokens[:, :5])
        if how == "deep":
            return out.transpose(1, 2)
        if how == "chained":
            return step.second(tokens[:, 3:], state)[0].transpose(1, 2)
        hidden = state[0] if name == "lstm" else state
        return x * hidden[-1].sigmoid().unsqueeze(-1) + x * hidden[0].unsqueeze(-1)

    return Apply(function, f"{name} {how}", first=first, second=second)
