"""By how many paths each input pixel reaches a unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.plots.kinds import kind
from rftools.plots.picture import neutral_picture
from rftools.plots.scene import Axis, Heatmap, Image, Mark, Panel, Rect, Scene, short

if TYPE_CHECKING:
    from rftools.trf.result import TheoreticalResult


@kind("rftools.trf", "paths", place=3)
def paths(result: TheoreticalResult, layer: str | None = None, picture: NDArray[np.uint8] | None = None) -> Scene:
    """By how many paths each input pixel reaches the unit, as shades on the input; what no path reaches stays clear.

    ``layer`` defaults to the last one whose paths were counted.
    """
    counted = [row for row in result if row.paths is not None]
    row = result[layer] if layer is not None else counted[-1] if counted else None
    if row is None or row.paths is None:
        raise RequestError("no paths were counted; ask for them by layer: theoretical(..., paths=[layer])")
    counts = row.paths
    while counts.ndim > 2:
        counts = counts.sum(0)
    flat = counts.ndim == 1
    counts = np.repeat(counts[None], max(1, counts.shape[-1] // 8), axis=0) if flat else counts
    height, width = counts.shape
    frame = (-0.5, width - 0.5, -0.5, height - 0.5)
    shades = np.where(counts > 0, counts / max(float(counts.max()), 1e-300), np.nan)
    logs = np.log10(np.where(counts > 0, shades, 1.0))
    depth = float(np.floor(logs.min())) if logs.min() < -1 else -1.0
    values = np.where(counts > 0, np.maximum(logs, depth), np.nan)
    marks: list[Mark] = [
        Image(pixels=neutral_picture(height, width) if picture is None else picture, extent=frame),
        Heatmap(values=values, extent=frame, limits=(depth, 0.0), bar="paths (log10 of the most)"),
        Rect(colour="series-6", label="image", extent=frame, dash="dash"),
    ]
    across = row.axes[-1]
    down = None if flat else row.axes[-2]
    if across.window is not None and (down is None or down.window is not None):
        top, bottom = (0, height - 1) if down is None or down.window is None else down.window
        extent = (across.window[0] - 0.5, across.window[1] + 0.5, top - 0.5, bottom + 0.5)
        marks.append(Rect(colour="overlay", label="theoretical window", extent=extent))
    place = row.unit_name
    reached = int((counts > 0).sum() if not flat else (counts[0] > 0).sum())
    return Scene(
        panels=(
            Panel(
                title=f"{short(row.name)}: paths to unit ({place})",
                x=Axis("input index" if flat else "input column", "px"),
                y=Axis("input row", "px", reversed=True, visible=not flat),
                marks=tuple(marks),
                equal=True,
            ),
        ),
        size=(600, max(200, min(560, round(430 * height / width) + 90))),
        caption="How many paths lead from each input pixel to the unit, relative to the pixel with most of them: the "
        f"field of a linear net with even weights. {reached:,} pixels are reached; pixels without shade inside the "
        "window are holes." + (" Three axes: summed over the first." if row.paths.ndim == 3 else ""),
        alt=f"Input picture shaded by the number of paths to unit ({place}) of {row.name or 'the model'}.",
    )
