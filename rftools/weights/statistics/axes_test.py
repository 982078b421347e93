"""The same test of a 3-D layer's axes: are they more ordered than its lattice makes them by chance?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rftools.weights.statistics.lattice import (
    EXACT_ENOUGH,
    EXPANDED_FROM,
    LEVEL,
    SMALLEST,
    Groups,
    LatticeTest,
    compared,
    drawn,
    groups_of,
    grown,
    shift,
    trusted,
)
from rftools.weights.statistics.null_axes import EVEN, SphereNull, mean_and_second
from rftools.weights.statistics.sphere import symmetric
from rftools.weights.statistics.tail import Cumulants, total
from rftools.weights.statistics.tail_axes import axes_quantile, axes_tail

Floats = NDArray[np.float64]
EACH = 256  # masks sampled a kernel where the lattice has a direction of its own: a small error beside chance
SLIGHT = 0.03  # of the largest error: directions of less move nothing


def sphere_test(
    null: SphereNull,
    taps: NDArray[np.int64],
    kernels: NDArray[np.int64],
    order: float,
    *,
    draws: int = 9999,
    seed: int | None = None,
) -> LatticeTest | None:
    """Is ``order = (3 l1 - 1) / 2``, l1 the largest eigenvalue of the mean ``u u^T``, larger than random taps of the
    same numbers would make it? ``radius`` is the 95 % quantile of the order.

    As in `lattice_test`: p is integrated from the sum's cumulants where they say enough, and drawn of fewer kernels.

    >>> test = sphere_test(SphereNull((3, 3, 3), (1.0,) * 3), np.array([2]), np.array([50]), 0.9)
    >>> round(test.p, 6), test.how
    (0.0001, 'expansion')
    """
    groups = groups_of(null, taps, kernels)
    if not groups:
        return None
    found = _expanded(null, groups, order) if sum(n for _, n in groups) >= EXPANDED_FROM else None
    draw = np.random.default_rng((null.seed if seed is None else seed, 7))
    return found or _by_draws(null, groups, order, draws, draw)


def _expanded(null: SphereNull, groups: Groups, order: float) -> LatticeTest | None:
    while True:
        layer, loose = _layer(null, groups)
        p, last = axes_tail(layer, order)
        if not trusted(p, last):
            return None
        moved = _moved(layer, loose, sum(n for _, n in groups), order, p)
        if not grown(null, groups, moved / max(p, SMALLEST) / EXACT_ENOUGH):
            break
    exact = all(null[t].exact for t, _ in groups)
    return LatticeTest(max(p, SMALLEST), math.hypot(last, moved), axes_quantile(layer, LEVEL), exact, "expansion")


def _layer(null: SphereNull, groups: Groups) -> tuple[Cumulants, Floats]:
    """The cumulants of the layer's sum, and the covariance that sampled masks leave open of its even moments: what that
    is of the mean counts as spread.
    """
    found = total([n for _, n in groups], [null[t].cumulants for t, _ in groups])
    own = [n * n * null[t].wavering for t, n in groups if not null[t].exact]
    loose: Floats = np.sum(own, axis=0) if own else np.zeros((len(EVEN), len(EVEN)))
    if own:
        to_mean = np.stack([mean_and_second(each, found.mean)[0] for each in np.eye(len(EVEN))], axis=1)
        found = Cumulants(found.mean, found.second + to_mean @ loose @ to_mean.T, found.third, found.fourth)
    return found, loose


def _moved(layer: Cumulants, loose: Floats, kernels: int, order: float, p: float) -> float:
    """How far the sampling of masks may have moved p, one standard deviation: each independent error on its own."""
    values, vectors = np.linalg.eigh(loose)
    sizes = np.sqrt(np.maximum(values, 0.0))
    squares = 0.0
    for size, vector in zip(sizes, vectors.T, strict=True):
        if size > SLIGHT * sizes[-1] > 0:
            mean, second = mean_and_second(size * vector, layer.mean / kernels)
            other = Cumulants(layer.mean + mean, layer.second + second, layer.third, layer.fourth)
            squares += (axes_tail(other, order)[0] - p) ** 2
    return math.sqrt(squares)


def _by_draws(null: SphereNull, groups: Groups, order: float, draws: int, draw: np.random.Generator) -> LatticeTest:
    if not null.symmetric:
        for t, n in groups:
            null.grow(t, EACH * n)
    own = [(null[t], n) for t, n in groups]

    def orders(number: int) -> Floats:
        sums = drawn(own, number, draw)
        means = symmetric(sums[:, :6] / np.maximum(sums[:, 6:], 1))
        return np.asarray((3 * np.linalg.eigvalsh(means)[:, 2] - 1) / 2)

    return compared(orders, order, draws, own, 1.5 * shift(own, 6))
