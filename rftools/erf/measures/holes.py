"""Gridding: energy that stands alone."""

from __future__ import annotations

import numpy as np

from rftools.erf.measures.registry import Frame, Maps, measure


@measure("hole_energy", unit="share")
def hole_energy(maps: Maps, frame: Frame) -> Maps:
    """Gridding: ``sum max(0, m - largest axis neighbour)^2 / sum m^2``: energy that stands alone on lattice phases."""
    around = np.zeros_like(maps)
    for axis in range(1, maps.ndim):
        ahead, behind = [slice(None)] * maps.ndim, [slice(None)] * maps.ndim
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        around[tuple(behind)] = np.maximum(around[tuple(behind)], maps[tuple(ahead)])
        around[tuple(ahead)] = np.maximum(around[tuple(ahead)], maps[tuple(behind)])
    alone = (np.maximum(maps - around, 0) ** 2).reshape(len(maps), -1).sum(1)
    energy = (maps**2).reshape(len(maps), -1).sum(1)
    return np.divide(alone, energy, out=np.full(len(maps), np.nan), where=energy > 0)
