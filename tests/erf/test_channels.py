"""Single channels of a unit: all at once against plain autograd, and as targets of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

import rftools as rf
from rftools.capture import capture
from rftools.erf.maps.attribution import attribution_maps
from rftools.erf.maps.channels import channel_maps
from rftools.erf.maps.gradients import layer_maps
from rftools.erf.maps.options import AGGREGATIONS, MapOptions
from rftools.units import Unit, unit_of

CPU = torch.device("cpu")


class Net(nn.Module):
    """Strides, groups, a pool, a branch and, where asked, tokens: what channels go through on their way back."""

    def __init__(self, tokens: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 5, 2, padding=2), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.left = nn.Conv2d(8, 12, 3, padding=1, groups=2)
        self.right = nn.Conv2d(8, 12, 1)
        self.head = nn.Conv2d(12, 10, 3, dilation=2, padding=2)
        self.mix = nn.Linear(10, 6)
        self.tokens = tokens

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.stem(x)
        y = self.head(F.silu(self.left(y) + self.right(y)))
        if self.tokens:
            y = y.flatten(2).transpose(1, 2)
            y = F.scaled_dot_product_attention(y, y, y)
            return self.mix(y)
        return self.mix(y.permute(0, 2, 3, 1))


def plain(module: nn.Module, x: torch.Tensor, target: Unit) -> NDArray[np.float64]:
    """The oracle: hooks, and a backward pass for every channel of every image."""
    kept: list[torch.Tensor] = []
    handle = module.get_submodule(target.layer).register_forward_hook(lambda _m, _a, y: kept.append(y))
    found = []
    for image in x.split(1):
        leaf = image.clone().requires_grad_()
        kept.clear()
        module(leaf)
        index: list[Any] = [slice(None)] * kept[0].ndim
        for dim, place in zip(target.dims, target.place, strict=True):
            index[dim] = place
        channels = kept[0][tuple(index)].flatten()
        rows = [torch.autograd.grad(y, leaf, retain_graph=True)[0].abs().mean((0, 1)) for y in channels]
        found.append(torch.stack(rows))
    handle.remove()
    return torch.stack(found).mean(0).double().numpy()


def targets(module: nn.Module, size: tuple[int, ...], names: tuple[str, ...]) -> list[Unit]:
    rows = rf.theoretical(module, input_size=size)
    return [unit_of(rows[name]) for name in names]


LAYERS = ("stem.0", "left", "right", "head", "mix")


@pytest.mark.parametrize(("precision", "allowed"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("budget", [None, 1])
def test_maps_of_all_channels_are_autograds(
    precision: torch.dtype, allowed: float, tokens: bool, budget: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if budget is not None:  # a channel at a time
        monkeypatch.setattr("rftools.erf.maps.cone.maps.SMALLEST", budget)
        monkeypatch.setattr("rftools.erf.maps.cone.maps.BUDGET", 0.0)
    net, size = Net(tokens).to(precision).eval(), (3, 33, 30)
    x = torch.randn(3, *size, dtype=precision, generator=torch.Generator().manual_seed(1))
    for target in targets(net, size, LAYERS):
        wanted = plain(net, x, target)
        for graph in (capture(net, size), None):
            found = channel_maps(net, x, target, device=CPU, batch_size=2, graph=graph)
            assert found.shape == wanted.shape
            assert np.abs(found - wanted).max() <= allowed * wanted.max()


def test_the_cone_serves_all_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it these maps could not be told from autograd's."""
    net, size = Net().eval(), (3, 33, 30)
    (target,) = targets(net, size, ("head",))
    monkeypatch.setattr("rftools.erf.maps.channels.one_by_one", None)
    assert channel_maps(net, torch.rand(1, *size), target, device=CPU, batch_size=1, graph=capture(net, size)).any()


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_a_channel_is_a_target_of_its_own(aggregation: str) -> None:
    """By the cone, by autograd and, worked out by hand, from the channel's own gradient."""
    net, size = Net().double().eval(), (3, 33, 30)
    (whole,) = targets(net, size, ("head",))
    chosen = [replace(whole, channel=c) for c in (7, 2)]
    x = torch.randn(2, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    options = MapOptions(aggregation, device=CPU, batch_size=2, seed=3)
    inside = layer_maps(net, x, [*chosen, whole], options, graph=capture(net, size))
    outside = layer_maps(net, x, [*chosen, whole], options)
    assert list(inside) == list(outside) == ["head:7", "head:2", "head"]
    leaf = x.clone().requires_grad_()
    units = net.head(F.silu(net.left(y := net.stem(leaf)) + net.right(y)))[:, :, whole.place[0], whole.place[1]]
    for target in chosen:
        unit = units[:, target.channel]
        (gradient,) = torch.autograd.grad(
            (unit.relu() if aggregation == "positive" else unit).sum(), leaf, retain_graph=True
        )
        by_hand = {
            "abs": gradient.abs().mean(1),
            "power": gradient.square().mean(1),
            "positive": gradient.relu().sum(1),
            "signed": gradient.mean(1),
        }[aggregation].numpy()
        for maps in (inside, outside):
            assert np.abs(maps[target.key] - by_hand).max() <= 1e-10 * np.abs(by_hand).max()
            assert np.abs(maps["head"] - maps[target.key]).max() > 1e-3 * np.abs(by_hand).max()


def test_captum_takes_a_channel_too() -> None:
    net, size = Net().double().eval(), (3, 33, 30)
    (whole,) = targets(net, size, ("head",))
    target = replace(whole, channel=4)
    x = torch.randn(1, *size, dtype=torch.float64)
    options = MapOptions("abs", device=CPU, batch_size=1, seed=0)
    found = attribution_maps(net, x, [target], options)["head:4"]
    np.testing.assert_allclose(found, layer_maps(net, x, [target], options)["head:4"], rtol=0, atol=1e-12 * found.max())


@pytest.mark.parametrize("graph", [True, False])
def test_a_channel_that_is_not_there_is_named(graph: bool) -> None:
    net, size = Net().eval(), (3, 33, 30)
    (whole,) = targets(net, size, ("head",))
    target = replace(whole, channel=10)
    with pytest.raises(rf.RequestError, match="layer 'head' has channels 0 to 9; 10 is none"):
        layer_maps(
            net,
            torch.rand(1, *size),
            [target],
            MapOptions(batch_size=1),
            graph=capture(net, size) if graph else None,
        )
