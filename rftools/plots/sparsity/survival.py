"""Where in the kernel taps survive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rftools.errors import RequestError
from rftools.plots.kinds import kind
from rftools.plots.scene import (
    Heatmap,
    Mark,
    Panel,
    PlotAxis,
    Scene,
    Text,
    even,
    of_all,
    short,
)
from rftools.plots.sparsity.taps import MOST, _pruned

if TYPE_CHECKING:
    from rftools.weights.results import LayerSparsity, SparsityResult


@kind("rftools.sparsity", "survival", place=3)
def survival(result: SparsityResult, most: int = MOST) -> Scene:
    """Where in the kernel taps survive: the share of kernels that keep each tap, one map a layer, at most ``most``."""
    rows = _pruned([row for row in result if row.survival is not None and np.ndim(row.survival) == 2])
    if not rows:
        raise RequestError("no layer here has two-dimensional kernels; there is no survival map to draw")
    chosen = even(rows, most)
    top = max(float(np.asarray(row.survival).max()) for row in chosen)
    return Scene(
        panels=tuple(survival_panel(row, top or 1.0) for row in chosen),
        columns=min(4, len(chosen)),
        size=(230, 230),
        title=f"Where taps survive, {short(result.model.name, 40)}",
        caption="Share of a layer's kernels that keep the tap at each position, as seen (first row on top)."
        + of_all(chosen, rows),
        alt=f"Small heat maps of tap survival for {len(chosen)} layers.",
    )


def survival_panel(row: LayerSparsity, top: float) -> Panel:
    values = np.asarray(row.survival, dtype=np.float64)
    height, width = values.shape
    marks: list[Mark] = [Heatmap(values=values, extent=(-0.5, width - 0.5, -0.5, height - 0.5), limits=(0.0, top))]
    if max(height, width) <= 5:
        marks += [
            Text(
                colour="over-dark" if values[i, j] < 0.55 * top else "over-light",
                text=f"{100 * values[i, j]:.0f}",
                x=float(j),
                y=float(i),
            )
            for i in range(height)
            for j in range(width)
        ]
    return Panel(
        title=f"{short(row.name, 22)} (%)",
        x=PlotAxis(visible=False),
        y=PlotAxis(visible=False, reversed=True, limits=(-0.5, height - 0.5)),
        marks=tuple(marks),
        equal=True,
        legend=False,
    )
