"""Two nets' theoretical fields in one drawing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rftools.plots.scene import (
    Dash,
    Line,
    Mark,
    Panel,
    PlotAxis,
    ReferenceLine,
    Scene,
    layer_axis,
    numbers,
    short,
)

if TYPE_CHECKING:
    from rftools.trf.layer_field import LayerField
    from rftools.trf.result import TheoreticalResult


def beside(first: TheoreticalResult, second: TheoreticalResult) -> Scene:
    """Two nets in one drawing: layer by layer where their layers have the same names, by share of depth elsewhere."""
    names = [row.name for row in first]
    aligned = names == [row.name for row in second]
    results = (first, second)
    labels = [short(result.model.name) for result in results]
    marks: list[Mark] = []
    for colour, label, result in zip(("series-1", "series-3"), labels, results, strict=True):
        sizes = [_widest(row) for row in result]
        steps = range(len(sizes)) if aligned else [i / max(1, len(sizes) - 1) for i in range(len(sizes))]
        hover = tuple(
            f"{label}, {row.name or '(model)'}: {'-' if size is None else f'{size:g} px'}"
            for row, size in zip(result, sizes, strict=True)
        )
        dash: Dash = "solid" if colour == "series-1" else "dash"
        marks.append(
            Line(colour=colour, label=label, x=numbers(steps), y=numbers(sizes), markers=True, hover=hover, dash=dash)
        )
    sides = {max(result.input_size[1:]) for result in results if result.input_size}
    marks += [ReferenceLine(colour="series-2", label=f"image size ({side} px)", value=side) for side in sorted(sides)]
    known = [y for mark in marks if isinstance(mark, Line) for y in mark.y if not math.isnan(y)]
    x = layer_axis(names) if aligned else PlotAxis("share of depth")
    log = bool(known) and max(known) > 60 * max(1, min(known))
    return Scene(
        panels=(
            Panel(
                title="Theoretical fields side by side",
                x=x,
                y=PlotAxis("field size", "px", zero=True, log=log),
                marks=tuple(marks),
            ),
        ),
        caption="Side of the theoretical receptive field, the larger of its axes, in input pixels"
        + (", layer by layer." if aligned else "; layers by their place between the first (0) and the last (1)."),
        alt=f"Line chart of the fields of {labels[0]} and {labels[1]} through depth.",
    )


def _widest(row: LayerField) -> int | None:
    sizes = [axis.size for axis in row.axes]
    return None if not sizes or None in sizes else max(size for size in sizes if size is not None)
