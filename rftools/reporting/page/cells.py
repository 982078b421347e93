"""What stands under each model's map in a comparison: its roses, tap histograms and tap survival, on shared scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rftools.plots.orientation.roses import rose_panel
from rftools.plots.scene import Bars, Panel, PlotAxis, Points, Scene, numbers
from rftools.plots.sparsity.survival import survival_panel
from rftools.plots.sparsity.taps import binomial_expectation
from rftools.reporting.drawing.figures import themed
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import say

SIDE, SQUARE = (250, 190), (160, 160)  # pixels that small drawings are made for


@dataclass(frozen=True)
class SmallDrawing:
    """One drawing under a model's map, and what is said of it."""

    markup: str
    words: str


def cells(name: str, subjects: Sequence[Subject]) -> list[list[SmallDrawing]]:
    """For each model the drawings of a layer; a kind stands only where every model has it."""
    kinds = (_roses(name, subjects), _taps(name, subjects), _survival(name, subjects))
    return [[drawn[i] for drawn in kinds if drawn] for i in range(len(subjects))]


def rose_rows(subject: Subject) -> dict[str, Any]:
    """The layers with a rose, by name."""
    return {row.name: row for row in subject.orientation or () if row.axes is None and row.oriented > 0}


def layer_rows(name: str, every: Sequence[Mapping[str, Any]]) -> list[Any]:
    """A layer's row in each model; none where one has not got it."""
    return [rows[name] for rows in every] if all(name in rows for rows in every) else []


def _roses(name: str, subjects: Sequence[Subject]) -> list[SmallDrawing]:
    rows = layer_rows(name, [rose_rows(subject) for subject in subjects])
    panels = [replace(rose_panel(row), title="") for row in rows]
    tops = [panel.y.limits[1] for panel in panels if panel.y.limits is not None]
    if len(tops) == len(panels) and tops:
        panels = [replace(panel, y=replace(panel.y, limits=(0.0, max(tops)))) for panel in panels]
    words = [_rose(row, subject) for row, subject in zip(rows, subjects, strict=bool(rows))]
    return [SmallDrawing(drawing(panel, text), text) for panel, text in zip(panels, words, strict=True)]


def _rose(row: Any, subject: Subject) -> str:
    resultant = say("figures.undefined") if row.resultant is None else f"{row.resultant:.2f}"
    words = say("beside.rose", kernels=f"{row.oriented:,}", resultant=resultant)
    if subject.orientation is not None and subject.orientation.mass != "survivors":
        return words + say("beside.by_weight")
    return words + ("" if row.q is None else say("beside.q", q=row.q))


def pruned_rows(subjects: Sequence[Subject]) -> list[dict[str, Any]]:
    """The layers' rows by name, none at all where no model has lost a weight."""
    if not any(subject.pruned for subject in subjects):
        return [{}]
    return [{row.name: row for row in subject.sparsity or ()} for subject in subjects]


def _taps(name: str, subjects: Sequence[Subject]) -> list[SmallDrawing]:
    rows = [row for row in layer_rows(name, pruned_rows(subjects)) if row.taps and len(row.taps) > 2]
    if len(rows) != len(subjects):
        return []
    shares = [100 * np.asarray(row.taps, dtype=np.float64) / max(1, sum(row.taps)) for row in rows]
    words = [say("beside.taps", share=100 * row.sparsity) for row in rows]
    top = 1.05 * float(max(share.max() for share in shares))
    return [
        SmallDrawing(drawing(_histogram(share, row, top), text), text)
        for share, row, text in zip(shares, rows, words, strict=True)
    ]


def _histogram(shares: Any, row: Any, top: float) -> Panel:
    x = numbers(range(len(shares)))
    expected = binomial_expectation(len(shares) - 1, 1 - row.sparsity, 100)
    hover = tuple(say("beside.tap", taps=k, share=share) for k, share in enumerate(shares))
    marks = (
        Bars(x=x, heights=numbers(shares), hover=hover),
        Points(colour="series-2", x=x, y=numbers(expected), symbol="cross"),
    )
    axis = PlotAxis(say("beside.survivors"), integer=True)
    return Panel(
        x=axis, y=PlotAxis(say("beside.kernels"), "%", limits=(0, max(top, 1.05 * float(expected.max())))), marks=marks
    )


def _survival(name: str, subjects: Sequence[Subject]) -> list[SmallDrawing]:
    rows = [row for row in layer_rows(name, pruned_rows(subjects)) if np.ndim(row.survival) == 2]
    if len(rows) != len(subjects):
        return []
    top = float(max(np.asarray(row.survival).max() for row in rows)) or 1.0
    words = say("beside.survival", top=100 * top)
    panels = [replace(survival_panel(row, top), title="") for row in rows]
    return [SmallDrawing(drawing(panel, words, SQUARE), words) for panel in panels]


def drawing(panel: Panel, words: str, size: tuple[int, int] = SIDE) -> str:
    return themed(Scene((replace(panel, legend=False),), size=size, alt=words))
