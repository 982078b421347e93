"""Luo's size: how many pixels lie above a share of the centre's, or of the largest value (arXiv:1701.04128)."""

from __future__ import annotations

import numpy as np

from rftools.erf.measures.registry import STEPS, Frame, Maps, measure

LUO = 1 - 0.9545  # a pixel counts above this share of the centre's


def centre_value(maps: Maps, frame: Frame) -> Maps:
    """The maps at the unit's centre, interpolated where the centre lies between pixels."""
    values = maps
    for axis in reversed(range(maps.ndim - 1)):
        place = min(max(frame.centre[axis] - frame.offset[axis], 0.0), maps.shape[axis + 1] - 1.0)
        low = int(np.floor(place))
        high = min(low + 1, maps.shape[axis + 1] - 1)
        share = place - low
        values = (1 - share) * np.take(values, low, axis + 1) + share * np.take(values, high, axis + 1)
    return values


def _side(maps: Maps, threshold: Maps) -> Maps:
    rank = maps.ndim - 1
    above = maps > threshold.reshape(-1, *[1] * rank)
    count = above.reshape(len(maps), -1).sum(1)
    return np.where(threshold > 0, count ** (1 / rank), np.nan)


@measure("luo_centre", unit="px", no_interval=STEPS)
def luo_centre(maps: Maps, frame: Frame) -> Maps:
    """The side of a square as large as the area above 4.55 % of the centre's value (Luo et al., arXiv:1701.04128)."""
    return _side(maps, LUO * centre_value(maps, frame))


@measure("luo_max", unit="px", no_interval=STEPS)
def luo_max(maps: Maps, frame: Frame) -> Maps:
    """As `luo_centre`, against the maximum: steadier where the centre pixel is not typical."""
    return _side(maps, LUO * maps.reshape(len(maps), -1).max(1))
