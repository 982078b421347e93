"""Where a unit itself is along an axis of the input, and how far from it a map's sum lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.plots.effective.reading import axes_of
from rftools.plots.places import is_causal

if TYPE_CHECKING:
    from rftools.erf.result import EffectiveLayer


def own_place(row: EffectiveLayer, axis: int = -1) -> float | None:
    """The unit's own place along an axis, in input indices: where a causal window ends, else the window's middle."""
    known = axes_of(row)
    if not known:
        return None
    of = known[axis]
    if is_causal(of.get("start"), of.get("size")) and of.get("stride") and len(row.unit) == len(known):
        return float(row.unit[axis] * of["stride"])
    middle = of.get("unit_centre")
    if middle is not None or row.token is not None or of.get("window") is None:
        return None if middle is None else float(middle)
    low, high = of["window"]
    return (low + high) / 2


def reach(values: NDArray[np.float64], place: float, share: float) -> float:
    """The smallest distance from ``place`` within which a curve holds ``share`` of its sum.

    >>> reach(np.array([1.0, 1.0, 2.0, 0.0]), 2.0, 0.5), reach(np.array([1.0, 1.0, 2.0, 0.0]), 2.0, 0.9)
    (0.0, 2.0)
    """
    distance = np.abs(np.arange(len(values)) - place)
    order = np.argsort(distance, kind="stable")
    sums = np.cumsum(values[order])
    return float(distance[order[min(int(np.searchsorted(sums, share * sums[-1] - 1e-12)), len(order) - 1)]])
