"""Survivors a kernel against chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.plots.kinds import kind
from rftools.plots.scene import (
    Bars,
    Mark,
    Panel,
    PlotAxis,
    Points,
    Scene,
    even,
    numbers,
    of_all,
    short,
)
from rftools.weights.binomial import binomial_taps

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
    return np.asarray(binomial_taps(taps, density, kernels), dtype=np.float64)


@kind("rftools.sparsity", "taps", place=1)
def taps(result: SparsityResult, layer: str | None = None, most: int = MOST) -> Scene:
    """How many kernels have 0, 1, ... survivors, beside what independent pruning would leave.

    One panel a layer of kernels larger than one tap, the pruned ones where there are any (an even choice of ``most``),
    or ``layer`` alone.
    """
    rows = [result[layer]] if layer is not None else _pruned([r for r in result if r.taps and len(r.taps) > 2])
    if not rows or any(not row.taps for row in rows):
        raise RequestError("no layer here has kernels of more than one tap; there is no tap histogram to draw")
    chosen = even(rows, most)
    columns = min(3, len(chosen))
    return Scene(
        panels=tuple(_histogram(row) for row in chosen),
        columns=columns,
        size=(330, 280) if columns > 1 else (620, 380),
        title=f"Survivors a kernel, {short(result.model.name, 40)}",
        caption="Kernels by the number of weights left in them (bars). Crosses: the number expected if the same share "
        "of weights had been removed at random." + of_all(chosen, rows),
        alt="Histograms of surviving taps a kernel: "
        + "; ".join(f"{short(r.name)} {100 * r.sparsity:.0f} % zero" for r in chosen)
        + ".",
    )


def _pruned(rows: list[LayerSparsity]) -> list[LayerSparsity]:
    """Where some layers were pruned, the others have nothing to tell."""
    return [row for row in rows if row.sparsity > PRUNED] or rows


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
        x=PlotAxis("survivors a kernel", "taps", integer=True),
        y=PlotAxis("kernels"),
        marks=marks,
    )
