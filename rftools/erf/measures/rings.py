"""Sums over rings about the centre, which several measures read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rftools.erf.measures.registry import Maps


@dataclass(frozen=True)
class Rings:
    """Pixels in the order of their rings, and where each ring begins; ``count`` rings, some of them without pixels."""

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    present: NDArray[np.int64]
    count: int

    @classmethod
    def of(cls, ring: NDArray[np.int64]) -> Rings:
        """From the number of each pixel's ring."""
        order = np.argsort(ring, kind="stable")
        starts = np.searchsorted(ring[order], np.arange(ring.max() + 1))
        present = np.flatnonzero(np.diff(np.append(starts, len(ring))))
        return cls(order, starts[present], present, int(ring.max()) + 1)

    def sums(self, maps: Maps) -> Maps:
        """The sum within each ring, of each map."""
        flat = maps.reshape(len(maps), -1)[:, self.order]
        found = np.zeros((len(maps), self.count))
        found[:, self.present] = np.add.reduceat(flat, self.starts, axis=1)
        return found

    def cumulated(self, maps: Maps) -> Maps:
        """The sum within ring 0, 0..1, 0..2 and so on, of each map."""
        held: Maps = self.sums(maps).cumsum(1)
        return held
