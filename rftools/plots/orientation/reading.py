"""What drawings of orientation share: their subject in words, and chance through depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rftools.plots.scene import Line, numbers

if TYPE_CHECKING:
    from rftools.weights.results import LayerOrientation, OrientationResult


def subject(result: OrientationResult) -> str:
    return "Orientation of effective fields" if result.of == "effective" else "Kernel orientation"


def chance_line(rows: Sequence[LayerOrientation], x: tuple[float, ...]) -> list[Line]:
    """What random taps on the same lattices reach in 95 % of cases, where any layer was tested."""
    if all(row.null_radius is None for row in rows):
        return []
    null = numbers(row.null_radius for row in rows)
    return [Line(colour="muted", label="chance (95 %)", x=x, y=null, dash="dash", markers=True)]
