"""Sums over rings about the centre, which several measures read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rftools.erf.measures.registry import Maps


def cumulated(maps: Maps, ring: NDArray[np.int64]) -> Maps:
    """The sum within ring 0, 0..1, 0..2 and so on, of each map."""
    order = np.argsort(ring, kind="stable")
    starts = np.searchsorted(ring[order], np.arange(ring.max() + 1))
    flat = maps.reshape(len(maps), -1)[:, order]
    present = np.flatnonzero(np.diff(np.append(starts, len(ring))))
    sums = np.zeros((len(maps), ring.max() + 1))
    sums[:, present] = np.add.reduceat(flat, starts[present], axis=1)
    held: Maps = sums.cumsum(1)
    return held
