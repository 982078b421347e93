"""What stands under the difference of two models' maps: how roses, tap histograms and tap survival differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rftools.plots.scene import Bars, Heatmap, Mark, Panel, PlotAxis, ReferenceLine, Text
from rftools.reporting.page.cells import SQUARE, SmallDrawing, drawing, layer_rows, pruned_rows, rose_rows
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import say

LEAST = 0.05  # points: what is smaller everywhere is no difference that a chart could show


def kernel_changes(name: str, subjects: Sequence[Subject]) -> list[SmallDrawing]:
    """Second minus first of what `cells` draws of a layer, in points of shares; words where nothing differs."""
    if len(subjects) != 2:
        return []
    found = (_rose(name, subjects), _taps(name, subjects), _survival(name, subjects))
    return [one for one in found if one is not None]


def _shares(counts: Any) -> NDArray[np.float64]:
    values = np.asarray(counts, dtype=np.float64)
    return 100 * values / max(1.0, float(values.sum()))


def _rose(name: str, subjects: Sequence[Subject]) -> SmallDrawing | None:
    rows = layer_rows(name, [rose_rows(subject) for subject in subjects])
    if not rows or list(rows[0].histogram.edges) != list(rows[1].histogram.edges):
        return None
    edges = np.asarray(rows[0].histogram.edges, dtype=np.float64)
    points = _shares(rows[1].histogram.counts) - _shares(rows[0].histogram.counts)
    middles, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    hover = [f"{a:g} to {b:g}°: {say('beside.more', points=p)}" for a, b, p in zip(edges, edges[1:], points)]
    bars = [
        Bars(x=(float(x),), heights=(float(p),), width=0.9 * float(w), hover=(text,), colour=_role(p))
        for x, p, w, text in zip(middles, points, widths, hover, strict=True)
    ]
    marked = tuple((float(angle), f"{angle}°") for angle in range(0, 181, 45) if edges[0] <= angle <= edges[-1])
    axis = PlotAxis(say("beside.change_rose_axis"), ticks=marked, limits=(float(edges[0]), float(edges[-1])))
    return _bars(points, axis, bars, say("beside.change_rose"))


def _taps(name: str, subjects: Sequence[Subject]) -> SmallDrawing | None:
    rows = [row for row in layer_rows(name, pruned_rows(subjects)) if row.taps and len(row.taps) > 2]
    if len(rows) != 2 or len(rows[0].taps) != len(rows[1].taps):
        return None
    points = _shares(rows[1].taps) - _shares(rows[0].taps)
    bars = [
        Bars(x=(float(k),), heights=(float(p),), hover=(f"{k}: {say('beside.more', points=p)}",), colour=_role(p))
        for k, p in enumerate(points)
    ]
    axis = PlotAxis(say("beside.survivors"), integer=True, limits=(-0.5, len(points) - 0.5))
    return _bars(points, axis, bars, say("beside.change_taps"))


def _role(points: float) -> str:
    """The colours of the map's difference: orange is more in the second model."""
    return "series-2" if points > 0 else "series-4"


def _bars(points: NDArray[np.float64], axis: PlotAxis, bars: Sequence[Mark], words: str) -> SmallDrawing:
    top = float(np.abs(points).max(initial=0.0))
    if top < LEAST:
        return SmallDrawing("", say("beside.change_none"))
    height = PlotAxis(say("beside.change_axis"), limits=(-1.1 * top, 1.1 * top))
    zero = ReferenceLine(colour="muted", value=0.0, dash="solid")
    return SmallDrawing(drawing(Panel(x=axis, y=height, marks=(*bars, zero)), words), words)


def _survival(name: str, subjects: Sequence[Subject]) -> SmallDrawing | None:
    rows = [row for row in layer_rows(name, pruned_rows(subjects)) if np.ndim(row.survival) == 2]
    if len(rows) != 2 or np.shape(rows[0].survival) != np.shape(rows[1].survival):
        return None
    points = 100 * (np.asarray(rows[1].survival, dtype=np.float64) - np.asarray(rows[0].survival, dtype=np.float64))
    top = float(np.abs(points).max(initial=0.0))
    if top < LEAST:
        return SmallDrawing("", say("beside.change_none"))
    height, width = points.shape
    marks: list[Mark] = [
        Heatmap(values=points, extent=(-0.5, width - 0.5, -0.5, height - 0.5), limits=(-top, top), diverging=True)
    ]
    if max(height, width) <= 5:
        marks += [
            Text(
                colour="over-dark" if abs(points[i, j]) > 0.6 * top else "over-light",
                text=f"{points[i, j]:+.0f}",
                x=float(j),
                y=float(i),
            )
            for i in range(height)
            for j in range(width)
        ]
    hidden = PlotAxis(visible=False)
    upward = PlotAxis(visible=False, reversed=True, limits=(-0.5, height - 0.5))
    panel = Panel(x=hidden, y=upward, marks=tuple(marks), equal=True)
    return SmallDrawing(drawing(panel, say("beside.change_survival"), SQUARE), say("beside.change_survival"))
