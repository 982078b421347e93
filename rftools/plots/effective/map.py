"""One layer's effective map with its theoretical window, and its contours over the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.plots.effective.overlays import HELD, beneath, contours, outlines, shares_held
from rftools.plots.effective.reading import (
    clipped_size,
    column_axis,
    flat,
    frame_of,
    of_unit,
    picked,
    row_axis,
    value_of,
)
from rftools.plots.effective.sequence import sequence
from rftools.plots.effective.sheet import sheet
from rftools.plots.effective.slices import slices
from rftools.plots.kinds import kind
from rftools.plots.scene import Heatmap, Image, Mark, Panel, Scene, short

if TYPE_CHECKING:
    from rftools.erf.result import EffectiveLayer, EffectiveResult


@kind("rftools.erf", "map", place=1)
def heat(result: EffectiveResult, layer: str | None = None, image: str = "first") -> Scene:
    """One layer's map, by value and by the share of the sum that lies further in, with the theoretical window and the
    one-sigma ellipse; and, where it is known what was looked at, its contours over the ``first`` image or the ``mean``.

    Without ``layer``, several layers are drawn as a sheet of small maps. A map over one axis is drawn as a curve, one
    over three axes as three slices.
    """
    if layer is None and sum(bool(row.map.any()) for row in result.central()) > 1:
        return sheet(result)
    row = picked(result, layer)
    if row.map.ndim == 1:
        return sequence(row, flat(row))
    return slices(row) if row.map.ndim == 3 else _plane(result, row, image)


def _plane(result: EffectiveResult, row: EffectiveLayer, image: str) -> Scene:
    shown = flat(row)
    extent = frame_of(shown)
    marks = outlines(row, extent)
    linear = Heatmap(values=shown, extent=extent, limits=(0.0, 1.0), bar="share of the maximum")
    picture = beneath(result, image, shown.shape)
    panels = [_panel("By value", shown, [linear, *marks]), _panel("By share of the sum", shown, _held(shown, marks))]
    if picture is not None:
        named = "the mean image" if image == "mean" else "the first image"
        over: list[Mark] = [Image(pixels=picture, extent=extent), *contours(shown), *marks]
        panels.append(_panel(f"Contours over {named}", shown, over))
    return Scene(
        panels=tuple(panels),
        columns=len(panels),
        size=(470, 440),
        title=_title(row),
        caption=f"Effective field ({row.aggregation} gradient) of one unit, mean over {row.images} "
        f"image{'s' * (row.images != 1)}: each pixel by its value, and by the share of the sum that pixels of larger "
        "value hold. The rectangle is the theoretical window, the ellipse one standard deviation of the map around its "
        f"own mean, the cross the unit's centre; contours hold {', '.join(map(str, HELD))} % (none where that much is "
        "scattered).",
        alt=f"Heat map of the effective field of layer {short(row.name, 60)}; {_measure_words(row)}.",
    )


def _panel(title: str, shown: NDArray[np.float64], marks: list[Mark]) -> Panel:
    extent = frame_of(shown)
    return Panel(title=title, x=column_axis(extent), y=row_axis(extent), marks=tuple(marks), equal=True)


def _held(shown: NDArray[np.float64], marks: list[Mark]) -> list[Mark]:
    """The map by rank: real nets' values span many decades, so that any scale of values shows one colour."""
    held = np.where(shown > 0, shares_held(shown), np.nan)
    heat = Heatmap(
        values=held,
        extent=frame_of(shown),
        limits=(0.0, 100.0),
        falling=True,
        ticks=(0.0, *HELD),
        bar="% of the sum in stronger pixels",
    )
    return [heat, *contours(shown, rimmed=True), *marks]


def _title(row: EffectiveLayer) -> str:
    """What the map says in a sentence, where its size is known."""
    radius, side = value_of(row, "radius_50"), clipped_size(row)
    if radius is None or side is None:
        return of_unit(row)
    return f"{of_unit(row)}: half of the gradient lies within {2 * radius:.3g} of {side:.3g} px"


def _measure_words(row: EffectiveLayer) -> str:
    radius = value_of(row, "radius_50")
    return "its size is not known" if radius is None else f"{2 * radius:.1f} pixels across hold half of it"
