"""Recurrent layers are traced as one operator each, whatever their length."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from torch import nn

from rftools.capture import capture, op_name

KINDS: dict[str, Any] = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "rnn_tanh": nn.RNN,
    "rnn_relu": lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options),
}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"num_layers": 2, "bidirectional": True, "dropout": 0.5},
    {"batch_first": True, "bias": False},
]


class Recurrent(nn.Module):
    """All that a recurrent layer returns; with ``written`` an export needs its functional form."""

    def __init__(self, layer: nn.Module, written: bool = False) -> None:
        super().__init__()
        self.layer = layer
        self.written = written

    def forward(self, x: torch.Tensor) -> Any:
        if self.written:
            x = x.tanh()
            x[:, 1:2] = 0
        return self.layer(x.transpose(1, 2))


def _shapes(value: Any) -> list[tuple[int, ...]]:
    return (
        [tuple(value.shape)]
        if isinstance(value, torch.Tensor)
        else [shape for item in value for shape in _shapes(item)]
    )


CASES = [(kind, options, False) for kind in KINDS for options in OPTIONS] + [(kind, OPTIONS[1], True) for kind in KINDS]


@pytest.mark.parametrize(("kind", "options", "written"), CASES, ids=str)
def test_outputs_have_the_shapes_that_the_layer_returns(kind: str, options: dict[str, Any], written: bool) -> None:
    net = Recurrent(KINDS[kind](3, 4, **options), written).eval()
    graph = capture(net, (3, 6))
    (node,) = [node for node in graph.nodes if op_name(node) == kind and isinstance(node.meta["val"], (list, tuple))]
    assert _shapes(node.meta["val"]) == _shapes(net(torch.zeros(1, 3, 6)))


@pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")
def test_states_of_a_projected_lstm_have_two_sizes() -> None:
    net = Recurrent(nn.LSTM(3, 6, proj_size=2)).eval()
    (node,) = [n for n in capture(net, (3, 5)).nodes if isinstance(n.meta["val"], (list, tuple))]
    assert _shapes(node.meta["val"]) == _shapes(net(torch.zeros(1, 3, 5)))


def test_many_steps_are_one_operator() -> None:
    """Torch goes through 8,000 steps of some ten operators while it traces them: minutes."""
    net = Recurrent(nn.LSTM(4, 8, batch_first=True)).eval()
    capture(net, (4, 2))  # what is loaded once
    begin = time.process_time()
    graph = capture(net, (4, 8000))
    assert time.process_time() - begin < 2
    assert len(graph.nodes) < 12


def test_torch_goes_through_the_steps_again_afterwards() -> None:
    from torch.fx.experimental.proxy_tensor import make_fx

    layer = nn.GRU(3, 4).eval()
    capture(Recurrent(layer), (3, 5))
    traced = make_fx(layer, tracing_mode="fake", _allow_non_fake_inputs=True)(torch.zeros(5, 1, 3))
    x = torch.rand(5, 1, 3)
    assert torch.allclose(traced(x)[0], layer(x)[0], atol=1e-6)
