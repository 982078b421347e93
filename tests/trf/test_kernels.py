"""Kernels with zeros by construction, kernels that the data make: every row against what moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import rftools as rf
from rftools.trf.rules import kernels
from tests.nets.base import Apply
from tests.trf.test_constants import With
from tests.truth import judge

CROSS = torch.tensor([[0.0, 1, 0], [1, 1, 1], [0, 1, 0]])
DIAGONAL = torch.eye(3)
SCATTERED = (torch.rand(4, 4, 3, 3, generator=torch.Generator().manual_seed(3)) < 0.12).float()  # kernels differ


def test_the_kernels_differ() -> None:
    own = SCATTERED.any(1)
    assert len({tuple(kernel.flatten().tolist()) for kernel in own}) == 4
    assert all(int(kernel.sum()) not in {0, 9} for kernel in own)


def masked(function: Callable[..., torch.Tensor], mask: torch.Tensor, **options: int) -> nn.Module:
    return With(
        lambda net, x: function(x, net.weight * net.mask, **options),
        weight=nn.Parameter(torch.rand(mask.shape, dtype=torch.float64) + 0.5),
        mask=mask.double(),
    )


def everywhere(kernel: torch.Tensor) -> torch.Tensor:
    return kernel.expand(4, 4, 3, 3).clone()


KERNELS = {
    "crosses": [
        masked(F.conv2d, everywhere(CROSS), padding=1),
        masked(F.conv2d, everywhere(CROSS), padding=2, dilation=2),
    ],
    "diagonals": [
        masked(F.conv2d, everywhere(DIAGONAL), padding=1, stride=2),
        masked(F.conv2d, everywhere(DIAGONAL), padding=1),
    ],
    "by channel": [masked(F.conv2d, SCATTERED, padding=1), masked(F.conv2d, SCATTERED.flip(0), padding=1)],
    "groups": [
        masked(F.conv2d, SCATTERED[:, :2], padding=1, groups=2),
        masked(F.conv2d, SCATTERED, padding=1),
        masked(F.conv2d, SCATTERED.flip(0)[:, :2], padding=1, groups=2),
    ],
    "transposed": [
        masked(F.conv_transpose2d, SCATTERED, padding=1, stride=2),
        masked(F.conv2d, SCATTERED, padding=1),
    ],
    "transposed groups": [
        masked(F.conv_transpose2d, SCATTERED[:, :2], stride=2, padding=1, groups=2, output_padding=1),
        masked(F.conv_transpose2d, everywhere(CROSS)),
    ],
    "depthwise": [
        With(
            lambda net, x: F.conv2d(x, net.kernel, padding=1, groups=4),
            kernel=CROSS.expand(4, 1, 3, 3).double().clone(),
        ),
        masked(F.conv2d, SCATTERED),
    ],
}


@pytest.mark.parametrize("name", KERNELS)
def test_zeros_of_kernels_are_followed_one_by_one(name: str) -> None:
    """Kernels that are no box, and kernels that differ, against what moves: every row is exact."""
    judged = judge(nn.Sequential(*KERNELS[name]), (4, 6, 7))
    assert judged.wrong == []
    assert set(judged.statuses) == {"exact"}


def test_a_tap_beyond_the_border_reads_nothing_along_any_axis() -> None:
    """By hand: behind two diagonals the unit (0, 1) sees rows 0 to 2, and columns 1 to 3; its upper left is outside."""
    net = nn.Sequential(*(masked(F.conv2d, everywhere(DIAGONAL), padding=1) for _ in range(2)))
    row = rf.theoretical(net, (4, 6, 7), unit=(0, 1))[""]
    assert [axis.support for axis in row.axes] == [(0, 1, 2), (1, 2, 3)]


@pytest.mark.parametrize("limit", ["MOST_KERNELS", "MOST_TAPS"])
def test_too_many_kernels_or_taps_are_a_bound(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(kernels, limit, 1)
    judged = judge(nn.Sequential(*KERNELS["by channel"]), (4, 6, 7))
    assert judged.wrong == []
    assert judged.statuses["bound"] > 0


def _from_the_mean(step: Any, x: torch.Tensor) -> torch.Tensor:
    return F.conv2d(x, step.maker(x.flatten(2).mean(-1)).reshape(4, 4, 3, 3), padding=1)


def _from_one_place(step: Any, x: torch.Tensor) -> torch.Tensor:
    return F.conv2d(x, step.maker(x[:, :, 0, 0]).reshape(4, 4, 3, 3), x[0, :, 3, 4], padding=1)


def _from_a_patch(x: torch.Tensor) -> torch.Tensor:
    return F.conv2d(x, x[0, :, :3, :3].unsqueeze(1).repeat(1, 4, 1, 1), padding=1)


MADE: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "the mean": (lambda: Apply(_from_the_mean, maker=nn.Linear(4, 144)), "exact"),
    "one place": (lambda: Apply(_from_one_place, maker=nn.Linear(4, 144)), "unit"),
    "a patch, whose places differ": (lambda: Apply(_from_a_patch), "bound"),
}


@pytest.mark.parametrize("name", MADE)
def test_kernels_that_the_data_make(name: str) -> None:
    """An output channel sees its window and all that made its kernel."""
    make, status = MADE[name]
    judged = judge(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), make()), (4, 6, 7))
    assert judged.wrong == []
    assert judged.statuses[status] > 0
    assert status == "bound" or not judged.statuses["bound"]
