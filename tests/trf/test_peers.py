"""Operators that other tools answer with unknown, too much or nothing: the right fields, by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import rftools as rf


class Then(nn.Module):
    """A 3x3 convolution, a function, and another 3x3 convolution where the function left a map of the same kind."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor], channels: int | None) -> None:
        super().__init__()
        self.before = nn.Conv2d(1, 4, 3, padding=1)
        self.function = function
        self.after = nn.Identity() if channels is None else nn.Conv2d(channels, 1, 3, padding=1)
        self.slopes = nn.PReLU(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(self.function(self.before(x)))


def shuffled(x: torch.Tensor) -> torch.Tensor:
    return F.channel_shuffle(x, 2)


CASES = {
    # (function, channels it leaves, size, stride, start): 3 before, 3 after at the stride that the function leaves
    "max_pool2d as a function": (lambda x: F.max_pool2d(x, 2), 4, 8, 2.0, -3),
    "nearest interpolation": (lambda x: F.interpolate(x, scale_factor=2), 4, 4, 0.5, -2),
    "pixel shuffle": (lambda x: F.pixel_shuffle(x, 2), 1, 4, 0.5, -2),
    "pixel unshuffle": (lambda x: F.pixel_unshuffle(x, 2), 16, 8, 2.0, -3),
    "chunk": (lambda x: x.chunk(2, 1)[1], 2, 5, 1.0, -2),
    "channel shuffle": (shuffled, 4, 5, 1.0, -2),
    "einsum over channels": (lambda x: torch.einsum("nchw,kc->nkhw", x, torch.ones(4, 4)), 4, 5, 1.0, -2),
    "prelu": (lambda x: F.prelu(x, torch.ones(4)), 4, 5, 1.0, -2),
    "reflected padding is not global": (lambda x: F.pad(x, (2, 2, 2, 2), mode="reflect"), 4, 5, 1.0, -4),
    "unsqueezed and back": (lambda x: x.unsqueeze(2).squeeze(2), 4, 5, 1.0, -2),
}


@pytest.mark.parametrize("name", CASES)
def test_operators_that_stop_others(name: str) -> None:
    function, channels, size, stride, start = CASES[name]
    row = rf.theoretical(Then(function, channels), (1, 32, 32))[""]
    assert row.status == "exact"
    for axis in row.axes:
        assert (axis.size, axis.stride, axis.start, axis.global_) == (size, stride, start, False)


def test_flip_runs_the_other_way() -> None:
    """Unit o of a flipped axis of 32 sees what unit 31 - o saw: rows 31 - o - 1 to 31 - o + 1."""
    row = rf.theoretical(Then(lambda x: x.flip(2), None), (1, 32, 32), unit=(4, 4))[""]
    rows, columns = row.axes
    assert (rows.size, rows.stride, rows.window) == (3, -1.0, (26, 28))
    assert (columns.stride, columns.window) == (1.0, (3, 5))


def test_kernel_rows_that_are_zero_everywhere() -> None:
    """Dilations 1, 2, 4, 8 with two of three kernel rows zeroed: 1 x 31 is left of 31 x 31."""
    net = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=d, dilation=d) for d in (1, 2, 4, 8)])
    for conv in net:
        conv.weight.data[:, :, [0, 2]] = 0  # type: ignore[union-attr,index]
    row = rf.theoretical(net, (1, 64, 64), surviving=True)["3"]
    assert [axis.size for axis in row.axes] == [31, 31]
    assert row.surviving is not None
    assert row.surviving.sizes == (1, 31)


def test_a_units_own_centre_is_not_the_images() -> None:
    """The centre unit of a ResNet-18's last map looks at pixel 96 of 224, not at 112."""
    pytest.importorskip("torchvision")
    axis = rf.theoretical(rf.load("torchvision:resnet18"))["layer4"].axes[0]
    assert (axis.size, axis.stride, axis.start) == (435, 32.0, -217)
    assert axis.centre is not None
    assert axis.centre + 3 * 32 == 96.0
