"""All filters of a layer sorted by preferred orientation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.plots.kinds import kind
from rftools.plots.orientation.kernels import kernel_picture
from rftools.plots.scene import (
    Heatmap,
    Image,
    Line,
    Mark,
    Panel,
    PlotAxis,
    Scene,
    Text,
    short,
)
from rftools.plots.tuning.reading import QUARTERS, READING, meaning, picked

if TYPE_CHECKING:
    from rftools.gratings.result import FilterTuning, LayerTuning, TuningResult

NAMED = 64  # kernels that have their filters' numbers beside them
TILES = 144  # kernels on a sheet


@kind("rftools.tuning", "sheet", place=3)
def sheet(result: TuningResult, layer: str | None = None) -> Scene:
    """All filters of a layer sorted by preferred orientation: their responses by orientation and by frequency, and the
    kernels themselves where the layer reads the image.
    """
    row = picked(result, layer)
    order = _sorted(row)
    panels = [_raster(row, order), _bands(row, order)]
    if row.kernels is not None:
        panels.insert(0, _mosaic(row, order[:TILES]))
    return Scene(
        panels=tuple(panels),
        columns=len(panels),
        size=(420, 460),
        title=f"Filters by preferred orientation, {short(result.model.name, 30)}, {short(row.name, 30)}",
        caption=f"Filters sorted by preferred orientation, those without one last. {READING} Responses "
        f"({meaning(result)}) are shares of each filter's own maximum"
        + (
            "; the tick below each kernel is its preferred orientation, none where it is not above noise."
            if row.kernels is not None
            else "."
        ),
        alt=f"Tuning of {len(order)} filters of {short(row.name, 60)}, sorted by preferred orientation.",
    )


def _sorted(row: LayerTuning) -> list[FilterTuning]:
    """Selective filters by orientation, then the others that answer, then silent ones."""
    return sorted(
        row.filters,
        key=lambda one: (one.response <= 0, not one.selective, one.orientation.value or 0.0),
    )


def _raster(row: LayerTuning, order: list[FilterTuning]) -> Panel:
    values = np.stack([row.curve(one.filter) for one in order])
    step = 180.0 / len(row.orientations)
    return Panel(
        title="by orientation",
        x=PlotAxis("orientation", ticks=QUARTERS[:-1], limits=(-step / 2, 180 - step / 2)),
        y=PlotAxis("filter", limits=(-0.5, len(order) - 0.5), reversed=True, ticks=_names(order)),
        marks=(
            Heatmap(
                values=_shares(values), extent=(-step / 2, 180 - step / 2, -0.5, len(order) - 0.5), limits=(0.0, 1.0)
            ),
            *_border(row, order, (-step / 2, 180 - step / 2)),
        ),
        legend=False,
    )


def _names(order: Sequence[FilterTuning], most: int = 20) -> tuple[tuple[float, str], ...]:
    """Filters by their numbers at the places that sorting gave them, at most so many."""
    step = max(1, -(-len(order) // most))
    return tuple((float(i), str(order[i].filter)) for i in range(0, len(order), step))


def _border(row: LayerTuning, order: list[FilterTuning], ends: tuple[float, float]) -> tuple[Mark, ...]:
    """A line between the selective filters and the others."""
    if not 0 < row.selective < len(order):
        return ()
    return (Line(colour="over-dark", x=ends, y=(row.selective - 0.5,) * 2, dash="dash"),)


def _bands(row: LayerTuning, order: list[FilterTuning]) -> Panel:
    values = np.stack([row.plane(one.filter).max(axis=1) for one in order])
    number = len(row.frequencies)
    return Panel(
        title="by frequency",
        x=PlotAxis(
            "spatial frequency", "cycles/px", limits=(-0.5, number - 0.5),
            ticks=tuple((float(i), f"{row.frequencies[i]:.2g}") for i in range(0, number, max(1, -(-number // 6)))),
        ),
        y=PlotAxis(limits=(-0.5, len(order) - 0.5), reversed=True, ticks=_names(order)),
        marks=(
            Heatmap(
                values=_shares(values), extent=(-0.5, number - 0.5, -0.5, len(order) - 0.5), limits=(0.0, 1.0),
                bar="share of the filter's maximum",
            ),
            *_border(row, order, (-0.5, number - 0.5)),
        ),
        legend=False,
    )  # fmt: skip


def _shares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows as shares of their maximum; silent ones stay blank."""
    top = values.max(axis=1, keepdims=True)
    return np.divide(values, top, out=np.full_like(values, np.nan), where=top > 0)


def _mosaic(row: LayerTuning, order: list[FilterTuning]) -> Panel:
    assert row.kernels is not None
    columns = int(np.ceil(np.sqrt(len(order))))
    rows = -(-len(order) // columns)
    named = len(order) <= NAMED
    pitch = 1.36 if named else 1.0  # a tile's height: below its kernel is room for the filter's number and the tick
    tall = 0.82 if named else 0.78
    below = (tall + pitch) / 2
    marks: list[Mark] = []
    for place, one in enumerate(order):
        line, left = divmod(place, columns)
        top = line * pitch
        picture = kernel_picture(row.kernels[one.filter])
        marks.append(Image(pixels=picture, extent=(left + 0.08, left + 0.92, top, top + tall)))
        if named:
            marks.append(Text(colour="muted", text=str(one.filter), x=left + 0.28, y=top + below))
        if one.selective and one.orientation.value is not None:
            angle, long = np.radians(one.orientation.value), 0.18 if named else 0.09
            x, y = long * np.cos(angle), -long * np.sin(angle)
            middle = (left + (0.72 if named else 0.5), top + below)
            marks.append(Line(colour="series-2", x=(middle[0] - x, middle[0] + x), y=(middle[1] - y, middle[1] + y)))
    high = rows * pitch
    if len(row.filters) > len(order):
        marks.append(Text(colour="text", text=f"{len(order)} of {len(row.filters)}", x=columns / 2, y=high + 0.3))
    return Panel(
        title="kernels",
        x=PlotAxis(visible=False, limits=(0, columns)),
        y=PlotAxis(visible=False, limits=(0, high + (0.5 if len(row.filters) > len(order) else 0.0)), reversed=True),
        marks=tuple(marks),
        equal=True,
        legend=False,
    )
