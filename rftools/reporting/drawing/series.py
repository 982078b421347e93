"""A run's course on the page: one curve a layer over the epochs, and one frame an epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rftools.checks.sizes import effective_size
from rftools.plots.comparison import Curve, curves
from rftools.plots.scene import PlotAxis
from rftools.reporting.drawing.figures import Figure, themed
from rftools.reporting.drawing.pictures import map_url
from rftools.reporting.texts import say

if TYPE_CHECKING:
    from rftools.reporting.subject.subject import MeasuredEpoch, Subject


Spread = tuple[float | None, float | None, float | None]


@dataclass(frozen=True)
class EpochFigure:
    """A figure of a layer that epochs change: its title, axis, the part that holds its row, and how it is read."""

    key: str
    title: str
    axis: PlotAxis
    part: str
    value: Callable[[Any], Spread]

    def read(self, epoch: MeasuredEpoch, layer: str) -> Spread:
        """A layer's value after an epoch with its interval; Nones where it was not measured."""
        row = _row(getattr(epoch, self.part), layer)
        return (None, None, None) if row is None else self.value(row)


def _row(result: Any, layer: str) -> Any:
    return next((row for row in result or () if row.name == layer), None)


def course_figures(subject: Subject, courses: Sequence[EpochFigure]) -> list[Figure]:
    """One drawing for each figure that changes, with a curve a followed layer."""
    drawn = []
    for course in courses:
        given = [_curve(course, subject.epochs, layer) for layer in subject.followed]
        given = [curve for curve in given if any(value is not None for value in curve.values)]
        values = {value for curve in given for value in curve.values if value is not None}
        if len(subject.epochs) > 1 and len(values) > 1:
            steps = [str(epoch.number) for epoch in subject.epochs]
            scene = curves(steps, given, course.title, course.axis, step="epoch", things="layers")
            scene = replace(scene, size=(560, 340))
            key = f"training-{course.key}"
            drawn.append(Figure(key, themed(scene), scene.caption, wide=False))
    return drawn


def _curve(course: EpochFigure, epochs: Sequence[MeasuredEpoch], layer: str) -> Curve:
    known = [course.read(epoch, layer) for epoch in epochs]
    spread = any(low is not None for _, low, _ in known)
    values, lows, highs = ([triple[i] for triple in known] for i in range(3))
    return Curve(layer, values, lows if spread else (), highs if spread else ())


def frames(subject: Subject) -> list[dict[str, Any]]:
    """One frame an epoch: its number, its facts, and its layers' effective maps with their sizes."""
    return [_frame(epoch, subject.followed) for epoch in subject.epochs] if len(subject.epochs) > 1 else []


def _frame(epoch: MeasuredEpoch, layers: Sequence[str]) -> dict[str, Any]:
    accuracy = epoch.history.get("val_accuracy")
    facts = [(say("summary.accuracy"), "-" if accuracy is None else f"{100 * accuracy:.1f} %")]
    facts.append((say("summary.zeros"), f"{100 * epoch.sparsity.total.sparsity:.1f} %"))
    maps = []
    for layer in layers:
        row = _row(epoch.effective, layer)
        if row is None or row.map.ndim < 2 or not row.map.any():
            continue
        size, low, high = effective_size(row) or (None, None, None)
        spread = "" if low is None or high is None else say("figures.spread", low=low, high=high)
        words = (
            say("figures.undefined") if size is None else say("figures.interval", value=f"{size:.1f}", spread=spread)
        )
        maps.append({"layer": layer, "url": map_url(row.map), "size": words})
    return {"epoch": epoch.number, "facts": facts, "maps": maps}
