"""The effective field over a volume or frames: three orthogonal slices through the unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rftools.plots.effective.places import own_place
from rftools.plots.effective.reading import axes_of, of_unit
from rftools.plots.scene import Heatmap, Mark, Panel, PlotAxis, Points, Rect, Scene, short

if TYPE_CHECKING:
    from rftools.erf.result import EffectiveLayer

AXES = ("depth", "row", "column")
PLANES = ((0, 1, 2), (1, 0, 2), (2, 0, 1))  # what is held, what runs down, what runs across


def slices(row: EffectiveLayer) -> Scene:
    """A map over three axes, cut at the unit's own place along each, on one square-root scale."""
    values = np.abs(np.asarray(row.map, dtype=np.float64))
    top = float(values.max()) or 1.0
    places = [_place(row, axis, side) for axis, side in enumerate(values.shape)]
    panels = [_slice(row, values / top, places, *plane) for plane in PLANES]
    return Scene(
        panels=tuple(panels),
        columns=3,
        size=(390, 390),
        title=of_unit(row),
        caption=f"Effective field ({row.aggregation} gradient) of one unit, mean over {row.images} inputs, in three "
        "slices through the unit, as the root of the share of the largest value of all. Depth, which is time where a "
        "net sees frames, runs downwards where it is shown; rectangles are theoretical windows, crosses the unit's own "
        "place.",
        alt=f"Three orthogonal slices of the effective field of layer {short(row.name, 60)}.",
    )


def _place(row: EffectiveLayer, axis: int, side: int) -> float:
    own = own_place(row, axis)
    return min(max((side - 1) / 2 if own is None else own, 0.0), side - 1.0)


def _slice(row: EffectiveLayer, values: np.ndarray, places: list[float], held: int, down: int, across: int) -> Panel:
    shown = np.take(values, round(places[held]), axis=held)
    extent = (-0.5, shown.shape[1] - 0.5, -0.5, shown.shape[0] - 0.5)
    bar = "root of the share of the largest" if held == 2 else None
    marks: list[Mark] = [Heatmap(values=np.sqrt(shown), extent=extent, limits=(0.0, 1.0), bar=bar)]
    hulls = [hull for axis in axes_of(row) if (hull := axis.get("clipped")) is not None]
    if len(hulls) == 3:
        (top, bottom), (left, right) = hulls[down], hulls[across]
        window = (left - 0.5, right + 0.5, top - 0.5, bottom + 0.5)
        marks.append(Rect(colour="overlay", label="theoretical window", extent=window))
    marks.append(Points(colour="overlay", x=(places[across],), y=(places[down],), symbol="cross"))
    return Panel(
        title=f"{AXES[held]} {places[held]:g}",
        x=PlotAxis(AXES[across], limits=extent[:2]),
        y=PlotAxis(AXES[down], limits=extent[2:], reversed=True),
        marks=tuple(marks),
        equal=True,
    )
