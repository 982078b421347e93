"""Radii about the unit's centre that hold a share of the sum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rftools.erf.measures.registry import Frame, Maps, Mixed, mixed_measure
from rftools.erf.measures.rings import Rings, folded


@dataclass(frozen=True)
class Spread:
    """How pixels' values are spread over radii: each within half a pixel of its own radius.

    Taken at one radius, the sum would rise in steps, and a small change of the map would move a radius by a step or not
    at all. ``starts`` is where the first pixel lies along each axis, counted from the centre. ``edges`` are the radii
    where the density of the sum changes; a ring adds its density at the edge ``inner`` and takes it away at ``outer``.
    """

    rings: Rings
    starts: tuple[float, ...]
    edges: NDArray[np.float64]
    inner: NDArray[np.int64]
    outer: NDArray[np.int64]
    widths: NDArray[np.float64]

    def held(self, maps: Maps) -> Maps:
        """The sum within each of the edges, of each map: ``(n, edges)``."""
        density = self.rings.sums(folded(maps, self.starts)[0]) / self.widths[:, None]
        slopes = np.zeros((len(self.edges), len(maps)))
        first = self.inner == 0
        slopes[self.inner[~first]] = density[~first]
        slopes[0] += density[first].sum(0)  # several rings may begin at radius zero
        slopes[self.outer] -= density
        held = np.zeros_like(slopes)
        np.cumsum(slopes.cumsum(0)[:-1] * np.diff(self.edges)[:, None], axis=0, out=held[1:])
        return held.T


def spread_of(shape: Sequence[int], centre: Sequence[float], offset: Sequence[int]) -> Spread:
    """How the pixels of maps of this shape are spread about a centre."""
    starts = tuple(first - middle for first, middle in zip(offset, centre, strict=True))
    quarter, places = folded(np.zeros((1, *shape)), starts)
    grids = [place + np.arange(n) for place, n in zip(places, quarter.shape[1:], strict=True)]
    distance = np.sqrt(sum(g**2 for g in np.meshgrid(*grids, indexing="ij"))).reshape(-1)
    radii, ring = np.unique(np.round(distance, 6), return_inverse=True)
    inner, outer = np.maximum(radii - 0.5, 0), radii + 0.5
    edges, place = np.unique(np.concatenate([inner, outer]), return_inverse=True)
    place, rings = place.reshape(-1), Rings.of(ring.reshape(-1))
    return Spread(rings, starts, edges, place[: len(radii)], place[len(radii) :], outer - inner)


def crossing(mixed: Mixed, held: Maps, edges: NDArray[np.float64], share: float) -> Maps:
    """Where the sums ``held`` (n, k) within the ``edges`` of single maps, mixed, reach ``share`` of the last.

    A few of the edges say between which two of them all crossings lie; only those in between are mixed then.
    """
    few = np.append(np.arange(0, len(edges) - 1, max(1, math.isqrt(len(edges)))), len(edges) - 1)
    coarse = mixed(held[:, few])
    wanted = share * coarse[:, -1]
    reached = (coarse >= wanted[:, None]).argmax(1)
    first, stop = few[max(0, reached.min() - 1)], few[max(1, reached.max())] + 1
    fine, edges = mixed(held[:, first:stop]), edges[first:stop]
    last = np.maximum((fine >= wanted[:, None]).argmax(1), 1)
    rows = np.arange(len(fine))
    below, gain = fine[rows, last - 1], fine[rows, last] - fine[rows, last - 1]
    part = np.divide(wanted - below, gain, out=np.zeros_like(gain), where=gain > 0)
    return np.where(wanted > 0, edges[last - 1] + part * (edges[last] - edges[last - 1]), np.nan)


def radius_of(mixed: Mixed, frame: Frame, share: float) -> Maps:
    """The radius about the unit's centre within which ``share`` of the sum lies."""
    spread = frame.geometry("radii", lambda: spread_of(mixed.maps.shape[1:], frame.centre, frame.offset))
    held = frame.once("radii", lambda: spread.held(mixed.maps))
    return crossing(mixed, held, spread.edges, share)


@mixed_measure("radius_50", unit="px")
def radius_50(mixed: Mixed, frame: Frame) -> Maps:
    """The radius about the unit's centre that holds half of the sum."""
    return radius_of(mixed, frame, 0.5)


@mixed_measure("radius_90", unit="px")
def radius_90(mixed: Mixed, frame: Frame) -> Maps:
    """The radius about the unit's centre that holds 90 % of the sum."""
    return radius_of(mixed, frame, 0.9)
