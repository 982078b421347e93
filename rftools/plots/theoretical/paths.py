"""By how many paths each input pixel reaches a unit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.plots.kinds import kind
from rftools.plots.scene import Heatmap, Mark, Scene, short
from rftools.plots.theoretical.canvas import Canvas
from rftools.trf.layer_field import LayerField
from rftools.trf.result import TheoreticalResult


@kind("rftools.trf", "paths", place=3)
def paths(result: TheoreticalResult, layer: str | None = None, picture: NDArray[np.uint8] | None = None) -> Scene:
    """By how many paths each input pixel reaches the unit, as shades on the input; what no path reaches stays clear.

    ``layer`` defaults to the last one whose paths were counted.
    """
    row, counts = _counted(result, layer)
    canvas = Canvas.of(counts.shape[-2:])
    plane = np.repeat(counts[None], canvas.height, axis=0) if canvas.flat else counts
    values, depth = _decades(plane)
    shades = Heatmap(values=values, extent=canvas.frame, limits=(depth, 0.0), bar="paths (log10 of the most)")
    marks: list[Mark] = [canvas.picture(picture), shades, canvas.border(), *canvas.window(row.axes)]
    place = row.unit_name
    return Scene(
        panels=(canvas.panel(f"{short(row.name)}: paths to unit ({place})", marks),),
        size=canvas.size(600),
        caption="How many paths lead from each input pixel to the unit, relative to the pixel with most of them: the "
        f"field of a linear net with even weights. {int((counts > 0).sum()):,} pixels are reached; pixels without "
        "shade inside the window are holes." + (" Three axes: summed over the first." if _ndim(row) == 3 else ""),
        alt=f"Input picture shaded by the number of paths to unit ({place}) of {row.name or 'the model'}.",
    )


def _ndim(row: LayerField) -> int:
    return 0 if row.paths is None else int(row.paths.ndim)


def _counted(result: TheoreticalResult, layer: str | None) -> tuple[LayerField, NDArray[np.float64]]:
    """The row, and its counts over at most two axes."""
    counted = [row for row in result if row.paths is not None]
    row = result[layer] if layer is not None else counted[-1] if counted else None
    if row is None or row.paths is None:
        raise RequestError("no paths were counted; ask for them by layer: theoretical(..., paths=[layer])")
    counts = row.paths
    while counts.ndim > 2:
        counts = counts.sum(0)
    return row, counts


def _decades(counts: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Decimal logarithms of the shares of the most, NaN where nothing is reached; and where the scale begins."""
    shares = np.where(counts > 0, counts / max(float(counts.max()), 1e-300), 1.0)
    logs = np.log10(shares)
    depth = float(np.floor(logs.min())) if logs.min() < -1 else -1.0
    return np.where(counts > 0, np.maximum(logs, depth), np.nan), depth
