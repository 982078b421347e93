"""The effective field over a sequence: a curve by sample, about the unit's own place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.plots.effective.places import own_place, reach
from rftools.plots.effective.reading import axes_of, of_unit
from rftools.plots.places import is_causal
from rftools.plots.scene import Band, Line, Mark, Panel, PlotAxis, Points, ReferenceLine, Scene, numbers, short

if TYPE_CHECKING:
    from rftools.erf.result import EffectiveLayer

SHARES = (0.5, 0.9, 0.99)


def sequence(row: EffectiveLayer, values: NDArray[np.float64]) -> Scene:
    """A map over one axis as shares of its maximum, the window, the unit's own place, and where 90 % of it lies."""
    axis = (axes_of(row) or [{}])[0]
    place = own_place(row)
    before = "before" if is_causal(axis.get("start"), axis.get("size")) else "around"
    marks: list[Mark] = [Line(label="effective", x=numbers(range(len(values))), y=numbers(values))]
    words, title = "", of_unit(row)
    if place is not None:
        found = [reach(values, place, share) for share in SHARES]
        marks = [*_most(len(values), place, found[1], before), *marks]
        marks.append(Points(colour="series-2", label="the unit's own place", x=(place,), y=(0.0,), symbol="cross"))
        title = f"{of_unit(row)}: half of the gradient lies within {found[0]:g} samples {before} it"
        words = " Lags that hold " + ", ".join(
            f"{100 * share:g} %: {lag:g}" for share, lag in zip(SHARES, found, strict=True)
        )
        words += " samples."
    edges = [float(edge) for edge in axis.get("clipped") or ()]
    marks += [
        ReferenceLine(colour="series-2", value=edge, axis="x", label="theoretical window" if not i else None)
        for i, edge in enumerate(edges)
    ]
    return Scene(
        panels=(_panel(marks),),
        title=title,
        caption=f"Effective field ({row.aggregation} gradient) of one unit, mean over {row.images} inputs; dashed "
        f"lines bound the theoretical window.{words}",
        alt=f"Curve of the effective field of layer {short(row.name, 60)} over the input.",
    )


def _panel(marks: list[Mark]) -> Panel:
    y = PlotAxis("share of the maximum", limits=(-0.03, 1.05))
    return Panel(x=PlotAxis("input sample"), y=y, marks=tuple(marks))


def _most(side: int, place: float, distance: float, before: str) -> list[Mark]:
    """Where 90 % of the sum lies, as a band behind the curve."""
    low, high = max(0.0, place - distance), min(side - 1.0, place if before == "before" else place + distance)
    return [Band(colour="series-3", label="holds 90 %", x=(low, high), low=(0.0, 0.0), high=(1.0, 1.0))]
