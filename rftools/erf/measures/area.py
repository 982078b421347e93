"""Ding's area ratios: the smallest centred square that holds a share of the sum (arXiv:2203.06717)."""

from __future__ import annotations

import numpy as np

from rftools.erf.measures.registry import STEPS, Frame, Maps, measure
from rftools.erf.measures.rings import Rings

SHARES = (20, 30, 50, 99)  # per cent


def _squares(maps: Maps, frame: Frame) -> tuple[Rings, Maps]:
    """The squares about the unit's centre that end with a pixel, and their sides: odd where the centre is a pixel, even
    where it lies between two. A square holds the pixels that lie in it whole.
    """
    grids = [np.abs(frame.positions(maps, axis) - frame.centre[axis]) for axis in range(maps.ndim - 1)]
    apart = np.maximum.reduce(np.meshgrid(*grids, indexing="ij")).reshape(-1).round(6)
    distances, ring = np.unique(apart, return_inverse=True)
    return Rings.of(ring.reshape(-1).astype(np.int64)), 2 * distances + 1


def _side(maps: Maps, frame: Frame, share: float, scaled: bool = False) -> Maps:
    """The side of the smallest square about the unit's centre that holds more than ``share`` of the sum, of the maps or
    of ``log10(x + 1)``.
    """
    rings, sides = frame.geometry("squares", lambda: _squares(maps, frame))
    name = "squares, logarithmic" if scaled else "squares"
    held = frame.once(name, lambda: rings.cumulated(np.log10(maps + 1) if scaled else maps))
    first = (held > share * held[:, -1:]).argmax(1)
    return np.where(held[:, -1] > 0, sides[first], np.nan)


def _ratio(maps: Maps, frame: Frame, share: float, scaled: bool = False) -> Maps:
    return np.minimum(_side(maps, frame, share, scaled) ** (maps.ndim - 1) / np.prod(frame.image), 1.0)


def _area_measures(share: int) -> None:
    @measure(f"area_ratio_{share}", unit="share of the image", no_interval=STEPS)
    def linear(maps: Maps, frame: Frame) -> Maps:
        return _ratio(maps, frame, share / 100)

    @measure(f"area_side_{share}", unit="px", no_interval=STEPS)
    def side(maps: Maps, frame: Frame) -> Maps:
        return _side(maps, frame, share / 100)

    @measure(f"area_ratio_log_{share}", unit="share of the image", no_interval=STEPS)
    def logarithmic(maps: Maps, frame: Frame) -> Maps:
        return _ratio(maps, frame, share / 100, scaled=True)

    linear.__doc__ = f"The smallest centred square with more than {share} % of the sum, as a share of the image."
    side.__doc__ = f"The side of the smallest centred square with more than {share} % of the sum."
    logarithmic.__doc__ = (
        f"Ding et al.'s form (arXiv:2203.06717): as area_ratio_{share} on log10(x + 1); depends on the map's scale."
    )


for _share in SHARES:
    _area_measures(_share)
