"""Steps taken one by one: loops over time, recurrences, states, strided writes."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import nn

from tests.nets.base import CHANNELS, Apply, kind

HIDDEN = CHANNELS
RNNS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}


@kind(weight=2)
def loop_stacked(r: random.Random, rank: int) -> nn.Module:
    """Every step by itself, put side by side again."""
    linear = nn.Linear(CHANNELS, CHANNELS)
    how = r.choice(["linear", "tanh", "reversed"])

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        steps = range(x.shape[-1])
        if how == "linear":
            made = [step.linear(x[..., t].movedim(1, -1)).movedim(-1, 1) for t in steps]
        else:
            made = [x[..., t].tanh() for t in (reversed(steps) if how == "reversed" else steps)]
        return torch.stack(made, -1)

    return Apply(function, how, linear=linear)


@kind()
def loop_joined(r: random.Random, rank: int) -> nn.Module:
    """Pieces of length one along space, each with its neighbour."""
    width = r.randint(1, 2)

    def function(x: torch.Tensor) -> torch.Tensor:
        pieces = [x[..., t : t + width].mean(-1, keepdim=True) for t in range(x.shape[-1] - 1)]
        return torch.cat(pieces, -1)

    return Apply(function, f"{width}")


@kind(weight=2)
def recurrence(r: random.Random, rank: int) -> nn.Module:
    backward, steps_kept = r.random() < 0.3, r.choice([1, 2])

    def function(x: torch.Tensor) -> torch.Tensor:
        times = list(range(x.shape[-1]))[:: -1 if backward else 1]
        state, made = torch.zeros_like(x[..., 0]), []
        for t in times:
            state = (0.6 * state + x[..., t]).tanh()
            made.append(state)
        return torch.stack(made[::steps_kept], -1)

    return Apply(function, f"backward {backward} every {steps_kept}")


@kind()
def recurrence_by_weights(r: random.Random, rank: int) -> nn.Module:
    own, given = nn.Linear(HIDDEN, HIDDEN), nn.Linear(CHANNELS, HIDDEN)

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        x = x.movedim(1, -1)
        state = x.new_zeros(*x.shape[:-2], HIDDEN)
        made = []
        for t in range(x.shape[-2]):
            state = torch.tanh(step.own(state) + step.given(x[..., t, :]))
            made.append(state)
        return torch.stack(made, -2).movedim(-1, 1)

    return Apply(function, own=own, given=given)


@kind(2)
def rows_one_by_one(r: random.Random, rank: int) -> nn.Module:
    conv = nn.Conv1d(CHANNELS, CHANNELS, 3, padding=1)
    dim = r.choice([2, 3])

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([step.conv(row) for row in x.unbind(dim)], dim)

    return Apply(function, f"dim {dim}", conv=conv)


@kind(weight=2)
def strided_write(r: random.Random, rank: int) -> nn.Module:
    start, pace, how = r.randint(0, 1), r.randint(2, 3), r.choice(["copy", "zeros", "add", "one", "shift"])

    def function(x: torch.Tensor) -> torch.Tensor:
        y = x.roll(1, -1).tanh() if how != "zeros" else x.sigmoid()
        out = torch.zeros_like(x) if how == "zeros" else x.clone()
        if how in {"copy", "zeros"}:
            out[..., start::pace] = y[..., start::pace]
        elif how == "add":
            out[..., start::pace] += y[..., start::pace]
        elif how == "one":
            out[..., 2] = y[..., 0]
        else:
            out[..., 1:] = x[..., :-1] * 0.5
        return out

    return Apply(function, f"{how} {start}::{pace}")


@kind()
def interleaved(r: random.Random, rank: int) -> nn.Module:
    """Two halves, one on even places and one on odd."""

    def function(x: torch.Tensor) -> torch.Tensor:
        out = x.new_zeros(*x.shape[:-1], 2 * x.shape[-1])
        out[..., ::2] = x
        out[..., 1::2] = x.flip(1).sigmoid()
        return out

    return Apply(function)


def _sequence(x: torch.Tensor) -> torch.Tensor:
    """``(batch, time, channels)``: in nets of more axes every line of the last by itself."""
    return x.movedim(1, -1).flatten(0, -3)


def _back(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return y.reshape(1, *x.shape[2:], y.shape[-1]).movedim(-1, 1)


@kind(1, 2, weight=2)
def recurrent(r: random.Random, rank: int) -> nn.Module:
    """One direction, both, or one half of both."""
    name, part = r.choice(list(RNNS)), r.choice(["one", "both", "first half", "second half"])
    two, layers = part != "one", r.choice([1, 2])
    net = RNNS[name](CHANNELS, HIDDEN, layers, batch_first=True, bidirectional=two)

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        y = step.net(_sequence(x))[0]
        if part == "both":
            y = y[..., :HIDDEN] + y[..., HIDDEN:]
        elif part == "second half":
            y = y[..., HIDDEN:]
        return _back(y[..., :HIDDEN], x)

    return Apply(function, f"{name} {part} {layers}", net=net)


@kind(1, weight=2)
def state_from_data(r: random.Random, rank: int) -> nn.Module:
    """An initial state that some place, or all of them, made."""
    name, how = r.choice(list(RNNS)), r.choice(["first", "last", "mean"])
    net = RNNS[name](CHANNELS, HIDDEN, batch_first=True)

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        state = {"first": x[..., 0], "last": x[..., -1], "mean": x.mean(-1)}[how].unsqueeze(0)
        given = (state, state.tanh()) if name == "lstm" else state
        return step.net(x.transpose(1, 2), given)[0].transpose(1, 2)

    return Apply(function, f"{name} {how}", net=net)


@kind(1)
def last_state(r: random.Random, rank: int) -> nn.Module:
    """The state after the last step, given to every place."""
    name, two = r.choice(list(RNNS)), r.random() < 0.5
    net = RNNS[name](CHANNELS, HIDDEN, batch_first=True, bidirectional=two)

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        state = step.net(x.transpose(1, 2))[1]
        state = state[0] if name == "lstm" else state
        return x * state[0].unsqueeze(-1).sigmoid()

    return Apply(function, f"{name} both {two}", net=net)


@kind(1)
def cell_loop(r: random.Random, rank: int) -> nn.Module:
    name = r.choice(list(CELLS))
    cell = CELLS[name](CHANNELS, HIDDEN)

    def function(step: Any, x: torch.Tensor) -> torch.Tensor:
        state = x.new_zeros(1, HIDDEN)
        memory, made = state, []
        for t in range(x.shape[-1]):
            if name == "lstm":
                state, memory = step.cell(x[..., t], (state, memory))
            else:
                state = step.cell(x[..., t], state)
            made.append(state)
        return torch.stack(made, -1)

    return Apply(function, name, cell=cell)


@kind(1, 2, ties=True)
def cumulative(r: random.Random, rank: int) -> nn.Module:
    how = r.choice(["cumsum", "cummax", "logcumsumexp", "cumprod", "flipped", "cummin"])

    def function(x: torch.Tensor) -> torch.Tensor:
        if how == "flipped":
            return x.flip(-1).cumsum(-1).flip(-1)
        found = getattr(torch, how)(x, -1)
        return found if isinstance(found, torch.Tensor) else found[0]

    return Apply(function, how)
