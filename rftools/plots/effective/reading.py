"""What drawings read from an effective field: its map as shares, its window, its unit's place, its sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.plots.scene import Extent, PlotAxis, short
from rftools.trf.layer_field import side_of

if TYPE_CHECKING:
    from rftools.erf.comparison import ComparedLayer, EffectiveComparison
    from rftools.erf.result import EffectiveLayer, EffectiveResult


def of_unit(row: EffectiveLayer) -> str:
    """Which layer's which unit, in words."""
    places = [f"{row.token} token"] if row.token else [f"unit {row.unit_name}"] if row.unit else []
    channels = [] if row.channel is None else [f"channel {row.channel}"]
    return ": ".join([short(row.name, 40), *filter(None, [", ".join([*places, *channels])])])


def raw(row: EffectiveLayer) -> NDArray[np.float64]:
    """The map's magnitudes, of three axes summed over the first."""
    values = np.abs(np.asarray(row.map, dtype=np.float64))
    while values.ndim > 2:
        values = values.sum(axis=0)
    return values


def flat(row: EffectiveLayer) -> NDArray[np.float64]:
    """The map, at most 2-D, as shares of its maximum."""
    values = raw(row)
    top = values.max(initial=0.0)
    return values / top if top > 0 else values


def axes_of(row: EffectiveLayer) -> list[dict[str, Any]]:
    return list((row.theoretical or {}).get("axes", []))


def _theoretical(row: EffectiveLayer, key: str) -> list[Any] | None:
    """What the theoretical engine says of the drawn (the last two) axes, or None where it is silent on one."""
    values = [axis.get(key) for axis in axes_of(row)][-2:]
    return None if not values or any(value is None for value in values) else values


def window_of(row: EffectiveLayer) -> list[tuple[int, int]] | None:
    values = _theoretical(row, "clipped") or _theoretical(row, "window")
    return values if values is not None and len(values) == 2 else None


def centre_of(row: EffectiveLayer) -> list[float] | None:
    own = _theoretical(row, "unit_centre")
    if own is not None or row.token is not None:
        return None if own is None else [float(value) for value in own]
    values = _theoretical(row, "window")
    return None if values is None else [(low + high) / 2 for low, high in values]


def value_of(row: EffectiveLayer, measure: str) -> float | None:
    found = row.measures.get(measure)
    return None if found is None or found.value is None else float(found.value)


def centroid(row: EffectiveLayer) -> tuple[float, float]:
    values = flat(row)
    total = values.sum()
    y, x = np.indices(values.shape)
    return float((x * values).sum() / total), float((y * values).sum() / total)


def spread(values: NDArray[np.float64]) -> float:
    """The root of the mean squared distance from the map's centroid, per axis."""
    total = max(float(values.sum()), 1e-300)
    squares = 0.0
    for places in np.indices(values.shape):
        mean = float((places * values).sum()) / total
        squares += float(((places - mean) ** 2 * values).sum()) / total
    return float(np.sqrt(squares / values.ndim))


def clipped_size(row: EffectiveLayer) -> float | None:
    """The side of the theoretical window inside the image (`side_of`)."""
    sides = [hull[1] - hull[0] + 1 for axis in axes_of(row) if (hull := axis.get("clipped")) is not None]
    return side_of(sides) if sides else None


def measure_axis(result: EffectiveResult, measure: str) -> PlotAxis:
    """A measure's axis, with its unit where it has one."""
    unit = next((row.measures[measure].unit for row in result if measure in row.measures), "1")
    return PlotAxis(measure, None if unit == "1" else unit, zero=unit == "px")


def picked(result: EffectiveResult, layer: str | None) -> EffectiveLayer:
    if layer is not None:
        return result[layer]
    rows = [row for row in result.central() if row.map.any()]
    if not rows:
        raise RequestError("no layer has an effective map; nothing to draw")
    return rows[-1]


def frame_of(values: NDArray[np.float64]) -> Extent:
    """What a map covers in input pixels, each from half a pixel before its index to half a pixel after.

    >>> frame_of(np.zeros((2, 3)))
    (-0.5, 2.5, -0.5, 1.5)
    """
    return (-0.5, values.shape[1] - 0.5, -0.5, values.shape[0] - 0.5)


def column_axis(extent: Extent) -> PlotAxis:
    return PlotAxis("input column", "px", limits=extent[:2])


def row_axis(extent: Extent) -> PlotAxis:
    return PlotAxis("input row", "px", limits=(extent[2], extent[3]), reversed=True)


def shared_layer(result: EffectiveComparison, layer: str | None) -> ComparedLayer:
    if layer is not None:
        return result[layer]
    seen = [row for row in result if all(one.map.any() for one in row.rows)]
    if not seen:
        raise RequestError("no layer has an effective map in every model; nothing to draw")
    return seen[-1]
