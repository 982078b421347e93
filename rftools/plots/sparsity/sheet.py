"""Where taps survive in several models: one row a model, one column a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rftools.plots.kinds import kind
from rftools.plots.scene import Panel, Scene, short
from rftools.plots.several import shared_layers, sheet
from rftools.plots.sparsity.survival import survival_panel

if TYPE_CHECKING:
    from rftools.weights.results import LayerSparsity, SparsityResult


@kind("rftools.sparsity, several", "survival", place=1)
def survival(results: Sequence[SparsityResult], layers: Sequence[str] | None = None) -> Scene:
    """Where taps survive, before and after: one row a model, one column a layer, one colour scale for all."""
    return sheet(
        results,
        shared_layers([[row.name for row in result if _is_planar(row)] for result in results], layers),
        _panel,
        size=(210, 240),
        title=f"Where taps survive, {len(results)} models",
        caption="Share of a layer's kernels (in %) that keep the tap at each position, as seen (first row on top).",
        alt="Small heat maps of tap survival",
    )


def _panel(label: str, row: LayerSparsity) -> Panel:
    title = f"{short(label, 14)}: {100 * row.sparsity:.0f} % zero\n{short(row.name, 26)}"
    return replace(survival_panel(row, 1.0), title=title)


def _is_planar(row: LayerSparsity) -> bool:
    return row.survival is not None and np.ndim(row.survival) == 2 and len(row.taps or ()) > 2
