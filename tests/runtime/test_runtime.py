"""How nets are run: what layers give, and that nothing is left behind."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import rftools as rf
from rftools.runtime.evaluation import evaluating, frozen, uncompiled
from rftools.runtime.outputs import layer_outputs


class Twice(nn.Module):
    """One convolution that is called twice, an activation in place between, and a layer that is never reached."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.late = nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(inplace=True), nn.Linear(7, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.late(self.conv(self.act(self.conv(x))))  # late would fail at inputs that are not 7 wide


def test_outputs_are_the_layers_own_call_by_call() -> None:
    net, x = Twice(), torch.randn(2, 1, 9, 9)
    found = layer_outputs(net, x, ["conv", "conv#1"])
    first = net.conv(x)
    torch.testing.assert_close(found["conv"], first, rtol=0, atol=0)
    torch.testing.assert_close(found["conv#1"], net.conv(first.relu()), rtol=0, atol=0)


def test_no_hook_stays_after_an_output_an_error_or_a_missing_call() -> None:
    net, x = Twice(), torch.randn(2, 1, 9, 9)
    layer_outputs(net, x, ["act"])
    with pytest.raises(rf.RequestError, match="'conv#2' gives no tensor of its own"):
        layer_outputs(net, torch.randn(1, 1, 7, 7), ["conv", "conv#2"])
    with pytest.raises(RuntimeError, match="shapes"):
        layer_outputs(net, x, ["late"])
    assert not any(child._forward_hooks for child in net.modules())


def _fail_inside(net: nn.Module) -> None:
    with frozen(net, torch.device("cpu")):
        assert not any(child.training for child in net.modules())
        assert not any(p.requires_grad for p in net.parameters())
        raise ZeroDivisionError


def test_modes_gradients_and_places_are_put_back() -> None:
    net = nn.Sequential(nn.Dropout(), nn.Linear(2, 2), nn.BatchNorm1d(2))
    net[0].eval()
    net.get_parameter("1.weight").requires_grad_(False)
    with pytest.raises(ZeroDivisionError):
        _fail_inside(net)
    assert [child.training for child in net.modules()] == [True, False, True, True]
    assert [p.requires_grad for p in net.parameters()] == [False, True, True, True]
    with evaluating(net):
        assert not net.training
    assert net.training


def test_a_compiled_module_gives_its_own() -> None:
    net = nn.Sequential(nn.Linear(2, 2))
    assert uncompiled(torch.compile(net)) is net
    assert uncompiled(net) is net
