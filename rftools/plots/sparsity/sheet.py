"""Where taps survive in several models: one row a model, one column a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rftools.plots.kinds import kind
from rftools.plots.scene import Scene, even, of_all, short
from rftools.plots.several import HIGH, WIDE, labels, shared_layers
from rftools.plots.sparsity.survival import survival_panel

if TYPE_CHECKING:
    from rftools.weights.results import LayerSparsity, SparsityResult


@kind("rftools.sparsity, several", "survival", place=1)
def survival(results: Sequence[SparsityResult], layers: Sequence[str] | None = None) -> Scene:
    """Where taps survive, before and after: one row a model, one column a layer, one colour scale for all."""
    names = shared_layers([[row.name for row in result if _is_planar(row)] for result in results], layers)
    shown, picked = even(results, HIGH), even(names, WIDE)
    whose = labels([result.model for result in shown])
    panels = []
    for label, result in zip(whose, shown):
        for name in picked:
            row = result[name]
            title = f"{short(label, 14)}: {100 * row.sparsity:.0f} % zero\n{short(name, 26)}"
            panels.append(replace(survival_panel(row, 1.0), title=title))
    return Scene(
        panels=tuple(panels),
        columns=len(picked),
        size=(210, 240),
        title=f"Where taps survive, {len(results)} models",
        caption="Share of a layer's kernels (in %) that keep the tap at each position, as seen (first row on top); one "
        f"row a model, one column a layer.{of_all(shown, results, 'models')}{of_all(picked, names)}",
        alt=f"Small heat maps of tap survival for {len(picked)} layers of {', '.join(whose)}.",
    )


def _is_planar(row: LayerSparsity) -> bool:
    return row.survival is not None and np.ndim(row.survival) == 2 and len(row.taps or ()) > 2
