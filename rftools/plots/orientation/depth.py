"""Anisotropy and resultant layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rftools.errors import RequestError
from rftools.plots.kinds import kind
from rftools.plots.orientation.reading import mean_anisotropy, pooled_anisotropy, resultant, steps, through_depth
from rftools.plots.orientation.sphere import spherical
from rftools.plots.scene import Scene, banded

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
    x = steps(rows)
    single = banded(x, "series-3", "mean kernel", map(mean_anisotropy, rows))
    pooled = banded(x, "series-1", "all kernels pooled", map(pooled_anisotropy, rows))
    lengths = banded(x, "series-2", "resultant R", map(resultant, rows))
    kind = "channels' effective fields" if result.of == "effective" else "kernels"
    return through_depth(
        result,
        rows,
        ("Anisotropy", "0 isotropic, 1 a line", [*single, *pooled]),
        ("Resultant", "0 all directions, 1 one direction", lengths),
        caption=f"Of {kind}, layer by layer, with 95 % intervals. Pooled: all inertias summed, 0 where the layer as a "
        "whole looks in every direction though each kernel may be a line.",
    )
