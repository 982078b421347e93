"""What pruning left of the weights."""

from __future__ import annotations

from typing import Any

from rftools import weights
from rftools.loading import Model
from rftools.plots.scene import PlotAxis
from rftools.plots.sparsity.taps import PRUNED
from rftools.reporting.drawing.figures import Figure, drawn
from rftools.reporting.drawing.series import EpochFigure
from rftools.reporting.sections.registry import Analyses, Quantity, Section, Value, register
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import say
from rftools.weights.results import SparsityResult

PANELS = {"taps": 6, "survival": 12}  # an even choice of the layers: each takes its time to write


def analyse(model: Model, known: Analyses) -> SparsityResult:
    """How many weights are zero, and where."""
    return weights.sparsity(model)


def figures(subject: Subject) -> list[Figure]:
    """Zeros by layer, taps a kernel, survival by position; nothing where nothing is zero, which the table says."""
    result = subject.sparsity
    if result is None or result.total.sparsity <= PRUNED:
        return []
    found = drawn(result, "sparsity", "layers")
    return found + [figure for kind, most in PANELS.items() for figure in drawn(result, "sparsity", kind, most=most)]


def _zeros(row: Any) -> Value | None:
    return Value(100 * row.sparsity)


def _course(row: Any) -> tuple[float | None, float | None, float | None]:
    return (100 * row.sparsity, None, None)


SECTION = register(
    Section(
        "sparsity",
        figures,
        analyse,
        schema="rftools.sparsity",
        kind="rftools.weights.results:SparsityResult",
        quantities=(Quantity("sparsity", "sparsity-share", say("comparison.sparsity"), "%", _zeros),),
        courses=(
            EpochFigure(
                "sparsity", say("figures.course_sparsity"), PlotAxis(say("figures.share"), "%"), "sparsity", _course
            ),
        ),
    )
)
