"""Energy near the border of the image."""

from __future__ import annotations

import numpy as np

from rftools.erf.measures.registry import Frame, Maps, measure


@measure("edge_energy", unit="share")
def edge_energy(maps: Maps, frame: Frame) -> Maps:
    """The share of ``sum m^2`` outside the image's inner half (a quarter cut from each side of each axis)."""
    energy = maps**2
    inner = energy
    for axis in range(maps.ndim - 1):
        place = frame.positions(maps, axis)
        keep = (place >= frame.image[axis] / 4 - 0.5) & (place < frame.image[axis] * 3 / 4 - 0.5)
        inner = np.compress(keep, inner, axis=axis + 1)
    total = energy.reshape(len(maps), -1).sum(1)
    return np.divide(
        total - inner.reshape(len(maps), -1).sum(1), total, out=np.full(len(maps), np.nan), where=total > 0
    )
