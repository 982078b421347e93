"""Share of zeros in each layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rftools.errors import RequestError
from rftools.plots.kinds import kind
from rftools.plots.scene import Bars, Mark, Panel, PlotAxis, Scene, Text, numbers, short

if TYPE_CHECKING:
    from rftools.weights.results import SparsityResult


@kind("rftools.sparsity", "layers", place=2)
def layers(result: SparsityResult) -> Scene:
    """Share of zeros in each layer, first layer on top."""
    rows = list(result)
    if not rows:
        raise RequestError("no layer holds weights; there is no sparsity to draw")
    position = numbers(range(len(rows)))
    hover = tuple(f"{row.name}: {row.zeros} of {row.weights} weights are zero" for row in rows)
    dead = [(i, row) for i, row in enumerate(rows) if row.dead_filters]
    marks: list[Mark] = [
        Bars(x=position, heights=numbers(100 * row.sparsity for row in rows), width=0.7, horizontal=True, hover=hover)
    ]
    for i, row in dead:
        marks.append(Text(colour="text", text=f"{row.dead_filters} dead", x=107.0, y=float(i)))
    step = max(1, -(-len(rows) // 60))
    return Scene(
        panels=(
            Panel(
                title="Sparsity by layer",
                x=PlotAxis("weights that are zero", "%", limits=(0, 115 if dead else 100)),
                y=PlotAxis(
                    "",
                    ticks=tuple((float(i), short(rows[i].name)) for i in range(0, len(rows), step)),
                    limits=(-0.6, len(rows) - 0.4),
                    reversed=True,
                ),
                marks=tuple(marks),
            ),
        ),
        size=(720, max(220, 90 + 22 * min(60, len(rows)))),
        caption="Share of weights that are exactly zero, layer by layer in execution order; the number of filters with "
        "no weight left stands at the right.",
        alt=f"Bar chart of the sparsity of {len(rows)} layers of {result.model.name}.",
    )
