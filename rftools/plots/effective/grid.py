"""Effective fields of a grid of units of one layer: how they change from the middle of the map to its border."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.plots.effective.blocks import SMALL, covered, smaller
from rftools.plots.effective.overlays import outlines
from rftools.plots.effective.reading import frame_of, raw
from rftools.plots.kinds import kind
from rftools.plots.scene import Heatmap, Line, Mark, Panel, PlotAxis, Points, Rect, ReferenceLine, Scene, numbers, short

if TYPE_CHECKING:
    from rftools.erf.result import EffectiveLayer, EffectiveResult

SHOWN = (("luo_centre", "Luo"), ("radius_50", "r50"))  # measures in each panel's title
MOST = 81  # panels on a sheet
MAPS = (
    "the root of the share of the largest value of all; rectangles are theoretical windows inside the image, crosses "
    "the units' own places"
)
CURVES = (
    "shares of the largest value of all; dashed lines bound the theoretical windows inside the image, dots are the "
    "units' own places"
)


@kind("rftools.erf", "grid", place=5)
def grid(result: EffectiveResult, layer: str | None = None) -> Scene:
    """The maps of a layer's grid of units at their places, on one scale, each with `luo_centre` and `radius_50` (px).

    ``layer`` defaults to the last one that has a grid; of several channels the first is drawn.
    """
    rows = _rows(result, layer)
    top = max(float(raw(row).max(initial=0.0)) for row in rows) or 1.0
    columns = len({row.cell[-1] for row in rows if row.cell})
    channel = "" if rows[0].channel is None else f", channel {rows[0].channel}"
    flat, images = raw(rows[0]).ndim == 1, rows[0].images
    return Scene(
        panels=tuple(_panel(row, top) for row in rows),
        columns=columns,
        size=(250, 190 if flat else 250),
        title=f"{short(rows[0].name, 40)}{channel}: effective fields of {len(rows)} units",
        caption=f"Effective field ({rows[0].aggregation} gradient) of units spread evenly over the layer's map, "
        f"mean over {images} images, at their places; {CURVES if flat else MAPS}. Luo is luo_centre, r50 radius_50."
        + (" Of three axes the last two are drawn, summed over the first." if rows[0].map.ndim == 3 else ""),
        alt=f"Sheet of {len(rows)} effective fields of layer {short(rows[0].name, 60)}, from border to border.",
    )


def _rows(result: EffectiveResult, layer: str | None) -> list[EffectiveLayer]:
    placed = [row for row in result if row.cell is not None and (layer is None or row.name == layer)]
    if not placed:
        of = "" if layer is None else f" of layer {layer!r}"
        raise RequestError(f"there is no grid of units{of} to draw; ask for one (--grid 3x3, grid=(3, 3))")
    alive = [row for row in placed if row.map.any()] or placed
    last = alive[-1]
    first = next(row for row in placed if (row.name == last.name and row.map.any()) or row is placed[-1])
    rows = [row for row in placed if row.name == last.name and row.channel == first.channel]
    if len(rows) > MOST:
        raise RequestError(f"a sheet holds {MOST} maps; this grid has {len(rows)}")
    return rows


def _panel(row: EffectiveLayer, top: float) -> Panel:
    values = raw(row) / top
    if values.ndim == 1:
        return _curve(row, values)
    extent = frame_of(values)
    marks = [mark for mark in outlines(row, extent) if isinstance(mark, (Rect, Points))]
    shades = np.sqrt(smaller(values, SMALL))
    return Panel(
        title=_title(row),
        x=PlotAxis(visible=False, limits=extent[:2]),
        y=PlotAxis(visible=False, limits=(-0.5, extent[3]), reversed=True),
        marks=(Heatmap(values=shades, extent=covered(values.shape, SMALL), limits=(0.0, 1.0)), *marks),
        equal=True,
        legend=False,
    )


def _curve(row: EffectiveLayer, values: NDArray[np.float64]) -> Panel:
    marks: list[Mark] = [Line(x=numbers(range(len(values))), y=numbers(values))]
    axis = row.theoretical["axes"][0]
    marks += [ReferenceLine(colour="series-2", value=float(edge), axis="x") for edge in axis["clipped"] or ()]
    if axis.get("unit_centre") is not None:
        marks.append(Points(colour="series-2", x=(float(axis["unit_centre"]),), y=(0.0,)))
    y = PlotAxis("" if row.cell and row.cell[-1] else "share of the largest", limits=(-0.03, 1.05))
    return Panel(title=_title(row), x=PlotAxis("input index", "px"), y=y, marks=tuple(marks), legend=False)


def _title(row: EffectiveLayer) -> str:
    found = [(name, row.measures.get(measure)) for measure, name in SHOWN]
    sizes = [f"{name} {m.value:.3g}" for name, m in found if m is not None and m.value is not None]
    return f"{row.unit_name}" + (f": {', '.join(sizes)} px" if sizes else "" if row.map.any() else ": nothing")
