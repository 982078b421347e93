"""The null of a 3-D lattice: how the longest axes of random masks lie.

A kernel adds ``u u^T`` to its layer, u its axis, or nothing. By the lattice's mirrors all moments of these up to the
fourth follow from fifteen numbers, ``E[x^2i y^2j z^2k]`` with i + j + k = 4.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rftools.weights.statistics.null import BATCH, Moments, Null
from rftools.weights.statistics.sampling import MaskSample
from rftools.weights.statistics.sphere import longest_axes, products
from rftools.weights.statistics.tail import Cumulants

Floats = NDArray[np.float64]
Powers = tuple[int, int, int]
MOST_AXES = 150_000  # different sums of masks whose axes are worked out
MOST_SAMPLED_AXES = 1 << 20
EVEN: tuple[Powers, ...] = tuple((i, j, 4 - i - j) for i in range(5) for j in range(5 - i))
ENTRIES = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))  # of `products`
ORDERS = tuple(itertools.permutations(range(3)))


class AxisMoments(Moments):
    """As `Moments`, ``harmonics`` being the fifteen even moments of axes (`EVEN`)."""

    @cached_property
    def cumulants(self) -> Cumulants:
        return axis_cumulants(self.harmonics)


class SphereNull(Null):
    """The nulls of a 3-D lattice by number of taps."""

    most_sampled = MOST_SAMPLED_AXES

    def _counted(self, taps: int) -> tuple[NDArray[np.int64], Floats] | None:
        found = super()._counted(taps)
        return found if found is None or len(found[0]) <= MOST_AXES else None

    def _exactly(self, sums: NDArray[np.int64], masks: Floats) -> Moments:
        axis, share = self._axes(self.masks.inertia(sums, self.step)), masks / masks.sum()
        return AxisMoments(_with_flag(axis), share, True, np.zeros(7), np.zeros((7, 7)), share @ self._values(axis))

    def _draw(self, taps: int, number: int, draw: np.random.Generator) -> tuple[Any, ...]:
        sums = self.masks.drawn(taps, number, draw)
        own = self.masks.inertia(sums, self.step)
        return self._axes(own), self.masks.controls(own, taps, self.step)

    def _estimated(self, sample: MaskSample) -> Moments:
        axis: Floats = sample.first
        signs = np.array([[1, 1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]])  # mirrored, and on a cube turned
        orders = ORDERS if self.symmetric else ORDERS[:1]
        images = np.stack([_with_flag(axis[:, order] * sign) for order in orders for sign in signs], axis=1)
        even, covariance = sample.estimate(len(EVEN))
        parts = images.reshape(-1, 7).astype(np.float32)
        to_parts = np.zeros((7, len(EVEN)))  # the mean of uu^T and of the flag from even moments
        to_parts[:3], to_parts[6] = [_as_even(own) for own in ((1, 0, 0), (0, 1, 0), (0, 0, 1))], _as_even((0, 0, 0))
        lacks: Floats = to_parts @ even - parts.mean(axis=0, dtype=np.float64)
        alike = np.broadcast_to(1 / len(parts), len(parts))
        return AxisMoments(parts, alike, False, lacks, to_parts @ covariance @ to_parts.T, even, covariance)

    def _values(self, axis: Floats) -> Floats:
        """The fifteen even moments of each axis; on a cube those of its images too."""
        squares = [own.T for own in (np.ones_like(axis), *itertools.accumulate([axis**2] * 4, np.multiply))]
        found = {powers: math.prod(squares[n][place] for place, n in enumerate(powers)) for powers in EVEN}
        columns = [
            sum(found[powers[a], powers[b], powers[c]] for a, b, c in ORDERS) / 6 if self.symmetric else found[powers]
            for powers in EVEN
        ]
        return np.stack(columns, axis=1)

    def _axes(self, inertia: Floats) -> Floats:
        """The longest axes, 0 where there is none."""
        blocks = []
        for first in range(0, len(inertia), BATCH):
            has, axis = longest_axes(inertia[first : first + BATCH])
            blocks.append(np.where(has[:, None], axis, 0.0))
        return np.concatenate(blocks)


def _with_flag(axis: Floats) -> Floats:
    """The six entries of ``u u^T`` and whether there is an axis."""
    return np.concatenate([products(axis), axis.any(axis=1, keepdims=True)], axis=1)


def axis_cumulants(even: Floats) -> Cumulants:
    """The first four cumulants of the six entries of one kernel's ``u u^T`` from its fifteen even moments.

    >>> along_x = np.array([float(powers == (4, 0, 0)) for powers in EVEN])
    >>> own = axis_cumulants(along_x)
    >>> own.mean.tolist(), float(np.abs(own.second).max() + np.abs(own.fourth).max())
    ([1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 0.0)
    """
    mean, raw2, raw3, raw4 = (table @ even for table in _tables())
    second = raw2 - np.multiply.outer(mean, mean)
    third = raw3 - _spread(np.multiply.outer(raw2, mean), 3) + 2 * _outer(mean, 3)
    fourth = raw4 - _spread(np.multiply.outer(raw3, mean), 4) - _pairs(raw2, raw2)
    fourth += 2 * _six(raw2, mean) - 6 * _outer(mean, 4)
    return Cumulants(mean, second, third, fourth)


def mean_and_second(even: Floats, mean: Floats) -> tuple[Floats, Floats]:
    """What a small change of the even moments does to the mean of ``u u^T`` and to its covariance about ``mean``."""
    first, second, _, _ = _tables()
    moved = first @ even
    both = np.multiply.outer(mean, moved)
    return moved, second @ even - both - both.T


@cache
def _tables() -> tuple[Floats, ...]:
    """Of one to four entries multiplied, how their mean follows from the even moments: ``(6, ..., 6, 15)``."""
    found = []
    for order in range(1, 5):
        table = np.zeros((6,) * order + (len(EVEN),))
        for entries in itertools.product(range(6), repeat=order):
            coordinates = [axis for entry in entries for axis in ENTRIES[entry]]
            powers = [coordinates.count(axis) for axis in range(3)]
            if not any(power % 2 for power in powers):
                table[entries] = _as_even((powers[0] // 2, powers[1] // 2, powers[2] // 2))
        found.append(table)
    return tuple(found)


@cache
def _as_even(powers: Powers) -> Floats:
    """``x^2i y^2j z^2k`` of a unit vector as a sum of those with i + j + k = 4, since x^2 + y^2 + z^2 = 1."""
    left, found = 4 - sum(powers), np.zeros(len(EVEN))
    for p, q, r in _splits(left):
        ways = math.factorial(left) // (math.factorial(p) * math.factorial(q) * math.factorial(r))
        found[EVEN.index((powers[0] + p, powers[1] + q, powers[2] + r))] += ways
    return found


def _splits(whole: int) -> Iterator[Powers]:
    return ((p, q, whole - p - q) for p in range(whole + 1) for q in range(whole + 1 - p))


def _outer(vector: Floats, times: int) -> Floats:
    found = vector
    for _ in range(times - 1):
        found = np.multiply.outer(found, vector)
    return found


def _spread(tensor: Floats, order: int) -> Floats:
    """The sum over which of the axes is the last one's."""
    found: Floats = sum((np.moveaxis(tensor, -1, place) for place in range(order)), np.zeros(()))
    return found


def _pairs(one: Floats, other: Floats) -> Floats:
    """The sum over the three ways to pair four axes."""
    both = np.multiply.outer(one, other)
    found: Floats = both + both.swapaxes(1, 2) + both.swapaxes(1, 3)
    return found


def _six(second: Floats, mean: Floats) -> Floats:
    """The sum over the six ways to give two of four axes to ``second``."""
    squared = np.multiply.outer(mean, mean)
    return _pairs(second, squared) + _pairs(squared, second)
