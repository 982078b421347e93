"""Anisotropy and resultant layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rftools.errors import RequestError
from rftools.plots.kinds import kind
from rftools.plots.orientation.reading import chance_line, subject
from rftools.plots.orientation.sphere import spherical
from rftools.plots.scene import (
    Band,
    Line,
    Mark,
    Panel,
    PlotAxis,
    Scene,
    layer_axis,
    numbers,
    short,
)

if TYPE_CHECKING:
    from rftools.weights.results import OrientationResult


@kind("rftools.orientation", "depth", place=2)
def depth(result: OrientationResult) -> Scene:
    """Anisotropy and resultant layer by layer: of the mean kernel, of all kernels pooled, and R beside the lattice's
    null, each with its 95 % interval.
    """
    rows = [row for row in result if row.kernels and row.pooled is not None and row.axes is None]
    if not rows and any(row.oriented for row in result if row.axes is not None):
        return spherical(result)
    if not rows:
        raise RequestError("no layer here has kernels in two dimensions; there is no orientation to draw")
    x = numbers(range(len(rows)))
    axis = layer_axis([row.name for row in rows])
    pooled = [row.pooled for row in rows if row.pooled is not None]
    single: list[Mark] = [
        Band(colour="series-3", x=x, low=numbers(r.anisotropy_low for r in rows),
             high=numbers(r.anisotropy_high for r in rows)),
        Line(colour="series-3", label="mean kernel", x=x, y=numbers(r.anisotropy for r in rows), markers=True),
        Band(colour="series-1", x=x, low=numbers(p.low for p in pooled), high=numbers(p.high for p in pooled)),
        Line(colour="series-1", label="all kernels pooled", x=x, y=numbers(p.anisotropy for p in pooled), markers=True),
    ]  # fmt: skip
    lengths: list[Mark] = [
        Band(colour="series-2", x=x, low=numbers(r.resultant_low for r in rows),
             high=numbers(r.resultant_high for r in rows)),
        Line(colour="series-2", label="resultant R", x=x, y=numbers(r.resultant for r in rows), markers=True),
    ]  # fmt: skip
    lengths += chance_line(rows, x)
    kind = "channels' effective fields" if result.of == "effective" else "kernels"
    return Scene(
        panels=(
            Panel("Anisotropy", axis, PlotAxis("0 isotropic, 1 a line", limits=(0, 1.03)), tuple(single)),
            Panel("Resultant", axis, PlotAxis("0 all directions, 1 one direction", zero=True), tuple(lengths)),
        ),
        columns=2,
        size=(470, 380),
        title=f"{subject(result)} through depth, {short(result.model.name, 40)}",
        caption=f"Of {kind}, layer by layer, with 95 % intervals. Pooled: all inertias summed, 0 where the layer as a "
        "whole looks in every direction though each kernel may be a line.",
        alt=f"Anisotropy and resultant of {len(rows)} layers.",
    )
