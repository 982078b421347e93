"""Roses of several models: one row a model, one column a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rftools.plots.kinds import kind
from rftools.plots.orientation.roses import caption, rose_panel
from rftools.plots.scene import Panel, Scene, short
from rftools.plots.several import shared_layers, sheet

if TYPE_CHECKING:
    from rftools.weights.results import LayerOrientation, OrientationResult


@kind("rftools.orientation, several", "sheet", place=1)
def roses(results: Sequence[OrientationResult], layers: Sequence[str] | None = None) -> Scene:
    """A sheet of roses: one row a model, one column a layer."""
    return sheet(
        results,
        shared_layers([[row.name for row in result if row.oriented] for result in results], layers),
        _panel,
        size=(300, 260),
        title=f"Orientation of {len(results)} models, layer by layer",
        caption=caption(results[-1]),
        alt="Polar histograms",
    )


def _panel(label: str, row: LayerOrientation) -> Panel:
    chance = "" if row.p_lattice is None else f", p = {row.p_lattice:.2g}"
    title = f"{short(label, 16)}: R = {row.resultant or 0:.3f}{chance}\n{short(row.name, 28)}"
    return replace(rose_panel(row), title=title)
