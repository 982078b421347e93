"""Radii about the unit's centre that hold a share of the sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rftools.erf.measures.registry import Frame, Maps, measure
from rftools.erf.measures.rings import Rings


@dataclass(frozen=True)
class Spread:
    """How pixels' values are spread over radii: each within half a pixel of its own radius.

    Taken at one radius, the sum would rise in steps, and a small change of the map would move a radius by a step or not
    at all. ``edges`` are the radii where the density of the sum changes; a ring adds its density at the edge ``inner``
    and takes it away at ``outer``.
    """

    rings: Rings
    edges: NDArray[np.float64]
    inner: NDArray[np.int64]
    outer: NDArray[np.int64]
    widths: NDArray[np.float64]

    def held(self, maps: Maps) -> Maps:
        """The sum within each of the edges, of each map."""
        density = self.rings.sums(maps) / self.widths
        slopes = np.zeros((len(maps), len(self.edges)))
        first = self.inner == 0
        slopes[:, self.inner[~first]] = density[:, ~first]
        slopes[:, 0] += density[:, first].sum(1)  # several rings may begin at radius zero
        slopes[:, self.outer] -= density
        steps = slopes.cumsum(1)[:, :-1] * np.diff(self.edges)
        return np.concatenate([np.zeros((len(maps), 1)), steps.cumsum(1)], axis=1)


def _spread(maps: Maps, frame: Frame) -> Spread:
    grids = [frame.positions(maps, a) - frame.centre[a] for a in range(maps.ndim - 1)]
    distance = np.sqrt(sum(g**2 for g in np.meshgrid(*grids, indexing="ij"))).reshape(-1)
    radii, ring = np.unique(np.round(distance, 6), return_inverse=True)
    inner, outer = np.maximum(radii - 0.5, 0), radii + 0.5
    edges, place = np.unique(np.concatenate([inner, outer]), return_inverse=True)
    place = place.reshape(-1)
    return Spread(Rings.of(ring.reshape(-1)), edges, place[: len(radii)], place[len(radii) :], outer - inner)


def radius_of(maps: Maps, frame: Frame, share: float) -> Maps:
    """The radius about the unit's centre within which ``share`` of the sum lies."""
    spread = frame.geometry("radii", lambda: _spread(maps, frame))
    held = frame.once("radii", lambda: spread.held(maps))
    edges = spread.edges
    wanted = share * maps.reshape(len(maps), -1).sum(1)
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
