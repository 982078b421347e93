"""How training went: the history that a checkpoint carries, and what changed from epoch to epoch of a run."""

from __future__ import annotations

from typing import Any

from rftools.loading import Model
from rftools.reporting.drawing.figures import Figure, drawn
from rftools.reporting.drawing.series import course_figures, frames
from rftools.reporting.sections.registry import Analyses, Quantity, Section, Value, courses, register
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import say


def analyse(model: Model, known: Analyses) -> tuple[Any, ...] | None:
    """The history in the checkpoint, an entry an epoch."""
    history = tuple(model.metadata.get("history") or ())
    if not history:
        known.missing["history"] = say("missing.history")
    return history or None


def figures(subject: Subject) -> list[Figure]:
    """Loss and accuracy; of a run, also the course of each layer's figures."""
    options = {"chance": 1 / len(subject.classes)} if len(subject.classes) > 1 else {}
    return [*drawn(subject.history, "history", "curves", **options), *course_figures(subject, courses())]


def _accuracy(row: Any) -> Value | None:
    return None if row.get("val_accuracy") is None else Value(100 * row["val_accuracy"])


SECTION = register(
    Section(
        "history",
        figures,
        analyse,
        quantities=(Quantity("history", "training-accuracy", say("comparison.history"), "%", _accuracy, step="epoch"),),
        anchor="training",
        frames=frames,
    )
)
