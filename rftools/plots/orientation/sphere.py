"""Orientation over three axes: layers over volumes or frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rftools.plots.orientation.reading import chance_line, subject
from rftools.plots.scene import Line, Panel, PlotAxis, Scene, layer_axis, numbers, short

if TYPE_CHECKING:
    from rftools.weights.results import OrientationResult


def spherical(result: OrientationResult) -> Scene:
    """The same for layers over volumes or frames, whose directions are axes on the sphere: fractional anisotropy, and
    the order parameter of the axes beside the lattice's null.
    """
    rows = [(row, row.axes, row.pooled) for row in result if row.axes is not None]
    x = numbers(range(len(rows)))
    axis = layer_axis([row.name for row, _, _ in rows])
    one = "channel" if result.of == "effective" else "kernel"
    mean, pooled = (numbers(own.anisotropy if own else None for own in column) for column in list(zip(*rows))[1:])
    shapes = [
        Line(colour="series-3", label=f"mean {one}", x=x, y=mean, markers=True),
        Line(colour="series-1", label=f"all {one}s pooled", x=x, y=pooled, markers=True),
    ]
    order = numbers(own.order for _, own, _ in rows if own)
    orders = [Line(colour="series-2", label="order", x=x, y=order, markers=True)]
    orders += chance_line([row for row, _, _ in rows], x)
    return Scene(
        panels=(
            Panel("Fractional anisotropy", axis, PlotAxis("0 a ball, 1 a line", limits=(0, 1.03)), tuple(shapes)),
            Panel("Order of the axes", axis, PlotAxis("0 all round, 1 one direction", zero=True), tuple(orders)),
        ),
        columns=2,
        size=(470, 380),
        title=f"{subject(result)} on the sphere, {short(result.model.name, 40)}",
        caption=f"Each {one} has a longest axis; the order (3 l1 - 1)/2, l1 the largest eigenvalue of the mean u u^T, "
        "says how far a layer's axes agree. Pooled: all inertias summed.",
        alt=f"Fractional anisotropy and order of {len(rows)} layers over three axes.",
    )
