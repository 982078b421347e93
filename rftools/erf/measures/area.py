"""Ding's area ratios: the smallest centred square that holds a share of the sum (arXiv:2203.06717)."""

from __future__ import annotations

import numpy as np

from rftools.erf.measures.registry import Frame, Maps, measure
from rftools.erf.measures.rings import Rings

SHARES = (20, 30, 50, 99)  # per cent


def _squares(maps: Maps, frame: Frame) -> Rings:
    """The concentric squares about the centre pixel."""
    grids = [np.abs(np.floor(frame.positions(maps, a) - np.floor(frame.centre[a] + 0.5))) for a in range(maps.ndim - 1)]
    return Rings.of(np.maximum.reduce(np.meshgrid(*grids, indexing="ij")).astype(np.int64).reshape(-1))


def _held(maps: Maps, frame: Frame, scaled: bool) -> Maps:
    """The sum within each square, of the maps or of ``log10(x + 1)``."""
    squares = frame.geometry("squares", lambda: _squares(maps, frame))
    name = "squares, logarithmic" if scaled else "squares"
    return frame.once(name, lambda: squares.cumulated(np.log10(maps + 1) if scaled else maps))


def _side(maps: Maps, frame: Frame, share: float, scaled: bool = False) -> Maps:
    """The side of the smallest square about the centre pixel that holds more than ``share`` of the sum."""
    held = _held(maps, frame, scaled)
    first = (held > share * held[:, -1:]).argmax(1)
    return np.where(held[:, -1] > 0, 2.0 * first + 1, np.nan)


def _ratio(maps: Maps, frame: Frame, share: float, scaled: bool = False) -> Maps:
    return np.minimum(_side(maps, frame, share, scaled) ** (maps.ndim - 1) / np.prod(frame.image), 1.0)


def _area_measures(share: int) -> None:
    @measure(f"area_ratio_{share}", unit="share of the image", steps=True)
    def linear(maps: Maps, frame: Frame) -> Maps:
        return _ratio(maps, frame, share / 100)

    @measure(f"area_side_{share}", unit="px", steps=True)
    def side(maps: Maps, frame: Frame) -> Maps:
        return _side(maps, frame, share / 100)

    @measure(f"area_ratio_log_{share}", unit="share of the image", steps=True)
    def logarithmic(maps: Maps, frame: Frame) -> Maps:
        return _ratio(maps, frame, share / 100, scaled=True)

    linear.__doc__ = f"The smallest centred square with more than {share} % of the sum, as a share of the image."
    side.__doc__ = f"The side of the smallest centred square with more than {share} % of the sum."
    logarithmic.__doc__ = (
        f"Ding et al.'s form (arXiv:2203.06717): as area_ratio_{share} on log10(x + 1); depends on the map's scale."
    )


for _share in SHARES:
    _area_measures(_share)
