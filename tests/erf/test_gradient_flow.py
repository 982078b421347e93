"""Where gradients stop, precisions, compiled modules and batch statistics: the cone and the whole call against plain
autograd, image by image.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

import rftools as rf
from rftools.capture import capture
from rftools.erf.maps.gradients import by_cone, cone_of
from rftools.erf.maps.mixing import ONE_BY_ONE
from rftools.runtime.evaluation import frozen
from rftools.units import Unit

CPU = torch.device("cpu")
SIZE = (3, 17, 17)
UNIT = Unit("last", (2, 3), (8, 8))


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.other = nn.Conv2d(4, 4, 5, padding=2)
        self.norm = nn.BatchNorm2d(4, track_running_stats=False)
        self.last = nn.Conv2d(4, 4, 3, padding=1)


class NoGrad(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        with torch.no_grad():
            gate = self.other(y).sigmoid()
        return self.last(y * gate)


class Detached(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        return self.last(y * self.other(y.detach()).relu())


class Written(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        z = y.clone()
        z[..., ::2] = 2 * y.detach()[..., ::2]
        return self.last(y * z)


class Decorated(Base):
    @torch.no_grad()
    def gate(self, y: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            z = self.other(y)
        return z.tanh()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        return self.last(y + self.gate(y))


def plain(net: nn.Module, x: torch.Tensor, layer: nn.Module) -> NDArray[Any]:
    """The oracle: one image at a time, a hook, one backward pass."""
    maps = []
    for image in x.split(1):
        kept: list[torch.Tensor] = []
        handle = layer.register_forward_hook(lambda _m, _a, y, kept=kept: kept.append(y))
        leaf = image.clone().requires_grad_()
        net(leaf)
        handle.remove()
        maps.append(torch.autograd.grad(kept[0][0, :, 8, 8].sum(), leaf)[0].abs().mean((0, 1)))
    return torch.stack(maps).double().numpy()


@pytest.mark.parametrize("kind", [NoGrad, Detached, Written, Decorated])
def test_gradient_stops_in_the_cone_where_autograd_stops(kind: type[Base]) -> None:
    net = kind().double().eval()
    x = torch.randn(2, *SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    wanted = plain(net, x, net.last)
    with frozen(net, CPU):
        cone = cone_of(capture(net, SIZE), net, [UNIT], CPU, 2, math.inf)
        assert cone is not None
        found = by_cone(cone, x, [UNIT], "abs", torch.Generator(), 0)["last"]
    assert np.abs(found - wanted).max() <= 1e-10 * wanted.max()
    result = rf.effective(net, x, layers="last")
    assert np.abs(result["last"].map - wanted.mean(0)).max() <= 1e-6 * wanted.max()


def test_a_layer_inside_no_grad_sees_nothing() -> None:
    row = rf.effective(NoGrad(), torch.randn(2, *SIZE), layers="other")["other"]
    assert not row.map.any()
    assert row.measures["radius_50"].value is None


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_half_precision(precision: torch.dtype) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1)).to(precision).eval()
    x = torch.randn(3, *SIZE)
    wanted = plain(net, x.to(precision), net[2]).mean(0)
    found = rf.effective(net, x)["2"].map
    assert np.abs(found - wanted).max() <= 2e-2 * wanted.max()
    whole = rf.effective(net.float(), x)["2"].map
    assert np.abs(found - whole).max() <= 5e-2 * whole.max()


def test_layers_of_a_compiled_module_have_their_names() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1))
    x = torch.randn(2, *SIZE)
    found = rf.effective(torch.compile(net), x, layers=["1"])  # type: ignore[arg-type]
    assert np.array_equal(found["1"].map, rf.effective(net, x, layers="1")["1"].map)
    assert rf.theoretical(torch.compile(net), input_size=SIZE)["1"].axes[0].size == 5  # type: ignore[arg-type]


class Statistics(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.norm(self.first(x)).relu())


class Functional(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        return self.last(F.batch_norm(y, None, None, training=True).relu())


class Standardised(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        return self.last(((y - y.mean()) / y.std()).relu())


@pytest.mark.parametrize("kind", [Statistics, Functional, Standardised])
def test_images_that_influence_each_other_are_run_one_by_one(kind: type[Base]) -> None:
    net = kind().double().eval()
    x = torch.randn(4, *SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    wanted = plain(net, x, net.last).mean(0)
    result = rf.effective(net, x, layers="last")
    assert np.abs(result["last"].map - wanted).max() <= 1e-6 * wanted.max()
    assert ONE_BY_ONE in result.events


def test_nets_whose_images_do_not_mix_are_run_in_batches() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Softmax(1), nn.Conv2d(4, 4, 3))
    assert rf.effective(net, torch.randn(4, *SIZE)).events == ()
