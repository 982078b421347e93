"""What is independent, kernels or filters: how it is found, the test by filters, and intervals that cover."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy import stats
from torch import nn

import rftools as rf
from rftools.cli import group
from rftools.weights.directions import _of_direction
from rftools.weights.statistics.clusters import design_effect, filter_test
from rftools.weights.statistics.null import Null
from rftools.weights.statistics.resampling import length_interval, resampled_sums


def layer(masks: np.ndarray) -> nn.Module:
    """A convolution of ``masks`` ``(out, in, k, k)`` behind another one."""
    out, inputs, *kernel = masks.shape
    net = nn.Sequential(nn.Conv2d(1, inputs, 1), nn.Conv2d(inputs, out, tuple(kernel)))
    net[1].weight.data = torch.from_numpy(masks).float()
    return net


def random_masks(draw: np.random.Generator, number: int, taps: int = 3, kernel: int = 3) -> np.ndarray:
    ranks = draw.random((number, kernel * kernel)).argsort(1).argsort(1)
    return (ranks < taps).reshape(number, kernel, kernel)


def shared_masks(draw: np.random.Generator, filters: int, inputs: int, kernel: int = 3) -> np.ndarray:
    return np.repeat(random_masks(draw, filters, kernel=kernel)[:, None], inputs, axis=1)


def row_of(
    masks: np.ndarray, independent: str = "auto", stride: tuple[int, int] = (1, 1)
) -> rf.weights.LayerOrientation:
    jumps = {"1": (float(stride[0]), float(stride[1]))}
    return rf.orientation(layer(masks), ["1"], jumps=jumps, independent=independent)["1"]


def test_shared_masks_are_seen_and_said() -> None:
    draw = np.random.default_rng(0)
    row = row_of(shared_masks(draw, 32, 16))
    assert (row.independent, row.design_effect) == ("filters", pytest.approx(16))
    result = rf.orientation(layer(shared_masks(draw, 32, 16)))
    assert "1: kernels of one filter depend on each other" in result.remarks()[-1]
    alone = row_of(random_masks(draw, 512).reshape(32, 16, 3, 3))
    assert (alone.independent, alone.design_effect) == ("kernels", pytest.approx(1, abs=0.5))
    depthwise = nn.Sequential(nn.Conv2d(32, 32, 3, groups=32))
    depthwise[0].weight.data = torch.from_numpy(random_masks(draw, 32)[:, None]).float()
    row = rf.orientation(depthwise)["0"]
    assert (row.independent, row.design_effect) == ("kernels", None)


@pytest.mark.parametrize(("filters", "stride"), [(8, (1, 1)), (40, (1, 1)), (40, (2, 1))])
def test_layers_of_shared_masks_without_direction_are_not_rejected(filters: int, stride: tuple[int, int]) -> None:
    """Taken for independent, 16 kernels of one mask a filter are rejected in most layers."""
    draw = np.random.default_rng(filters)
    found = {"auto": [], "kernels": []}
    for _ in range(120):
        masks = shared_masks(draw, filters, 16)
        for how, values in found.items():
            values.append(row_of(masks, how, stride).p_lattice)
    rates = {how: np.mean(np.array(values) < 0.05) for how, values in found.items()}
    assert rates["kernels"] > 0.3
    assert rates["auto"] < 0.12
    assert stats.kstest(found["auto"], "uniform").pvalue > 1e-3


def test_shared_masks_with_a_direction_are_found() -> None:
    draw = np.random.default_rng(3)
    masks = random_masks(draw, 32)
    masks[:16] = False
    masks[:16, 1] = True  # half of the filters along x
    row = row_of(np.repeat(masks[:, None], 16, axis=1))
    assert row.independent == "filters"
    assert row.p_lattice < 0.001
    assert row.resultant_low > 0.1


def test_the_test_by_filters_is_all_signs_counted_through() -> None:
    """Eight filters: every one of the 2^8 signs along and across, against draws; and 30 by the expansion."""
    draw = np.random.default_rng(1)
    for filters, expected in ((8, 0.0), (30, 0.3)):
        z, number = draw.normal(size=filters) + 1j * draw.normal(size=filters), np.full(filters, 4.0)
        test = filter_test(z, number, np.full(filters, expected))
        assert test is not None
        if filters == 8:
            signs = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1).T
            along, across = 8 * expected + signs @ (z.real - expected), signs @ z.imag
        else:
            signs = draw.choice([-1, 1], (2, 200_000, filters))
            along, across = filters * expected + signs[0] @ (z.real - expected), signs[1] @ z.imag
        lengths = np.hypot(along[:, None], across[None]) if filters == 8 else np.hypot(along, across)
        assert test.p == pytest.approx((lengths >= abs(z.sum()) - 1e-9).mean(), abs=4 * test.error + 0.004)
    assert filter_test(z[:4], number[:4], np.zeros(4)) is None
    assert filter_test(z[:29], number[:29], np.full(29, 0.3)) is None  # so few lean to one side too often


def test_design_effects_by_hand() -> None:
    """Four kernels a filter, all alike: 4. Two that cancel in each filter: 0."""
    assert design_effect(np.array([4, -4, 4j, -4j, 4, -4]), np.full(6, 4.0)) == pytest.approx(4)
    assert design_effect(np.zeros(6), np.full(6, 4.0)) == pytest.approx(0)
    assert design_effect(np.ones(3), np.full(3, 4.0)) is None


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.99])
@pytest.mark.parametrize("kernels", [12, 60, 400])
def test_intervals_of_r_cover(share: float, kernels: int) -> None:
    """A share of kernels along x, the others with two random taps of 3 x 3: 95 % of intervals hold the true R."""
    null, draw = Null((3, 3), (1.0, 1.0))[2], np.random.default_rng(kernels)
    values, inside = np.append(null.values, 1.0), []
    p = np.append(null.probabilities * (1 - share), share)
    for _ in range(250):
        z = values[draw.choice(len(values), kernels, p=p)]
        parts = np.zeros((kernels, 8))
        parts[:, 0], parts[:, 1], parts[:, 4] = z.real, z.imag, 1
        sums = resampled_sums(parts, np.ones(kernels, dtype=np.int64), draw)
        low, high = length_interval((sums[:, 0] + 1j * sums[:, 1]) / sums[:, 4], abs(z.mean()))
        inside.append(low <= share + 1e-9 <= high + 2e-9)
    assert np.mean(inside) > 0.9


def test_no_interval_of_an_angle_that_is_there_by_luck() -> None:
    """A tenth of 30 kernels along x: R is rarely far from 0, and an angle's interval then holds x more often than not;
    of three fifths it holds nearly always.
    """
    null, draw = Null((3, 3), (1.0, 1.0))[3], np.random.default_rng(1)
    values, given, held = np.append(null.values, 1.0), {}, {}
    for share in (0.1, 0.6):
        ends = []
        for _ in range(400):
            z = values[draw.choice(len(values), 30, p=np.append(null.probabilities * (1 - share), share))]
            parts = np.zeros((30, 8))
            parts[:, 0], parts[:, 1], parts[:, 4] = z.real, z.imag, 1
            sums = resampled_sums(parts, np.ones(30, dtype=np.int64), draw)
            _, (low, high) = _of_direction(sums, 30, float(abs(z.mean())), float(np.angle(z.mean()) / 2))
            if low is not None and high is not None:
                ends.append(low <= 1e-9 and high >= -1e-9)
        given[share], held[share] = len(ends) / 400, np.mean(ends)
    assert given[0.1] < 0.06
    assert held[0.1] > 0.5
    assert given[0.6] > 0.85
    assert held[0.6] > 0.94


def test_fewer_than_five_kernels_have_no_interval() -> None:
    masks = random_masks(np.random.default_rng(0), 4, taps=2)[:, None]
    row = row_of(masks)
    assert row.resultant is not None
    assert (row.resultant_low, row.angle_low, row.anisotropy_low) == (None, None, None)
    assert row.pooled is not None
    assert row.pooled.low is None


@pytest.mark.parametrize("counts", [[1] * 40, [3, 1, 2] * 10, [30, 10]])
def test_resampled_sums_of_counted_rows_are_those_of_rows_one_by_one(counts: list[int]) -> None:
    parts = np.random.default_rng(3).standard_normal((len(counts), 8))
    parts[:, 4] = 1.0
    number, each = np.array(counts), np.repeat(parts, counts, axis=0)
    together = [resampled_sums(parts, number, np.random.default_rng(seed)) for seed in range(20)]
    alone = [
        resampled_sums(each, np.ones(len(each), dtype=np.int64), np.random.default_rng(seed)) for seed in range(20)
    ]
    one, other = np.concatenate(together), np.concatenate(alone)
    scale = one.std(axis=0).max()
    assert np.abs(one.mean(0) - other.mean(0)).max() < 5 * scale / math.sqrt(len(one))
    np.testing.assert_allclose(np.cov(one.T), np.cov(other.T), atol=0.06 * scale**2)


def test_the_command_takes_what_is_independent(tmp_path: Path) -> None:
    torch.save(layer(shared_masks(np.random.default_rng(0), 32, 16)).state_dict(), tmp_path / "a.pt")
    for how, wanted in (("auto", "filters"), ("kernels", "kernels"), ("filters", "filters")):
        done = CliRunner().invoke(group, ["orientation", str(tmp_path / "a.pt"), "--independent", how, "--json", "-"])
        assert json.loads(done.stdout)["layers"][1]["independent"] == wanted
    with pytest.raises(rf.RequestError, match=r"independent are no 'filter' \(closest: filters\)"):
        rf.orientation(nn.Conv2d(1, 1, 3), independent="filter")
