"""Energy near the border of the image."""

from __future__ import annotations

import numpy as np

from rftools.erf.measures.energy import coordinates, energy
from rftools.erf.measures.registry import Frame, Maps, Mixed, mixed_measure


def energy_of(mixed: Mixed, frame: Frame) -> Maps:
    """``sum m^2``."""
    return mixed.once("energy", lambda: energy(mixed(_whole(mixed.maps, frame))))


def _whole(maps: Maps, frame: Frame) -> Maps:
    return frame.once("energy", lambda: coordinates(maps.reshape(len(maps), -1)))


def _inner(maps: Maps, frame: Frame) -> Maps:
    """Coordinates of what lies in the image's inner half."""
    kept = maps
    for axis in range(maps.ndim - 1):
        place = frame.positions(maps, axis)
        keep = np.flatnonzero((place >= frame.image[axis] / 4 - 0.5) & (place < frame.image[axis] * 3 / 4 - 0.5))
        kept = np.take(kept, keep, axis=axis + 1) if len(keep) < len(place) else kept
    return _whole(maps, frame) if kept is maps else coordinates(kept.reshape(len(maps), -1))


@mixed_measure("edge_energy", unit="share", within=(0, 1))
def edge_energy(mixed: Mixed, frame: Frame) -> Maps:
    """The share of ``sum m^2`` outside the image's inner half (a quarter cut from each side of each axis)."""
    total, inner = energy_of(mixed, frame), energy(mixed(frame.once("inner", lambda: _inner(mixed.maps, frame))))
    return np.divide(np.maximum(total - inner, 0), total, out=np.full(len(mixed), np.nan), where=total > 0)
