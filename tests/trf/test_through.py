"""What surviving weights let through is what the operator's own gradient says, whatever the cotangent looks like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import rftools as rf

CASES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "strided": (lambda: nn.Conv2d(4, 6, (3, 5), stride=(2, 3), padding=(1, 0)), (4, 17, 20)),
    "dilated": (lambda: nn.Conv2d(4, 6, 3, dilation=(2, 3), padding=4), (4, 12, 12)),
    "grouped": (lambda: nn.Conv2d(4, 6, 3, groups=2, padding=1), (4, 9, 9)),
    "depthwise": (lambda: nn.Conv2d(4, 4, 3, groups=4, padding=1), (4, 9, 9)),
    "by name": (lambda: nn.Conv2d(4, 6, 3, padding="same"), (4, 9, 9)),
    "one axis": (lambda: nn.Conv1d(4, 6, 4, stride=2, padding=1), (4, 25)),
    "three axes": (lambda: nn.Conv3d(4, 6, 3, stride=(1, 2, 1), padding=(0, 1, 2)), (4, 6, 8, 7)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kept", [0.03, 0.15, 0.6])
def test_three_layers_by_perturbation(name: str, kept: float) -> None:
    """Weights being positive, an input element is in the surviving field where the unit's channels move with it."""
    build, size = CASES[name]
    torch.manual_seed(0)
    kind = {2: nn.Conv1d, 3: nn.Conv2d, 4: nn.Conv3d}[len(size)]
    middle = build()
    net = nn.Sequential(kind(size[0], 4, 3, padding=1), middle, kind(middle.out_channels, 3, 3, padding=1)).double()
    with torch.no_grad():
        for layer in net:
            layer.weight.copy_(torch.rand_like(layer.weight) * (torch.rand_like(layer.weight) < kept))
    result = rf.theoretical(net, input_size=size, surviving=True)
    x = torch.ones(1, *size, dtype=torch.float64, requires_grad=True)
    for name, output in (("1", net[:2](x)), ("2", net(x))):
        row = result[name]
        unit = output[(0, slice(None), *row.unit)]
        (gradient,) = torch.autograd.grad(unit.sum(), x)
        assert np.array_equal(row.surviving.support, (gradient[0] > 0).any(0).numpy())


def test_a_cotangent_that_repeats_along_space_is_no_single_place() -> None:
    """The mean's gradient is one number for all places."""
    net = nn.Sequential(nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 2, 1))
    row = rf.theoretical(net, input_size=(2, 12, 12), surviving=True)["2"]
    assert row.surviving.share == 1
    assert row.surviving.support.all()
