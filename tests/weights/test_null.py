"""The lattice's null: masks by their sums; p by counting, by the sum's cumulants and by draws, which must agree."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from rftools.weights.statistics.lattice import lattice_test
from rftools.weights.statistics.masks import MaskSums
from rftools.weights.statistics.null import Null
from rftools.weights.statistics.shapes import coordinates, inertia
from rftools.weights.statistics.sphere import tensors


@pytest.mark.parametrize(("kernel", "step", "taps"), [((5, 5), (2.0, 1.0), 8), ((3, 7), (1.0, 1.0), 5)])
@pytest.mark.parametrize("kernels", [40, 4000])
def test_a_lattice_whose_masks_are_counted_gives_one_p_at_every_seed(
    kernel: tuple[int, ...], step: tuple[float, ...], taps: int, kernels: int
) -> None:
    draw = np.random.default_rng(4)
    masks = draw.random((kernels, math.prod(kernel))).argsort(axis=1).argsort(axis=1) < taps
    z = inertia(masks.astype(float), coordinates(kernel, step)).doubled
    length = abs(z.sum()) / (z != 0).sum()
    found = {
        lattice_test(kernel, np.array([taps]), np.array([kernels]), length, step=step, seed=seed) for seed in range(3)
    }
    (test,) = found
    assert test is not None
    assert test.how == "expansion"
    assert test.exact_masks
    assert test.p > 0.01
    assert test.error <= 0.1 * test.p


@pytest.mark.parametrize(("kernel", "step", "kernels"), [((7, 7), (2.0, 1.0), 3000), ((5, 7), (1.0, 1.0), 3000)])
def test_sampled_masks_grow_until_p_stands(kernel: tuple[int, ...], step: tuple[float, ...], kernels: int) -> None:
    """Too many masks to count: samples of other seeds give the same p within the error that is said, and a tenth."""
    draw = np.random.default_rng(4)
    masks = draw.random((kernels, math.prod(kernel))).argsort(axis=1).argsort(axis=1) < 8
    z = inertia(masks.astype(float), coordinates(kernel, step)).doubled
    length = abs(z.sum()) / (z != 0).sum()
    tests = [lattice_test(kernel, np.array([8]), np.array([kernels]), length, step=step, seed=n) for n in range(4)]
    p, errors = np.array([(test.p, test.error) for test in tests if test is not None]).T
    assert (errors < 0.11 * p).all()
    assert np.abs(p - p.mean()).max() < 3 * errors.max()


def by_drawing(groups: list[tuple[Any, int]], number: int, seed: int) -> np.ndarray:
    """R of random layers, kernel by kernel."""
    draw, sums = np.random.default_rng(seed), np.zeros((number, 3))
    for moments, kernels in groups:
        for _ in range(kernels):
            sums += moments.parts[draw.choice(len(moments.parts), number, p=moments.probabilities)]
    return np.asarray(np.hypot(sums[:, 0], sums[:, 1]) / np.maximum(sums[:, 2], 1))


@pytest.mark.parametrize(
    ("kernel", "step", "taps", "kernels"),
    [
        ((3, 3), (1.0, 1.0), (2, 8), 20),
        ((3, 3), (1.0, 1.0), (4,), 60),
        ((3, 3), (2.0, 1.0), (2, 4), 60),
        ((3, 5), (1.0, 1.0), (3, 7), 60),
        ((2, 3), (1.0, 2.0), (2, 3), 100),
    ],
)
def test_the_expansion_agrees_with_layers_drawn(
    kernel: tuple[int, ...], step: tuple[float, ...], taps: tuple[int, ...], kernels: int
) -> None:
    """At the 50 to 0.1 % points of 100,000 drawn layers: p within the draws' error and the one that the test says."""
    null = Null(kernel, step)
    lengths = np.sort(by_drawing([(null[t], kernels) for t in taps], 100_000, 1))
    numbers = np.full(len(taps), kernels)
    for level in (0.5, 0.1, 0.05, 0.01, 0.001):
        edge = float(lengths[int((1 - level) * len(lengths))])
        test = lattice_test(kernel, np.array(taps), numbers, edge, step=step, null=null)
        assert test is not None
        assert test.how == "expansion" or level <= 0.01
        share = np.array([(lengths > edge + 1e-9).mean(), (lengths >= edge - 1e-9).mean()])  # ties
        slack = 4 * math.sqrt(level / len(lengths)) + test.error
        assert share[0] - slack < test.p < share[1] + slack
    assert test.radius == pytest.approx(np.quantile(lengths, 0.95), rel=0.02)


def test_a_radius_is_where_p_is_5_percent() -> None:
    for kernel, step, n in (((3, 3), (1.0, 1.0), 100), ((5, 5), (2.0, 1.0), 5000), ((7, 7), (1.0, 1.0), 192)):
        null, numbers = Null(kernel, step), (np.array([5]), np.array([n]))
        first = lattice_test(kernel, *numbers, 0.2, step=step, null=null)
        assert first is not None
        again = lattice_test(kernel, *numbers, first.radius, step=step, null=null)
        assert again is not None
        assert again.p == pytest.approx(0.05, rel=1e-3)


def test_a_few_kernels_are_counted_through() -> None:
    """Three kernels of two taps of 2 x 2: z is 1, -1 (two masks each) or i, -i (one each); by hand and by product."""
    null = Null((2, 2), (1.0, 1.0))
    values, shares = np.array([1, -1, 1j, -1j]), np.array([2, 2, 1, 1]) / 6
    sums = {}
    for three in itertools.product(range(4), repeat=3):
        key = round(abs(values[list(three)].sum()), 9)
        sums[key] = sums.get(key, 0.0) + shares[list(three)].prod()
    for length in sums:
        test = lattice_test((2, 2), np.array([2]), np.array([3]), length / 3, step=(1.0, 1.0), null=null)
        assert test is not None
        assert (test.how, test.error) == ("counted", 0.0)
        assert test.p == pytest.approx(sum(share for own, share in sums.items() if own >= length - 1e-9))


@pytest.mark.parametrize("kernel", [(3, 4), (4, 3), (2, 3, 2)])
@pytest.mark.parametrize("taps", [2, 5, 9])
def test_masks_by_their_sums_are_all_masks(kernel: tuple[int, ...], taps: int) -> None:
    """Counted, listed and drawn masks have the same inertia, which is that of the masks themselves."""
    masks, step = MaskSums(kernel), (1.0, 2.0, 1.5)[: len(kernel)]
    alone, _ = masks.listed_one_by_one(taps)
    counted = masks.counted(taps)
    assert counted is not None
    rows, numbers = np.unique(alone, axis=0, return_counts=True)
    same, which = np.unique(counted[0], axis=0, return_inverse=True)
    assert same.tolist() == rows.tolist()
    assert np.bincount(which.reshape(-1), weights=counted[1]).tolist() == numbers.tolist()
    chosen = np.array(list(itertools.combinations(range(masks.size), taps)))
    alive = np.zeros((len(chosen), masks.size))
    np.put_along_axis(alive, chosen, 1.0, axis=1)
    own, wanted = masks.inertia(alone, step), tensors(alive, coordinates(kernel, step))
    np.testing.assert_allclose(own, wanted, atol=1e-12)
    np.testing.assert_allclose(masks.controls(own, taps, step).mean(axis=0), 0, atol=1e-9)
    drawn = masks.drawn(taps, 40_000, np.random.default_rng(0))
    assert {tuple(row) for row in drawn.tolist()} <= {tuple(row) for row in rows.tolist()}
    share = {tuple(row): n / len(alone) for row, n in zip(rows.tolist(), numbers, strict=True)}
    for row, n in zip(*np.unique(drawn, axis=0, return_counts=True), strict=True):
        p = share[tuple(row.tolist())]
        assert n / 40_000 == pytest.approx(p, abs=5 * math.sqrt(p / 40_000))
