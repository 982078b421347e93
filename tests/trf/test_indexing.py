"""Indices and writes into views, element by element against poisoned rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import rftools as rf
from rftools.trf import Field
from rftools.trf.engine import walk
from tests.oracle import Oracle

SIZE = (2, 6, 6)
Function = Callable[[torch.Tensor], torch.Tensor]


class After(nn.Module):
    """A 3x3 convolution and then a function."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self.conv(x))


def check_every_element(net: nn.Module, size: tuple[int, ...] = SIZE) -> str:
    """The engine's set of every element against the rows that reach it; returns the status."""
    oracle = Oracle(net, size)
    node = oracle.graph.outputs[0][1]
    field = walk(oracle.graph, {})[node]
    assert isinstance(field, Field)
    assert field.cause is None, field.cause
    settled = field.settled().parts[0]
    statuses = {axis.status for axis in settled} | {axis.status for part in field.parts for axis in part}
    for place in itertools.product(*map(range, field.shape)):
        for number, axis in enumerate(settled):
            low, mask = axis.table.at(place)
            said = {low + i for i, bit in enumerate(reversed(bin(mask)[2:])) if bit == "1"} if mask else set()
            seen = set(oracle.upper(node, number, place))
            assert said == seen or ("bound" in statuses and said >= seen), (place, number, said, seen)
    return max(statuses, key=("exact", "unit", "bound").index)


ROWS = torch.tensor([4, 0, 0, 3])
MIXED = torch.tensor([[[[0, 5, 2, 1, 1, 3]] * 3 + [[1, 1, 1, 0, 0, 5]] * 3] * 4])
CONSTANT = [
    lambda x: x.index_select(2, ROWS),
    lambda x: x[:, :, ROWS],
    lambda x: x[:, :, ROWS, ROWS],
    lambda x: x[:, ROWS % 4, :, ROWS],
    lambda x: x[:, :, torch.eye(6, dtype=torch.bool)],
    lambda x: x.gather(2, MIXED),
    lambda x: x.gather(3, MIXED[:, :2, :3, :4]),
    lambda x: x.diagonal(1, 2, 3),
    lambda x: x.take(ROWS * 7),
    lambda x: x.scatter(2, MIXED, x.flip(3)),
    lambda x: torch.zeros_like(x).scatter(3, MIXED[..., :3], x),
    lambda x: x.scatter(2, MIXED[..., :2, :], 1.5),
    lambda x: x.scatter_add(2, MIXED, x.flip(3)),
    lambda x: x.index_add(3, ROWS, x[..., :4]),
    lambda x: x.index_copy(3, torch.tensor([4, 0, 3]), x[..., :3].flip(2)),
    lambda x: x.flatten(0, 2).index_put((ROWS, ROWS), x[0, 0, 0, :4]),
    lambda x: torch.zeros_like(x).index_put((torch.tensor([0]), torch.tensor([1])), x[0, 0]),
    lambda x: x.masked_select(MIXED > 2),
]


@pytest.mark.parametrize("number", range(len(CONSTANT)))
def test_constant_indices(number: int) -> None:
    assert check_every_element(After(CONSTANT[number])) in {"exact", "unit"}


def corner(x: torch.Tensor) -> torch.Tensor:
    """An index that is data, though always in range."""
    return (x.flatten()[:3].abs() * 1e6).long() % 6


DATA = [
    lambda x: x.index_select(2, corner(x)),
    lambda x: x[:, :, corner(x)],
    lambda x: x[:, :, corner(x), corner(x)],
    lambda x: x.gather(2, (x > 0.1).long()),
]


@pytest.mark.parametrize("number", range(len(DATA)))
def test_indices_that_are_data_make_a_bound(number: int) -> None:
    """Every place along what is indexed may be read, so the answer is the whole of it, said to be a bound."""
    row = rf.theoretical(After(DATA[number]), SIZE)[""]
    assert row.status == "bound"
    windows = [axis.window for axis in row.axes]
    assert windows[0] == (0, 5)
    assert windows[1] == (0, 5) if number > 1 else windows[1] is not None


def test_a_shape_that_depends_on_the_data_is_unknown() -> None:
    result = rf.theoretical(After(lambda x: x[x > 0] * 2), SIZE)
    assert result["conv"].status == "exact"
    assert result[""].status == "unknown"
    assert "the output's shape depends on the data" in (result[""].cause or "")


def _views_written(x: torch.Tensor) -> torch.Tensor:
    """Writes through slices, selections and transposes of one tensor, read by other views of it."""
    y = torch.zeros(1, 4, 8, 8, dtype=x.dtype)
    y[0, :, 1:7, 1:7].copy_(x[0])
    left, right = y.chunk(2, 1)
    right.transpose(2, 3)[:, :, 2] += left[:, :, 0]
    first, *_ = y.unbind(1)
    first[:, ::2].mul_(2)
    y.view(1, 4, 64)[..., 9:11] = y.permute(0, 1, 3, 2)[:, :, 3, 3:5]
    return F.avg_pool2d(y, 2)


def _written_behind(x: torch.Tensor) -> torch.Tensor:
    """A view taken before the write sees what was written after."""
    y = x.clone()
    window = y[:, :, 2:4].unsqueeze(0)
    y[:, :, 3] = y[:, :, 0]
    y.select(3, 5).zero_()
    return window.squeeze(0) + 1


@pytest.mark.parametrize("function", [_views_written, _written_behind])
@pytest.mark.parametrize("recorded", [False, True])
def test_writes_into_views(function: Function, recorded: bool) -> None:
    def wrapped(x: torch.Tensor) -> torch.Tensor:
        if recorded and bool(x.detach().sum() == 12345.0):  # a branch on a value, which export refuses
            return x
        return function(x)

    net = After(wrapped)
    assert not recorded or rf.theoretical(net, SIZE).capture == "record"
    assert check_every_element(net) in {"exact", "unit"}


def test_regions_of_interest_are_a_bound() -> None:
    ops = pytest.importorskip("torchvision.ops")

    class Regions(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            boxes = torch.cat([torch.zeros(1, 1), x[0, 0, :1, :4].abs()], 1)
            return ops.roi_align(x, boxes, 2)  # type: ignore[no-any-return]

    row = rf.theoretical(Regions(), SIZE)[""]
    assert row.status == "bound"
    assert [axis.window for axis in row.axes] == [(0, 5), (0, 5)]


def test_a_copy_hides_what_was_there() -> None:
    """`copy_` into a tensor leaves nothing of its old values."""

    def forward(x: torch.Tensor) -> torch.Tensor:
        y = F.max_pool2d(x, 3, 1, 1).clone()
        y.copy_(x)
        return y

    assert np.unique([axis.size for axis in rf.theoretical(After(forward), SIZE)[""].axes]).tolist() == [3]


@pytest.mark.parametrize(
    "cast", [lambda c, x: c.type_as(x), lambda c, x: c.to(x), lambda c, x: c.view_as(x[0, :2, :2, 0])]
)
def test_what_is_formed_like_a_tensor_does_not_see_it(cast: Callable[..., torch.Tensor]) -> None:
    """Anchors cast to the type of a map are constants."""
    constant = torch.arange(4.0)

    def forward(x: torch.Tensor) -> torch.Tensor:
        return x[..., :2, :2] + cast(constant, x).reshape(2, 2)

    result = rf.theoretical(After(forward), SIZE)
    assert (result[""].status, [axis.size for axis in result[""].axes]) == ("exact", [3, 3])
