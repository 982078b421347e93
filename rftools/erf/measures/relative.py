"""Effective over theoretical size."""

from __future__ import annotations

import numpy as np

from rftools.erf.measures.radial import radius_of
from rftools.erf.measures.registry import Frame, Maps, MeasureFunction, measure


def _extent(maps: Maps, frame: Frame, axis: int) -> Maps:
    """The width about the centre that holds 95.45 % of the sum along one axis (four sigma of a Gaussian)."""
    rank = maps.ndim - 1
    marginal = maps.sum(axis=tuple(i + 1 for i in range(rank) if i != axis))
    one = Frame((frame.centre[axis],), (None,), (frame.image[axis],), (frame.offset[axis],))
    return 2 * radius_of(marginal, one, 0.9545)


def _relative(axis_from_last: int) -> MeasureFunction:
    def relative(maps: Maps, frame: Frame) -> Maps:
        axis = maps.ndim - 2 - axis_from_last
        size = frame.sizes[axis] or frame.image[axis]
        extent = frame.once(f"extent along {axis}", lambda: _extent(maps, frame, axis))
        return np.minimum(extent / size, 1.0)

    relative.__doc__ = (
        f"The width that holds 95.45 % of the sum over the theoretical size, along {'xyz'[axis_from_last]}."
    )
    return relative


measure("relative_size_x", unit="1")(_relative(0))
measure("relative_size_y", unit="1", ranks=(2, 3))(_relative(1))
measure("relative_size_z", unit="1", ranks=(3,))(_relative(2))


@measure("relative_size", unit="1")
def relative_size(maps: Maps, frame: Frame) -> Maps:
    """Effective over theoretical size: the axes' geometric mean (a global field counts as the image)."""
    rank = maps.ndim - 1
    return np.exp(sum(np.log(np.maximum(_relative(i)(maps, frame), 1e-300)) for i in range(rank)) / rank)
