"""Sums over rings about the centre, which several measures read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.erf.measures.registry import Maps

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class Rings:
    """Which pixels each ring holds, as a matrix of zeros and ones ``(rings, pixels)``."""

    matrix: csr_matrix

    @classmethod
    def of(cls, ring: NDArray[np.int64]) -> Rings:
        """From the number of each pixel's ring."""
        from scipy.sparse import csr_matrix

        return cls(csr_matrix((np.ones(len(ring)), (ring, np.arange(len(ring))))))

    def sums(self, maps: Maps) -> Maps:
        """The sum within each ring, of each map: ``(rings, n)``."""
        return np.asarray(self.matrix @ maps.reshape(len(maps), -1).T)

    def cumulated(self, maps: Maps) -> Maps:
        """The sum within ring 0, 0..1, 0..2 and so on, of each map: ``(n, rings)``."""
        held: Maps = self.sums(maps).cumsum(0).T
        return held


def folded(maps: Maps, starts: Sequence[float]) -> tuple[Maps, list[float]]:
    """Maps with pixels added up that lie on both sides of the centre, and where the first of them lies along each axis.

    ``starts`` is where the first pixel lies, counted from the centre. Sums over rings stay as they are, of a quarter of
    the pixels; an axis whose pixels do not lie on both sides alike is left.

    >>> folded(np.array([[1.0, 2.0, 3.0, 4.0]]), [-1.0])
    (array([[2., 4., 4.]]), [0.0])
    """
    places = [float(start) for start in starts]
    for axis, start in enumerate(places):
        length = maps.shape[axis + 1]
        below = int(-np.floor(start)) if start < 0 else 0  # pixels before the centre, or all
        if 2 * start % 1 == 0 and 0 < below < length:
            first = start + below  # 0 or one half
            here, there = _cut(maps, axis, slice(below, None)), _cut(maps, axis, slice(below - 1, None, -1))
            shift = 0 if first else 1
            shape = list(maps.shape)
            shape[axis + 1] = max(length - below, below + shift)
            found = np.zeros(shape, maps.dtype)
            _cut(found, axis, slice(0, length - below))[...] = here
            _cut(found, axis, slice(shift, below + shift))[...] += there
            maps, places[axis] = found, first
    return maps, places


def _cut(maps: Maps, axis: int, part: slice) -> Maps:
    return maps[(slice(None),) * (axis + 1) + (part,)]
