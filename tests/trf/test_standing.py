"""Places that stand still, statistics of the whole map, and reductions that leave places out: by perturbed inputs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import rftools as rf


class Net(nn.Module):
    """A function as a net in double precision."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function
        self.precision = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def moved_by(net: nn.Module, size: tuple[int, ...], place: tuple[int, ...], axis: int) -> list[int]:
    """The input rows whose change, by little or by much, changes the output at ``place`` of its last dimensions."""
    generator = torch.Generator().manual_seed(0)
    found = set()
    for scale in (1e-3, 1.0, 30.0):
        for _ in range(4):
            x = torch.randn((1, *size), generator=generator, dtype=torch.float64)
            for row in range(size[1 + axis]):
                other = x.clone()
                other.select(2 + axis, row).add_(scale * torch.randn((), generator=generator, dtype=torch.float64))
                with torch.no_grad():
                    pair = [net(value)[(..., *place)] for value in (x, other)]
                if not torch.equal(*pair):
                    found.add(row)
    return sorted(found)


def check(net: nn.Module, size: tuple[int, ...], units: list[tuple[int, ...]]) -> list[rf.trf.LayerField]:
    """The last row of each unit, compared with what moves it."""
    net = net.double().eval()
    rows = []
    for unit in units:
        row = rf.theoretical(net, size, unit=unit or None)[""]
        assert row.status in ("exact", "unit"), row.status
        assert row.unit == unit
        for axis, own in enumerate(row.axes):
            assert list(own.support or ()) == moved_by(net, size, unit, axis), (unit, axis)
        rows.append(row)
    return rows


STANDING = {
    "first added": lambda x: x + x[..., :1],
    "last as a gate": lambda x: x * x[..., -1:].sigmoid(),
    "third, convolved": lambda x: F.avg_pool1d(x + x[..., 2:3].tanh(), 3, 1),
    "expanded": lambda x: x.roll(1, -1) - x[..., 4].unsqueeze(-1).expand_as(x),
}


@pytest.mark.parametrize("name", STANDING)
def test_a_place_that_stands_still_joined_with_one_that_moves(name: str) -> None:
    rows = check(Net(STANDING[name]), (2, 9), [(0,), (4,), (6,)])
    assert {row.status for row in rows} == {"unit"}


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(2, track_running_stats=False), nn.InstanceNorm1d(2)])
def test_statistics_of_the_map_are_global_and_units_keep_their_place(norm: nn.Module) -> None:
    net = nn.Sequential(nn.Conv1d(2, 2, 3, padding=1), norm, nn.Conv1d(2, 2, 3, padding=1))
    for row in check(net, (2, 9), [(0,), (4,)]):
        assert row.axes[0].global_
        assert (row.axes[0].local_size, row.grid) == (5, None)


def test_running_statistics_are_constants() -> None:
    net = nn.Sequential(nn.Conv1d(2, 2, 3, padding=1), nn.BatchNorm1d(2))
    assert [row.axes[0].size for row in check(net, (2, 9), [(4,)])] == [3]


def test_batch_statistics_as_a_function_are_global() -> None:
    (row,) = check(Net(lambda x: F.batch_norm(x, None, None, training=True)), (2, 5, 6), [(1, 1)])
    assert [axis.global_ for axis in row.axes] == [True, True]


@pytest.mark.parametrize("start", [0, 1])
def test_a_mean_over_every_other_place_is_not_global(start: int) -> None:
    (row,) = check(Net(lambda x: x[..., start::2].mean(-1)), (2, 9), [()])
    assert not row.axes[0].global_
    assert row.status == "unit"


def test_a_norm_over_one_element_is_a_constant() -> None:
    net = Net(lambda x: x + F.layer_norm(x[..., :1], (1,)) + x[..., :1].softmax(-1))
    assert {row.axes[0].size for row in check(net, (2, 9), [(0,), (4,)])} == {1}


def test_a_map_without_channels_is_no_grid_of_tokens() -> None:
    net = Net(lambda x: x.mean(1).cumsum(-1))
    (row,) = check(net, (2, 5, 6), [(2, 3)])
    assert (row.grid, row.unit_dims) == (None, (1, 2))
