"""Gridding: energy that stands alone."""

from __future__ import annotations

import numpy as np

from rftools.erf.measures.registry import UNSURE, Frame, Maps, measure


@measure("hole_energy", unit="share", within=(0, 1), no_interval=UNSURE)
def hole_energy(maps: Maps, frame: Frame) -> Maps:
    """Gridding: ``sum max(0, m - largest axis neighbour)^2 / sum m^2``: energy that stands alone on lattice phases."""
    maps = np.ascontiguousarray(maps)
    around = _largest_neighbours(maps)
    alone = np.maximum(maps, around)
    alone -= around
    over, energy = (_squares(values) for values in (alone, maps))
    return np.divide(over, energy, out=np.full(len(maps), np.nan), where=energy > 0)


def _largest_neighbours(maps: Maps) -> Maps:
    """The largest of each pixel's neighbours along the axes; what lies outside is zero."""
    found = np.empty_like(maps)
    flat, along = maps.reshape(-1), found.reshape(-1)
    np.maximum(flat[:-2], flat[2:], out=along[1:-1])  # all lines as one, which is fast; their ends are set below
    wide = maps.shape[-1] > 1
    found[..., 0], found[..., -1] = (maps[..., 1], maps[..., -2]) if wide else (0, 0)
    for axis in range(1, maps.ndim - 1):
        ahead, behind = [slice(None)] * maps.ndim, [slice(None)] * maps.ndim
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        for here, there in ((tuple(behind), tuple(ahead)), (tuple(ahead), tuple(behind))):
            np.maximum(found[here], maps[there], out=found[here])
    return found


def _squares(maps: Maps) -> Maps:
    flat = maps.reshape(len(maps), -1)
    found: Maps = (flat * flat).sum(1)
    return found
