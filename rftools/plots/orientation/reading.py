"""What drawings of orientation share: their subject in words, figures with their intervals, and the course through
depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rftools.plots.scene import Line, Mark, Panel, PlotAxis, Scene, layer_axis, numbers, short

if TYPE_CHECKING:
    from rftools.weights.results import LayerOrientation, OrientationResult

Figure = tuple[float | None, float | None, float | None]  # value, low, high


def subject(result: OrientationResult) -> str:
    return "Orientation of effective fields" if result.of == "effective" else "Kernel orientation"


def pooled_anisotropy(row: LayerOrientation) -> Figure:
    return (None, None, None) if row.pooled is None else (row.pooled.anisotropy, row.pooled.low, row.pooled.high)


def mean_anisotropy(row: LayerOrientation) -> Figure:
    return row.anisotropy, row.anisotropy_low, row.anisotropy_high


def resultant(row: LayerOrientation) -> Figure:
    return row.resultant, row.resultant_low, row.resultant_high


def through_depth(
    result: OrientationResult,
    rows: Sequence[LayerOrientation],
    shapes: tuple[str, str, Sequence[Mark]],
    agreement: tuple[str, str, Sequence[Mark]],
    *,
    caption: str,
    sphere: bool = False,
) -> Scene:
    """Layer by layer how far single kernels are lines, and how far they agree beside what random taps on the same
    lattices reach; each panel is its title, what 0 and 1 mean, and its marks.
    """
    x, axis = steps(rows), layer_axis([row.name for row in rows])
    (shape, ends, marks), (agree, sides, others) = shapes, agreement
    return Scene(
        panels=(
            Panel(shape, axis, PlotAxis(ends, limits=(0, 1.03)), tuple(marks)),
            Panel(agree, axis, PlotAxis(sides, zero=True), (*others, *_chance(rows, x))),
        ),
        columns=2,
        size=(470, 380),
        title=f"{subject(result)} {'on the sphere' if sphere else 'through depth'}, {short(result.model.name, 40)}",
        caption=caption,
        alt=f"{shape} and {agree[0].lower()}{agree[1:]} of {len(rows)} layers.",
    )


def steps(rows: Sequence[object]) -> tuple[float, ...]:
    return numbers(range(len(rows)))


def _chance(rows: Sequence[LayerOrientation], x: tuple[float, ...]) -> list[Line]:
    """What random taps on the same lattices reach in 95 % of cases, where any layer was tested."""
    if all(row.null_radius is None for row in rows):
        return []
    null = numbers(row.null_radius for row in rows)
    return [Line(colour="muted", label="chance (95 %)", x=x, y=null, dash="dash", markers=True)]
