"""Sparsity: survivors a kernel against chance, zeros by layer, where in the kernel taps survive."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.plots.scene import Axis, Bars, Heatmap, Mark, Panel, Points, Scene, Text, numbers, short

if TYPE_CHECKING:
    from rftools.weights.results import LayerSparsity, SparsityResult

MOST = 12  # panels on a sheet
PRUNED = 0.005  # share of zeros below which a layer counts as unpruned: single weights are zero by accident


def binomial_expectation(taps: int, density: float, kernels: int) -> NDArray[np.float64]:
    """Kernels expected with 0..``taps`` survivors if each weight survived independently with ``density``.

    ``E[k] = kernels * C(taps, k) * density**k * (1 - density)**(taps - k)``

    >>> binomial_expectation(2, 0.5, 8).tolist()
    [2.0, 4.0, 2.0]
    """
    counts = np.arange(taps + 1)
    ways = np.array([math.comb(taps, int(k)) for k in counts], dtype=np.float64)
    return kernels * ways * density**counts * (1 - density) ** (taps - counts)


def taps(result: SparsityResult, layer: str | None = None, most: int = MOST) -> Scene:
    """How many kernels have 0, 1, ... survivors, beside what independent pruning would leave.

    One panel a layer of kernels larger than one tap, the pruned ones where there are any (an even choice of ``most``),
    or ``layer`` alone.
    """
    rows = [result[layer]] if layer is not None else _pruned([r for r in result if r.taps and len(r.taps) > 2])
    if not rows or any(not row.taps for row in rows):
        raise RequestError("no layer here has kernels of more than one tap; there is no tap histogram to draw")
    chosen = _even(rows, most)
    columns = min(3, len(chosen))
    return Scene(
        panels=tuple(_histogram(row) for row in chosen),
        columns=columns,
        size=(330, 280) if columns > 1 else (620, 380),
        title=f"Survivors a kernel, {short(result.model.name, 40)}",
        caption="Kernels by the number of weights left in them (bars). Crosses: the number expected if the same share "
        "of weights had been removed at random." + _left_out(chosen, rows),
        alt="Histograms of surviving taps a kernel: "
        + "; ".join(f"{short(r.name)} {100 * r.sparsity:.0f} % zero" for r in chosen)
        + ".",
    )


def _pruned(rows: list[LayerSparsity]) -> list[LayerSparsity]:
    """Where some layers were pruned, the others have nothing to tell."""
    return [row for row in rows if row.sparsity > PRUNED] or rows


def _even(rows: list[LayerSparsity], most: int) -> list[LayerSparsity]:
    return [rows[round(i)] for i in np.linspace(0, len(rows) - 1, min(most, len(rows)))]


def _left_out(chosen: list[LayerSparsity], rows: list[LayerSparsity]) -> str:
    return f" {len(chosen)} of {len(rows)} layers." if len(chosen) < len(rows) else ""


def _histogram(row: LayerSparsity) -> Panel:
    assert row.taps is not None
    counts = np.asarray(row.taps, dtype=np.float64)
    expected = binomial_expectation(len(counts) - 1, 1 - row.sparsity, int(counts.sum()))
    x = numbers(range(len(counts)))
    hover = tuple(f"{k} taps: {n:g} kernels, {e:.1f} expected" for k, (n, e) in enumerate(zip(counts, expected)))
    marks: tuple[Mark, ...] = (
        Bars(colour="series-1", label="kernels", x=x, heights=numbers(counts), hover=hover),
        Points(colour="series-2", label="expected at random", x=x, y=numbers(expected), symbol="cross"),
    )
    return Panel(
        title=f"{short(row.name, 26)}: {100 * row.sparsity:.1f} % zero",
        x=Axis("survivors a kernel", "taps", integer=True),
        y=Axis("kernels"),
        marks=marks,
    )


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
                x=Axis("weights that are zero", "%", limits=(0, 115 if dead else 100)),
                y=Axis(
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


def survival(result: SparsityResult, most: int = MOST) -> Scene:
    """Where in the kernel taps survive: the share of kernels that keep each tap, one map a layer, at most ``most``."""
    rows = _pruned([row for row in result if row.survival is not None and np.ndim(row.survival) == 2])
    if not rows:
        raise RequestError("no layer here has two-dimensional kernels; there is no survival map to draw")
    chosen = _even(rows, most)
    top = max(float(np.asarray(row.survival).max()) for row in chosen)
    return Scene(
        panels=tuple(survival_panel(row, top or 1.0) for row in chosen),
        columns=min(4, len(chosen)),
        size=(230, 230),
        title=f"Where taps survive, {short(result.model.name, 40)}",
        caption="Share of a layer's kernels that keep the tap at each position, as seen (first row on top)."
        + _left_out(chosen, rows),
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
        x=Axis(visible=False),
        y=Axis(visible=False, reversed=True, limits=(-0.5, height - 0.5)),
        marks=tuple(marks),
        equal=True,
        legend=False,
    )
