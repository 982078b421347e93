"""Masks of a number of taps by their sums: all of them counted, or some drawn; no mask is held.

A mask's inertia depends only on how many taps it has and on the sums of their coordinates and of the products of those:
whole numbers. Masks with the same sums are counted together, slice by slice of the kernel.
"""

from __future__ import annotations

import itertools
import math
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
WIDEST = 16  # taps of a slice whose masks are listed
MOST_KEPT, MOST_PAIRS = 1_000_000, 4_000_000  # sums of all slices but one; pairs of them with the last one's


class MaskSums:
    """The masks of a kernel: columns are taps, ``sum p_i``, and ``sum p_i p_j`` for i <= j; ``p`` are x, y (and z) in
    half taps from the centre, y up.
    """

    def __init__(self, kernel: tuple[int, ...]) -> None:
        self.kernel, self.size = kernel, math.prod(kernel)
        self.rank = len(kernel)
        grids = np.meshgrid(*[2 * np.arange(k) - (k - 1) for k in kernel], indexing="ij")
        columns = [grid.reshape(-1) for grid in grids][::-1]
        columns[1] = -columns[1]
        self.positions: Whole = np.stack(columns, axis=1).astype(np.int64)
        self.listed = self.size // kernel[0] <= WIDEST

    @cached_property
    def _slices(self) -> list[Whole]:
        """Of each slice along the first axis the sums of all its masks, those of fewer taps first."""
        width = self.size // self.kernel[0]
        masks = (np.arange(1 << width)[:, None] >> np.arange(width)) & 1
        masks = masks[np.argsort(masks.sum(axis=1), kind="stable")]
        return [masks @ self._features(self.positions[first : first + width]) for first in range(0, self.size, width)]

    def _features(self, positions: Whole) -> Whole:
        pairs = [positions[:, i] * positions[:, j] for i in range(self.rank) for j in range(i, self.rank)]
        return np.stack([np.ones(len(positions), dtype=np.int64), *positions.T, *pairs], axis=1)

    @cached_property
    def _halves(self) -> tuple[tuple[Whole, Floats], tuple[Whole, Floats]] | None:
        """The different sums of the last slice, and of all others together, with how many masks have them."""
        each = [_merged(own, np.ones(len(own))) for own in self._slices]
        rest = each[0]
        for sums, counts in each[1:-1]:
            if len(rest[0]) * len(sums) > 16 * MOST_KEPT:
                return None
            rest = _merged(*_paired(rest, (sums, counts)))
        return (each[-1], rest) if len(rest[0]) <= MOST_KEPT else None

    def counted(self, taps: int) -> tuple[Whole, Floats] | None:
        """The sums of all masks of so many taps, and how many masks have each; a few stand in several rows. None where
        there would be too many.

        >>> sums, masks = MaskSums((3, 3)).counted(2)
        >>> sums.shape[1], int(masks.sum())
        (6, 36)
        """
        if not self.listed or self.size > 30 or self._halves is None:
            return None
        last, rest = (
            {n: (sums[sums[:, 0] == n], counts[sums[:, 0] == n]) for n in range(max(0, taps - self.size), taps + 1)}
            for sums, counts in self._halves
        )
        both = [(last[n], rest[taps - n]) for n in range(taps + 1) if len(last[n][0]) and len(rest[taps - n][0])]
        if sum(len(a[0]) * len(b[0]) for a, b in both) > MOST_PAIRS:
            return None
        found = [_merged(*_paired(a, b)) for a, b in both]
        return np.concatenate([sums for sums, _ in found]), np.concatenate([counts for _, counts in found])

    def listed_one_by_one(self, taps: int) -> tuple[Whole, Floats]:
        """The sums of every mask of so many taps, one row a mask."""
        masks = itertools.combinations(range(self.size), taps)
        number = math.comb(self.size, taps)
        chosen = np.fromiter(itertools.chain.from_iterable(masks), dtype=np.int64, count=number * taps)
        sums: Whole = self._features(self.positions)[chosen.reshape(number, taps)].sum(axis=1)
        return sums, np.ones(number)

    def drawn(self, taps: int, number: int, draw: np.random.Generator) -> Whole:
        """The sums of ``number`` random masks of so many taps: how many taps a slice has, then which of its masks.

        >>> MaskSums((3, 3)).drawn(9, 1, np.random.default_rng(0)).tolist()  # all taps
        [[9, 0, 0, 24, 0, 24]]
        """
        if not self.listed:
            order = draw.random((number, self.size), dtype=np.float32).argsort(axis=1)[:, :taps]
            return np.asarray(self._features(self.positions)[order].sum(axis=1))
        width = self.size // self.kernel[0]
        each = draw.multivariate_hypergeometric([width] * self.kernel[0], taps, size=number, method="marginals")
        ways = np.array([math.comb(width, n) for n in range(width + 1)])
        first = np.cumsum(ways) - ways
        total = np.zeros((number, self._slices[0].shape[1]), dtype=np.int64)
        for own, sums in zip(each.T, self._slices, strict=True):
            total += sums[first[own] + (draw.random(number) * ways[own]).astype(np.int64)]
        return total

    def inertia(self, sums: Whole, step: tuple[float, ...]) -> Floats:
        """The inertia's entries ``(masks, rank, rank)`` in input pixels, ``sum (p - mu)(p - mu)^T / taps``."""
        taps, first = np.maximum(sums[:, 0], 1).astype(np.float64), sums[:, 1 : 1 + self.rank].astype(np.float64)
        found = np.empty((len(sums), self.rank, self.rank))
        steps, column = step[::-1], 1 + self.rank
        for i in range(self.rank):
            for j in range(i, self.rank):
                own = taps * sums[:, column] - first[:, i] * first[:, j]  # whole numbers: no rounding
                found[:, i, j] = found[:, j, i] = own * (steps[i] * steps[j] / 4) / taps**2
                column += 1
        return found

    def controls(self, inertia: Floats, taps: int, step: tuple[float, ...]) -> Floats:
        """Of random masks' inertia the diagonal and the products of two entries that no mirror changes, less their
        known means: ``(masks, quantities)``, each 0 on average.
        """
        entries = [(i, j) for i in range(self.rank) for j in range(i, self.rank)]
        chosen = [
            (a, b)
            for a, b in itertools.combinations_with_replacement(entries, 2)
            if sorted(a) == sorted(b) or (a[0] == a[1] and b[0] == b[1])
        ]
        own = {entry: inertia[:, entry[0], entry[1]] for entry in entries}
        points = self.positions * (np.array(step[::-1]) / 2)
        apart = points[:, None] - points[None]
        each = {(i, j): apart[..., i] * apart[..., j] for i, j in entries}
        found = [own[i, i] - self._mean(each[i, i], None, taps) for i in range(self.rank)]
        found += [own[a] * own[b] - self._mean(each[a], each[b], taps) for a, b in chosen]
        return np.stack(found, axis=1)

    def _mean(self, one: Floats, other: Floats | None, taps: int) -> float:
        """The mean of ``sum over pairs of taps of one``, or of the product of two such sums, over masks of so many taps
        and over the square (fourth power) of their number: pairs have two, one or no tap in common.
        """
        together = np.cumprod([1.0] + [(taps - n) / max(self.size - n, 1) for n in range(4)])  # so many are in a mask
        if other is None:
            return float(together[2] * one.sum() / 2) / taps**2
        same = (one * other).sum() / 2
        joined = one.sum(axis=1) @ other.sum(axis=1) - 2 * same
        apart = one.sum() * other.sum() / 4 - same - joined
        return float(together[2] * same + together[3] * joined + together[4] * apart) / taps**4


def _merged(sums: Whole, counts: Floats) -> tuple[Whole, Floats]:
    """Equal rows put together."""
    low = sums.min(axis=0)
    number = np.zeros(len(sums), dtype=np.int64)
    for column, span in zip((sums - low).T, sums.max(axis=0) - low + 1, strict=True):
        number = number * span + column
    _, first, which = np.unique(number, return_index=True, return_inverse=True)
    return sums[first], np.bincount(which, weights=counts).astype(np.float64)


def _paired(one: tuple[Any, Any], other: tuple[Any, Any]) -> tuple[Whole, Floats]:
    """Every row of one with every row of the other."""
    sums = (one[0][:, None] + other[0][None]).reshape(-1, one[0].shape[1])
    return sums, np.multiply.outer(one[1], other[1]).reshape(-1)
