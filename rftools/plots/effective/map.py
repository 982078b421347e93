"""One layer's effective map with its theoretical window, and its contours over the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.plots.effective.overlays import HELD, beneath, contours, outlines
from rftools.plots.effective.reading import axes_of, column_axis, flat, frame_of, of_unit, picked, row_axis, value_of
from rftools.plots.kinds import kind
from rftools.plots.scene import (
    Axis,
    Heatmap,
    Image,
    Line,
    Mark,
    Panel,
    Rule,
    Scene,
    numbers,
    short,
)

if TYPE_CHECKING:
    from rftools.erf.result import EffectiveLayer, EffectiveResult

FLOOR = 1e-4  # the log scale begins at this share of the maximum


@kind("rftools.erf", "map", place=1)
def heat(result: EffectiveResult, layer: str | None = None, image: str = "first") -> Scene:
    """One layer's map on a linear and a logarithmic scale, with the theoretical window and the one-sigma ellipse; and,
    where it is known what was looked at, its contours over the ``first`` image or the ``mean`` of all.

    ``layer`` defaults to the last one; 1-D maps are drawn as curves, 3-D ones as their sum over the first axis.
    """
    row = picked(result, layer)
    shown = flat(row)
    title = f"{of_unit(row)}, {row.images} image{'s' * (row.images != 1)}"
    if shown.ndim == 1:
        return _profile_1d(row, shown, title)
    extent = frame_of(shown)
    linear = Heatmap(values=shown, extent=extent, limits=(0.0, 1.0), bar="share of the maximum")
    decades = Heatmap(
        values=_decades(shown), extent=extent, limits=(float(np.log10(FLOOR)), 0.0), bar="log10 of the share"
    )
    x, y = column_axis(extent), row_axis(extent)
    marks = outlines(row, extent)
    panels = [
        Panel(title="linear", x=x, y=y, marks=(linear, *marks), equal=True),
        Panel(title=f"logarithmic, from {FLOOR:g} of the maximum", x=x, y=y, marks=(decades, *marks), equal=True),
    ]
    picture = beneath(result, image, shown.shape)
    if picture is not None:
        over = (Image(pixels=picture, extent=extent), *contours(shown), *marks)
        named = "the mean image" if image == "mean" else "the first image"
        panels.append(Panel(title=f"contours over {named}", x=x, y=y, marks=over, equal=True))
    return Scene(
        panels=tuple(panels),
        columns=len(panels),
        size=(470, 440),
        title=title,
        caption=f"Effective field ({row.aggregation} gradient) of one unit, mean over {row.images} images. The "
        "rectangle is the theoretical window, the ellipse one standard deviation of the map around its own mean, "
        "the cross the unit's centre."
        + (f" Contours hold {', '.join(map(str, HELD))} % of the smoothed map's sum." if picture is not None else ""),
        alt=f"Heat map of the effective field of layer {short(row.name, 60)}; {_measure_words(row)}.",
    )


def _decades(values: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        logs = np.log10(values)
    return np.where(values >= FLOOR, logs, np.nan)


def _profile_1d(row: EffectiveLayer, values: NDArray[np.float64], title: str) -> Scene:
    marks: list[Mark] = [Line(x=numbers(range(len(values))), y=numbers(values), label="effective")]
    axis = (axes_of(row) or [{}])[0]
    for edge in axis.get("clipped") or ():
        marks.append(Rule(colour="series-2", value=float(edge), axis="x", label=None))
    return Scene(
        panels=(Panel(title=title, x=Axis("input index", "px"), y=Axis("share of the maximum"), marks=tuple(marks)),),
        caption=f"Effective field ({row.aggregation} gradient) of one unit, mean over {row.images} inputs; dashed "
        "lines bound the theoretical window.",
        alt=f"Curve of the effective field of layer {short(row.name, 60)} over the input.",
    )


def _measure_words(row: EffectiveLayer) -> str:
    radius = value_of(row, "radius_50")
    return "its size is not known" if radius is None else f"{2 * radius:.1f} pixels across hold half of it"
