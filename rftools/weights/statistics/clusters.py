"""Filters as what is independent: kernels of one filter may share their mask, or lean the same way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rftools.weights.statistics.lattice import LEVEL, SMALLEST, LatticeTest, high_end, trusted
from rftools.weights.statistics.tail import Cumulants, quantile, tail

Floats = NDArray[np.float64]
BLOCK = 1 << 15  # kernels at a time
FEW = 1024  # distinct masks
SPARSE = 8  # kernels a distinct one, from which on they are looked up
BLOCK_DRAWS = 1000
FEWEST = 5  # filters, below which nothing can be said of them
FEWEST_LOPSIDED = 30  # on a lattice with a direction of its own, about which filters deviate more to one side
DRAWN_BELOW = 20  # filters whose sum has no density to speak of


def sums_by_filter(parts: Floats, index: NDArray[Any]) -> Floats:
    """The sums of ``parts`` ``(distinct, quantities)`` over the kernels of each filter, ``index`` ``(out, in)``.

    >>> sums_by_filter(np.array([[1.0], [10.0]]), np.array([[0, 0], [0, 1]])).tolist()
    [[2.0], [11.0]]
    """
    if SPARSE * index.shape[1] < len(parts):
        return np.concatenate([parts[block].sum(axis=1) for block in _blocks(index)])
    if len(parts) < FEW:  # count each filter's masks: cheaper than to look every kernel up
        return np.concatenate([_counts(block, len(parts)) @ parts for block in _blocks(index)])
    return np.stack([parts[own].sum(axis=0) for own in index])


def _blocks(index: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Rows of ``index``, about ``BLOCK`` numbers at a time."""
    rows = max(1, BLOCK // max(index.shape[1], 1))
    for first in range(0, len(index), rows):
        yield index[first : first + rows]


def _counts(index: NDArray[Any], number: int) -> NDArray[np.int64]:
    """How often each of ``number`` values stands in each row."""
    apart = index + np.arange(len(index), dtype=np.int64)[:, None] * number
    return np.bincount(apart.reshape(-1), minlength=len(index) * number).reshape(len(index), number)


def design_effect(z: NDArray[np.complex128] | Floats, number: Floats) -> float | None:
    """How many times the variance of a layer's mean direction is what it would be if kernels were independent.

    ``z`` are filters' sums of ``exp(2 i theta)``, or of other vectors of length 1 ``(filters, entries)``, what chance
    makes them on average taken off, over ``number`` kernels with a direction:
    ``sum_f |z_f - n_f mean|^2 / (N (1 - R^2))``. It is 1 where kernels are independent, and the number of kernels a
    filter where those are all alike. None of fewer than five filters, and where nothing varies.

    >>> design_effect(np.array([4, -4, 4j, -4j, 4, -4]), np.full(6, 4.0))
    4.0
    """
    living = number > 0
    if living.sum() < FEWEST or number.sum() == living.sum():
        return None
    own = np.stack([z.real, z.imag], axis=1) if z.ndim == 1 else z.real
    mean = own.sum(axis=0) / number.sum()
    alone = number.sum() * (1 - mean @ mean)
    apart = own - number[:, None] * mean
    return float((apart**2).sum() / alone) if alone > 1e-9 * number.sum() else None


def shared(effect: float | None, filters: int) -> bool:
    """Whether kernels depend on each other within filters: more than two standard errors above 1."""
    return effect is not None and effect > 1 + 2 * math.sqrt(2 / filters)


def filter_test(
    z: NDArray[np.complex128], number: Floats, expected: Floats, draws: int = 9999, seed: int = 0
) -> LatticeTest | None:
    """Is R longer than by chance, filters (not kernels) being independent?

    Under the null a filter's sum ``z_f`` has the mean ``expected`` (along the lattice's axis; 0 on a symmetric one) and
    is as likely as its images in the lattice's mirrors, ``expected +- (Re z_f - expected) +- i Im z_f``, each sign at
    random. From 20 filters on p is that of the sum's cumulants; below, of draws. None of fewer than five filters, nor
    of fewer than thirty where the lattice has a direction of its own: they deviate from it more to one side, and so few
    reject too often.
    """
    along, across, total = z.real - expected, z.imag, float(number.sum())
    if (number > 0).sum() < (FEWEST_LOPSIDED if expected.any() else FEWEST):
        return None
    length = float(abs(z.sum())) / total
    layer = _flipped(along, across, float(expected.sum()), total)
    if (number > 0).sum() >= DRAWN_BELOW and min(layer.second[0, 0], layer.second[1, 1]) > 0:
        p, last = tail(layer, length)
        if trusted(p, last):
            return LatticeTest(max(p, SMALLEST), last, quantile(layer, LEVEL), True, "filters")
    draw, blocks = np.random.default_rng((seed, 11)), []
    for first in range(0, draws, BLOCK_DRAWS):
        signs = draw.choice([-1.0, 1.0], (2, min(BLOCK_DRAWS, draws - first), len(z)))
        blocks.append(np.hypot(expected.sum() + signs[0] @ along, signs[1] @ across) / total)
    found = np.concatenate(blocks)
    p = (1 + float((found >= length - 1e-9).sum())) / (1 + draws)
    return LatticeTest(max(p, SMALLEST), math.sqrt(p * (1 - p) / draws), high_end(found), True, "filters")


def _flipped(along: Floats, across: Floats, mean: float, total: float) -> Cumulants:
    """The cumulants of a sum of numbers with random signs: a sign's are 0, 1, 0 and -2."""
    second, fourth = np.zeros((3, 3)), np.zeros((3, 3, 3, 3))
    for place, own in enumerate((along, across)):
        second[place, place], fourth[place, place, place, place] = (own**2).sum(), -2 * (own**4).sum()
    return Cumulants(np.array([mean, 0.0, total]), second, np.zeros((3, 3, 3)), fourth)
