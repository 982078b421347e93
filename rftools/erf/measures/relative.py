"""Effective over theoretical size."""

from __future__ import annotations

import numpy as np

from rftools.erf.measures.radial import Spread, crossing, spread_of
from rftools.erf.measures.registry import Frame, Maps, Mixed, MixedFunction, mixed_measure


def _extent(mixed: Mixed, frame: Frame, axis: int) -> Maps:
    """The width about the centre that holds 95.45 % of the sum along one axis (four sigma of a Gaussian)."""
    spread, held = frame.once(f"extent along {axis}", lambda: _held(mixed.maps, frame, axis))
    return 2 * crossing(mixed, held, spread.edges, 0.9545)


def _held(maps: Maps, frame: Frame, axis: int) -> tuple[Spread, Maps]:
    """How pixels lie about the centre along one axis, and each map's sums within their edges."""
    marginal = maps.sum(axis=tuple(i + 1 for i in range(maps.ndim - 1) if i != axis))
    own = (frame.centre[axis],), (frame.offset[axis],)
    spread = frame.geometry(f"extent along {axis}", lambda: spread_of(marginal.shape[1:], *own))
    return spread, spread.held(marginal)


def _relative(axis_from_last: int) -> MixedFunction:
    def relative(mixed: Mixed, frame: Frame) -> Maps:
        axis = mixed.rank - 1 - axis_from_last
        size = frame.sizes[axis] or frame.image[axis]
        extent = mixed.once(f"extent along {axis}", lambda: _extent(mixed, frame, axis))
        return np.minimum(extent / size, 1.0)

    relative.__doc__ = (
        f"The width that holds 95.45 % of the sum over the theoretical size, along {'xyz'[axis_from_last]}."
    )
    return relative


mixed_measure("relative_size_x", unit="1")(_relative(0))
mixed_measure("relative_size_y", unit="1", ranks=(2, 3))(_relative(1))
mixed_measure("relative_size_z", unit="1", ranks=(3,))(_relative(2))


@mixed_measure("relative_size", unit="1")
def relative_size(mixed: Mixed, frame: Frame) -> Maps:
    """Effective over theoretical size: the axes' geometric mean (a global field counts as the image)."""
    rank = mixed.rank
    return np.exp(sum(np.log(np.maximum(_relative(i)(mixed, frame), 1e-300)) for i in range(rank)) / rank)
