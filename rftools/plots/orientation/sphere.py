"""Orientation over three axes: layers over volumes or frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rftools.plots.orientation.reading import steps, through_depth
from rftools.plots.scene import Line, Scene, numbers

if TYPE_CHECKING:
    from rftools.weights.results import OrientationResult


def spherical(result: OrientationResult) -> Scene:
    """The same for layers over volumes or frames, whose directions are axes on the sphere: fractional anisotropy, and
    the order parameter of the axes beside the lattice's null.
    """
    rows = [row for row in result if row.axes is not None]
    x = steps(rows)
    one = "channel" if result.of == "effective" else "kernel"
    mean = numbers(row.axes.anisotropy for row in rows if row.axes)
    pooled = numbers(row.pooled.anisotropy if row.pooled else None for row in rows)
    shapes = [
        Line(colour="series-3", label=f"mean {one}", x=x, y=mean, markers=True),
        Line(colour="series-1", label=f"all {one}s pooled", x=x, y=pooled, markers=True),
    ]
    order = numbers(row.axes.order for row in rows if row.axes)
    return through_depth(
        result,
        rows,
        ("Fractional anisotropy", "0 a ball, 1 a line", shapes),
        ("Order of the axes", "0 all round, 1 one direction", [Line("series-2", "order", x, order, markers=True)]),
        caption=f"Each {one} has a longest axis; the order (3 l1 - 1)/2, l1 the largest eigenvalue of the mean u u^T, "
        "says how far a layer's axes agree. Pooled: all inertias summed.",
        sphere=True,
    )
