"""The reverse walk and the surviving field, against gradients of the net made linear."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import rftools as rf
from rftools.capture import capture
from rftools.trf.engine import walk
from rftools.trf.field import Field
from rftools.trf.reverse import Reverse


class Pruned(nn.Module):
    """Convolutions with a dilated branch, a depthwise one, a transposed one and a residual sum; all linear."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.b = nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=2, bias=False)
        self.c = nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False)
        self.d = nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1, bias=False)
        self.e = nn.Conv2d(4, 3, 3, stride=2, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.a(x)
        return self.e(self.d(self.b(x) + self.c(x)))


@pytest.mark.parametrize("amount", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("seed", range(3))
def test_surviving_field_is_the_support_of_the_gradient(amount: float, seed: int) -> None:
    """With |w| all paths add up, so a gradient is zero only where no path is left (float64)."""
    torch.manual_seed(seed)
    net = Pruned().double()
    for module in list(net.children()):
        if amount:
            prune.random_unstructured(module, "weight", amount)
            prune.remove(module, "weight")
    graph = capture(net, (2, 17, 17))
    fields = walk(graph, {})
    positive = Pruned().double()
    positive.load_state_dict({name: value.abs() for name, value in net.state_dict().items()})
    node = graph.layers[-1].node
    for unit in [(0, 0), (8, 8), (16, 3)]:
        for channel in (None, 1):
            x = torch.zeros(1, 2, 17, 17, dtype=torch.float64, requires_grad=True)
            y = positive(x)[0, :, unit[0], unit[1]]
            (gradient,) = torch.autograd.grad(y.sum() if channel is None else y[channel], x)
            place = {2: unit[0], 3: unit[1]}
            seen = Reverse(graph, fields, {}, surviving=True).support(node, place, channel=channel)
            assert torch.equal(seen, gradient[0] > 0)


def test_with_all_weights_the_surviving_field_is_the_architectures() -> None:
    model = rf.load("rftools:vgg-dilated")
    for row in rf.theoretical(model, surviving=True):
        if row.surviving is not None:
            assert row.surviving.share == 1
            assert row.surviving.clipped == tuple(axis.clipped for axis in row.axes)


def test_two_zero_rows_leave_one() -> None:
    """Kernel rows 0 and 2 zero everywhere: the field is 1 x 31 and not 31 x 31."""
    model = rf.load("rftools:vgg-dilated")
    for module in model.module.modules():
        if isinstance(module, nn.Conv2d):
            with torch.no_grad():
                module.weight[:, :, [0, 2]] = 0
    row = rf.theoretical(model, surviving=True)["features.block4.conv"]
    assert row.surviving is not None
    assert row.surviving.sizes == (1, 31)
    assert row.surviving.share == pytest.approx(1 / 31)


def test_a_dead_filter_is_traced_through() -> None:
    """The only filter that looks to the left is read by nobody: its taps do not count."""
    first, second = nn.Conv2d(1, 2, 3, padding=1, bias=False), nn.Conv2d(2, 1, 1, bias=False)
    with torch.no_grad():
        first.weight.zero_()
        first.weight[0, 0, 1, 1] = 1
        first.weight[1, 0, 1, 0] = 1
        second.weight[0, 1] = 0
    row = rf.theoretical(nn.Sequential(first, second), (1, 9, 9), surviving=True)["1"]
    assert row.surviving is not None
    assert row.surviving.sizes == (1, 1)


def test_path_counts_are_the_field_of_a_uniform_linear_net() -> None:
    """Three 3-taps: 1 3 6 7 6 3 1 of 27 along each axis."""
    net = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1) for _ in range(3)])
    graph = capture(net, (1, 15, 15))
    counts = Reverse(graph, walk(graph, {}), {}).counts(graph.layers[-1].node, {0: 0, 2: 7, 3: 7})[0]
    line = torch.tensor([1.0, 3, 6, 7, 6, 3, 1], dtype=torch.float64) / 27
    assert torch.allclose(counts[4:11, 4:11], line[:, None] * line[None])
    assert float(counts.sum()) == pytest.approx(1)


def test_counts_neither_under_nor_overflow_in_a_thousand_layers() -> None:
    net = nn.Sequential(*[nn.Conv1d(1, 1, 3, padding=1) for _ in range(1000)])
    graph = capture(net, (1, 401))
    walker = Reverse(graph, walk(graph, {}), {})
    node = graph.layers[-1].node
    assert bool(walker.support(node, {0: 0, 2: 200}).all())
    counts = walker.counts(node, {0: 0, 2: 200})[0]
    assert bool(counts.isfinite().all())
    inner = counts[150:251].sum() / counts.sum()
    sigma = math.sqrt(1000 * 2 / 3)
    assert float(inner) == pytest.approx(math.erf(50.5 / sigma / math.sqrt(2)), abs=1e-3)


def test_plus_shaped_support_is_not_its_box() -> None:
    """A 3x1 and a 1x3 branch added see a plus of five pixels, which their projections do not show."""

    class Plus(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Conv2d(1, 1, (3, 1), padding=(1, 0))
            self.b = nn.Conv2d(1, 1, (1, 3), padding=(0, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.a(x) + self.b(x)

    graph = capture(Plus(), (1, 7, 7))
    fields = walk(graph, {})
    field = fields[graph.layers[-1].node]
    assert isinstance(field, Field)
    assert int(Reverse(graph, fields, {}).support(graph.layers[-1].node, {2: 3, 3: 3}).sum()) == 5


def test_paths_of_a_layer_are_products_of_its_axes() -> None:
    """Two 3x3 of stride 1: 1, 2, 3, 2, 1 paths along each axis, 81 in all."""
    net = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 3, padding=1))
    result = rf.theoretical(net, (1, 9, 9), paths=["1"])
    assert result["0"].paths is None
    expected = torch.zeros(9, 9, dtype=torch.float64)
    expected[2:7, 2:7] = torch.outer(line := torch.tensor([1.0, 2, 3, 2, 1], dtype=torch.float64), line) / 81
    torch.testing.assert_close(torch.from_numpy(result["1"].paths), expected)
    with pytest.raises(rf.RequestError, match="no layer '2'"):
        rf.theoretical(net, (1, 9, 9), paths=["2"])


class Branching(nn.Module):
    """Dense, grouped and transposed convolutions, pools, sums, a concatenation, a double use, a linear end."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.b = nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=2)
        self.c = nn.ConvTranspose2d(8, 3, 4, stride=2, padding=1)
        self.d = nn.Linear(16, 5)
        self.e = nn.Conv2d(3, 3, 1, 2, 1)  # one tap, and yet not one to one
        self.f = nn.Conv2d(3, 2, 1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.a(x)).relu()
        z = torch.cat([self.b(y) + y + y, nn.functional.max_pool2d(y, 3, 1, 1)], 1)
        y = nn.functional.avg_pool2d(self.c(z), 2)[..., :16]
        return self.d(self.f(y + nn.functional.interpolate(self.e(y + y), size=y.shape[2:])))


@pytest.mark.parametrize("layer", ["a", "b", "c", "d", "e", "f", ""])
def test_short_steps_are_the_long_ones(layer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps that need no gradient give what a gradient through the rules gives."""
    graph = capture(Branching(), (2, 32, 32))
    fields = walk(graph, {})
    node = next(own.node for own in graph.layers if own.name == layer)
    place = {0: 0, 2: 5, 3: 2}
    short = [Reverse(graph, fields, {}).support(node, place), Reverse(graph, fields, {}).counts(node, place)]
    monkeypatch.setattr("rftools.trf.reverse.shortcut", lambda *_: None)
    long = [Reverse(graph, fields, {}).support(node, place), Reverse(graph, fields, {}).counts(node, place)]
    assert 0 < long[0].sum() < long[0].numel()
    assert torch.equal(short[0], long[0])
    torch.testing.assert_close(short[1], long[1])
    one = Reverse(graph, fields, {}).support(node, place, channel=1)
    assert not torch.logical_and(one, ~long[0]).any()
