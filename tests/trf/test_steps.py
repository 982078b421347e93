"""Steps taken one by one, states of recurrent layers, and transforms of a part: every unit against what moves it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import rftools as rf
from tests.trf.test_standing import Net, check

N = 9


def recurrence(x: torch.Tensor) -> torch.Tensor:
    state, made = torch.zeros_like(x[..., 0]), []
    for t in range(x.shape[-1]):
        state = (0.6 * state + x[..., t]).tanh()
        made.append(state)
    return torch.stack(made, -1)


def written(x: torch.Tensor) -> torch.Tensor:
    out = torch.zeros_like(x)
    for t in range(x.shape[-1]):
        out[..., t] = x[..., t].tanh()
    return out


def strided(x: torch.Tensor) -> torch.Tensor:
    out = torch.zeros_like(x)
    out[..., ::2] = x.roll(1, -1)[..., ::2].tanh()
    return out


STEPS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "stacked": lambda x: torch.stack([x[..., t].tanh() for t in range(N)], -1),
    "joined": lambda x: torch.cat([x[..., t : t + 2].mean(-1, keepdim=True) for t in range(N - 1)], -1),
    "recurrence": recurrence,
    "written": written,
    "strided write": strided,
    "padded mean": lambda x: F.pad(x.mean(-1, keepdim=True).expand(x.shape), (1, 1)),
    "fft of a part": lambda x: torch.fft.rfft(x[..., 1:], n=4).abs().repeat(1, 1, 3) * x,
    "ifftshift": lambda x: torch.fft.ifftshift(x, dim=-1),
    "fftshift": lambda x: torch.fft.fftshift(x, dim=-1),
}


@pytest.mark.parametrize("name", STEPS)
def test_steps_keep_their_places(name: str) -> None:
    check(Net(STEPS[name]), (2, N), [(0,), (4,), (7,)])


class Recurrent(nn.Module):
    def __init__(
        self, net: nn.RNNBase, state: Callable[[torch.Tensor], torch.Tensor] | None = None, cut: int = 0
    ) -> None:
        super().__init__()
        self.net, self.state, self.cut = net, state, cut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = None if self.state is None else self.state(x)[None].contiguous()
        given = (state, state) if state is not None and isinstance(self.net, nn.LSTM) else state
        output: torch.Tensor = self.net(x.transpose(1, 2), given)[0][..., self.cut :]
        return output.transpose(1, 2)


RECURRENT = {
    "state of the last step": Recurrent(nn.GRU(2, 2, batch_first=True), lambda x: x[..., -1]),
    "state of a step": Recurrent(nn.LSTM(2, 2, batch_first=True), lambda x: x[..., 3]),
    "backward half": Recurrent(nn.LSTM(2, 2, batch_first=True, bidirectional=True), cut=2),
    "both": Recurrent(nn.RNN(2, 2, batch_first=True, bidirectional=True)),
}


@pytest.mark.parametrize("name", RECURRENT)
def test_states_and_directions_of_recurrent_layers(name: str) -> None:
    check(RECURRENT[name], (2, N), [(0,), (4,)])


def test_deeper_layers_of_both_directions_see_all() -> None:
    net = Recurrent(nn.GRU(2, 2, 2, batch_first=True, bidirectional=True), cut=2)
    assert rf.theoretical(net, (2, N))[""].axes[0].global_


def test_a_long_recurrence_is_no_deep_recursion() -> None:
    """What is known of values is worked out in the order of the operators."""
    row = rf.theoretical(Net(recurrence), (1, 300), unit={"": (150,)})[""]
    assert row.axes[0].support == tuple(range(151))
