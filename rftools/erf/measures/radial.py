"""Radii about the unit's centre that hold a share of the sum."""

from __future__ import annotations

import numpy as np

from rftools.erf.measures.registry import Frame, Maps, measure
from rftools.erf.measures.rings import cumulated


def radius_of(maps: Maps, frame: Frame, share: float) -> Maps:
    """The radius about the unit's centre within which ``share`` of the sum lies.

    A pixel's value is spread over the radii within half a pixel of its own: taken at one radius, the sum would rise in
    steps, and a small change of the map would move the radius by a step or not at all.
    """
    grids = [frame.positions(maps, a) - frame.centre[a] for a in range(maps.ndim - 1)]
    distance = np.sqrt(sum(g**2 for g in np.meshgrid(*grids, indexing="ij"))).reshape(-1)
    radii, ring = np.unique(np.round(distance, 6), return_inverse=True)
    sums = np.diff(cumulated(maps, ring.reshape(-1)), axis=1, prepend=0)
    inner, outer = np.maximum(radii - 0.5, 0), radii + 0.5
    edges, place = np.unique(np.concatenate([inner, outer]), return_inverse=True)
    density = sums / (outer - inner)
    slopes = np.zeros((len(maps), len(edges)))
    slopes[:, place[: len(radii)]] = density  # inner edges that are one (both at zero) are added below
    doubled = np.flatnonzero(inner == 0)
    slopes[:, 0] = density[:, doubled].sum(1) if len(doubled) else slopes[:, 0]
    slopes[:, place[len(radii) :]] -= density
    held = np.concatenate([np.zeros((len(maps), 1)), (slopes.cumsum(1)[:, :-1] * np.diff(edges)).cumsum(1)], axis=1)
    wanted = share * sums.sum(1)
    last = np.maximum((held >= wanted[:, None]).argmax(1), 1)
    rows = np.arange(len(maps))
    below, gain = held[rows, last - 1], held[rows, last] - held[rows, last - 1]
    part = np.divide(wanted - below, gain, out=np.zeros_like(gain), where=gain > 0)
    return np.where(wanted > 0, edges[last - 1] + part * (edges[last] - edges[last - 1]), np.nan)


@measure("radius_50", unit="px")
def radius_50(maps: Maps, frame: Frame) -> Maps:
    """The radius about the unit's centre that holds half of the sum."""
    return radius_of(maps, frame, 0.5)


@measure("radius_90", unit="px")
def radius_90(maps: Maps, frame: Frame) -> Maps:
    """The radius about the unit's centre that holds 90 % of the sum."""
    return radius_of(maps, frame, 0.9)
