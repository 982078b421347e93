"""Roses of several models: one row a model, one column a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rftools.plots.kinds import kind
from rftools.plots.orientation.roses import caption, rose_panel
from rftools.plots.scene import Scene, even, of_all, short
from rftools.plots.several import HIGH, WIDE, labels, shared_layers

if TYPE_CHECKING:
    from rftools.weights.results import LayerOrientation, OrientationResult


@kind("rftools.orientation, several", "sheet", place=1)
def roses(results: Sequence[OrientationResult], layers: Sequence[str] | None = None) -> Scene:
    """A sheet of roses: one row a model, one column a layer."""
    names = shared_layers([[row.name for row in result if row.oriented] for result in results], layers)
    shown, picked = even(results, HIGH), even(names, WIDE)
    whose = labels([result.model for result in shown])
    panels = []
    for label, result in zip(whose, shown):
        for name in picked:
            row = result[name]
            title = f"{short(label, 16)}: R = {row.resultant or 0:.3f}{_chance(row)}\n{short(name, 28)}"
            panels.append(replace(rose_panel(row), title=title))
    return Scene(
        panels=tuple(panels),
        columns=len(picked),
        size=(300, 260),
        title=f"Orientation of {len(results)} models, layer by layer",
        caption=f"One row a model, one column a layer. {caption(shown[-1])}"
        + of_all(shown, results, "models")
        + of_all(picked, names),
        alt=f"Polar histograms of {len(picked)} layers of {', '.join(whose)}.",
    )


def _chance(row: LayerOrientation) -> str:
    return "" if row.p_lattice is None else f", p = {row.p_lattice:.2g}"
