"""The null of 3-D lattices: cumulants, tails and the test by filters, against sums over masks and layers drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import rftools as rf
from rftools.weights.spatial import parts_in_space
from rftools.weights.statistics.axes_clusters import filter_axes_test, order_interval, orders_of, resampled_axes
from rftools.weights.statistics.axes_test import sphere_test
from rftools.weights.statistics.clusters import design_effect
from rftools.weights.statistics.lattice import drawn
from rftools.weights.statistics.null_axes import SphereNull, axis_cumulants
from rftools.weights.statistics.shapes import coordinates
from rftools.weights.statistics.tail import total
from rftools.weights.statistics.tail_axes import axes_quantile, axes_tail

CUBE, LONG = (1.0, 1.0, 1.0), (1.0, 2.0, 2.0)


def random_masks(draw: np.random.Generator, number: int, taps: int = 3) -> np.ndarray:
    return draw.random((number, 27)).argsort(1).argsort(1) < taps


def layer(masks: np.ndarray, filters: int) -> nn.Module:
    conv = nn.Conv3d(len(masks) // filters, filters, 3)
    conv.weight.data = torch.from_numpy(masks.reshape(filters, -1, 3, 3, 3)).float()
    return nn.Sequential(conv)


@pytest.mark.parametrize(("kernel", "step"), [((2, 3, 3), CUBE), ((2, 2, 3), LONG), ((3, 3, 3), CUBE)])
def test_cumulants_are_those_of_all_masks(kernel: tuple[int, ...], step: tuple[float, ...]) -> None:
    own = SphereNull(kernel, step)[3]
    assert own.exact
    parts, share = np.asarray(own.parts[:, :6], dtype=np.float64), own.probabilities
    mean = share @ parts
    off = parts - mean
    pairs = np.einsum("n,ni,nj->ij", share, off, off)
    both = pairs[:, :, None, None] * pairs
    fourth = np.einsum("n,ni,nj,nk,nl->ijkl", share, off, off, off, off)
    found = axis_cumulants(own.harmonics)
    np.testing.assert_allclose(found.mean, mean, atol=1e-12)
    np.testing.assert_allclose(found.second, pairs, atol=1e-12)
    np.testing.assert_allclose(found.third, np.einsum("n,ni,nj,nk->ijk", share, off, off, off), atol=1e-12)
    wanted = fourth - both - both.swapaxes(1, 2) - both.swapaxes(1, 3)
    np.testing.assert_allclose(found.fourth, wanted, atol=1e-12)


@pytest.mark.parametrize(
    ("step", "taps", "kernels"), [(CUBE, (2,), 30), (CUBE, (3, 9), 60), (LONG, (2, 4), 40), (LONG, (3,), 400)]
)
def test_tails_agree_with_layers_drawn(step: tuple[float, ...], taps: tuple[int, ...], kernels: int) -> None:
    null = SphereNull((3, 3, 3), step)
    sums = drawn([(null[t], kernels) for t in taps], 40_000, np.random.default_rng(1))
    orders = np.sort(orders_of(sums[:, :6]))
    cumulants = total([kernels] * len(taps), [null[t].cumulants for t in taps])
    for level in (0.95, 0.5, 0.1, 0.05, 0.01):
        edge = float(orders[int((1 - level) * len(orders))])
        p, last = axes_tail(cumulants, edge)
        assert p == pytest.approx(level, abs=4 * math.sqrt(level / len(orders)) + last + 0.01 * level)
    assert axes_quantile(cumulants, 0.05) == pytest.approx(np.quantile(orders, 0.95), rel=0.02)


def test_one_p_at_every_seed() -> None:
    """Where masks are counted p has no seed; where they are sampled it moves less than its error says, and a tenth."""
    draw = np.random.default_rng(2)
    for step, taps, exact in ((LONG, 4, True), (LONG, 8, False), (CUBE, 8, False)):
        parts = parts_in_space(random_masks(draw, 400, taps).astype(float), coordinates((3, 3, 3), step))
        order = float(orders_of(parts[:, :6].sum(axis=0)[None])[0])
        tests = [
            sphere_test(SphereNull((3, 3, 3), step, seed), np.array([taps]), np.array([400]), order)
            for seed in range(3)
        ]
        p, errors = np.array([(test.p, test.error) for test in tests if test is not None]).T
        assert all(test is not None and (test.how, test.exact_masks) == ("expansion", exact) for test in tests)
        assert np.ptp(p) <= (0 if exact else min(4 * errors.max(), 0.1 * p.min()))
        assert (errors <= 0.11 * p).all()


@pytest.mark.parametrize("stride", [CUBE, LONG])
def test_shared_masks_of_3d_kernels_are_tested_by_filters(stride: tuple[float, ...]) -> None:
    draw, found = np.random.default_rng(4), {"auto": [], "kernels": []}
    for _ in range(25):
        net = layer(np.repeat(random_masks(draw, 36), 16, axis=0), 36)
        for how, values in found.items():
            row = rf.orientation(net, jumps={"0": stride}, independent=how)["0"]
            values.append(row.p_lattice)
        assert row.design_effect == pytest.approx(16, rel=0.3)
    assert np.mean(np.array(found["kernels"]) < 0.05) > 0.4
    assert np.mean(np.array(found["auto"]) < 0.05) < 0.25
    assert max(found["auto"]) > 0.5
    alone = rf.orientation(layer(random_masks(draw, 576), 36))["0"]
    assert (alone.independent, alone.design_effect) == ("kernels", pytest.approx(1, abs=0.4))


def test_the_test_by_filters_is_that_of_images_drawn() -> None:
    draw = np.random.default_rng(7)
    for cube in (True, False):
        axis = draw.standard_normal((30, 4, 3))
        axis /= np.linalg.norm(axis, axis=2, keepdims=True)
        sums = np.stack([parts_of(own) for own in axis])
        expected = np.tile([4 / 3, 4 / 3, 4 / 3, 0, 0, 0], (30, 1))
        order = float(orders_of(sums.sum(axis=0)[None])[0])
        exact = filter_axes_test(sums, expected, cube, order)
        assert exact is not None
        few = filter_axes_test(sums[:19], expected[:19], cube, 0.15)
        assert (few is not None) == cube
        assert exact.p == pytest.approx(by_images(sums, expected, cube, order, draw), abs=0.03)
        if few is not None:
            assert few.p == pytest.approx(by_images(sums[:19], expected[:19], cube, 0.15, draw), abs=0.03)
        assert filter_axes_test(sums[:4], expected[:4], cube, 0.1) is None


def parts_of(axis: np.ndarray) -> np.ndarray:
    return np.array([(axis[:, i] * axis[:, j]).sum() for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))])


def by_images(sums: np.ndarray, expected: np.ndarray, cube: bool, order: float, draw: np.random.Generator) -> float:
    """Each filter's deviation as a matrix turned by a random signed permutation, or mirrored, at random."""
    where = np.array([[0, 3, 4], [3, 1, 5], [4, 5, 2]])
    off, longer = (sums - expected)[:, where], 0
    for _ in range(3000):
        layer_sum = expected.sum(axis=0)[where].copy()
        for own in off:
            turn = np.diag(draw.choice([-1.0, 1.0], 3))
            if cube:
                turn = turn[draw.permutation(3)]
                image = turn @ own @ turn.T
            else:
                image = turn @ own @ turn.T
                image[np.diag_indices(3)] *= draw.choice([-1.0, 1.0])
            layer_sum += image
        longer += (3 * np.linalg.eigvalsh(layer_sum / np.trace(layer_sum))[2] - 1) / 2 >= order
    return longer / 3000


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
@pytest.mark.parametrize("kernels", [12, 60, 400])
def test_intervals_of_the_order_cover(share: float, kernels: int) -> None:
    """A share of kernels along x, the others with axes all round: 95 % of intervals hold the true order, the share."""
    draw, inside = np.random.default_rng(kernels), []
    for _ in range(120):
        axis = draw.standard_normal((kernels, 3))
        axis[draw.random(kernels) < share] = (1.0, 0.0, 0.0)
        axis /= np.linalg.norm(axis, axis=1, keepdims=True)
        parts = np.zeros((kernels, 15))
        parts[:, :6] = np.stack([parts_of(own[None]) for own in axis])
        found = float(orders_of(parts[:, :6].sum(axis=0)[None])[0])
        sums = resampled_axes(parts, np.ones(kernels, dtype=np.int64), found, draw)
        low, high = order_interval(orders_of(sums[:, :6]), found)
        inside.append(low <= share + 1e-9 <= high + 2e-9)
    assert np.mean(inside) > 0.88


@pytest.mark.parametrize(
    ("number", "known"), [(8, ()), (20, ("order",)), (80, ("order",)), (200, ("order", "mean", "pooled"))]
)
def test_3d_intervals_are_there_where_there_are_enough_kernels(number: int, known: tuple[str, ...]) -> None:
    """Each from the number on from which it holds the truth often enough (docs/calibration.md)."""
    row = rf.orientation(layer(random_masks(np.random.default_rng(0), number), 4))["0"]
    ends = {
        "order": (row.axes.order_low, row.axes.order, row.axes.order_high),
        "mean": (row.anisotropy_low, row.anisotropy, row.anisotropy_high),
        "pooled": (row.pooled.low, row.pooled.anisotropy, row.pooled.high),
    }
    assert tuple(name for name, (low, _, high) in ends.items() if low is not None and high is not None) == known
    assert all(ends[name][0] <= ends[name][1] <= ends[name][2] for name in known)


def test_kernels_that_are_all_lines_have_no_interval_of_the_mean() -> None:
    lines = np.zeros((120, 3, 3, 3), dtype=bool)
    lines[:, 1, 1, :] = True
    lines[:5] = random_masks(np.random.default_rng(1), 5).reshape(-1, 3, 3, 3)
    row = rf.orientation(layer(lines.reshape(120, -1), 4))["0"]
    assert row.anisotropy > 0.9
    assert (row.anisotropy_low, row.anisotropy_high) == (None, None)
    assert row.axes.order_low is not None


def test_a_design_effect_of_vectors() -> None:
    """Four kernels a filter, all alike: 4, in any number of entries."""
    own = np.array([[4.0, 0, 0], [-4, 0, 0], [0, 4, 0], [0, -4, 0], [0, 0, 4], [0, 0, -4]])
    assert design_effect(own, np.full(6, 4.0)) == pytest.approx(4)
