"""What a unit can see, and what pruning left of it."""

from __future__ import annotations

from typing import Any

from rftools import trf
from rftools.checks.layers import weighted
from rftools.errors import RequestError
from rftools.loading import Model
from rftools.plots.scene import PlotAxis
from rftools.plots.sparsity.taps import PRUNED
from rftools.reporting.drawing.figures import Figure, drawn
from rftools.reporting.drawing.series import EpochFigure
from rftools.reporting.sections.registry import Analyses, Quantity, Section, Value, register
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import say
from rftools.trf.result import TheoreticalResult
from rftools.weights.fields import MOST_WALKED


def analyse(model: Model, known: Analyses) -> TheoreticalResult:
    """The fields of the architecture and, where weights are zero, of what pruning left of them."""
    sparsity = known.results.get("sparsity")
    if sparsity is None or sparsity.total.sparsity <= PRUNED:
        return trf.theoretical(model, graph=known.graph_of(model))
    if len(sparsity) > MOST_WALKED:
        known.missing["surviving"] = say("missing.not_walked", layers=len(sparsity), most=MOST_WALKED)
        return trf.theoretical(model, graph=known.graph_of(model))
    try:
        return trf.theoretical(model, surviving=True, graph=known.graph_of(model))
    except RequestError as error:
        known.missing["surviving"] = say("missing.surviving", why=error)
        return trf.theoretical(model, graph=known.graph_of(model))


def figures(subject: Subject) -> list[Figure]:
    """How fields grow, their windows, and what survived of them where that is less than all: a finding says it is."""
    shares = [row.surviving.share for row in subject.theoretical or () if row.surviving is not None]
    lost = ("surviving",) if any(share < 1 for share in shares) else ()
    return drawn(subject.theoretical, "theoretical", "growth", "window", *lost)


def _field(row: Any) -> Value | None:
    sizes = [axis.size for axis in row.axes if axis.size is not None]
    return Value(float(max(sizes))) if sizes else None


def _left(row: Any) -> Value | None:
    return None if row.surviving is None else Value(100 * row.surviving.share)


def _untouched(subject: Subject) -> Value | None:
    """No weight is zero, so that each field is whole without a walk."""
    dense = subject.sparsity is not None and subject.sparsity.total.sparsity <= PRUNED
    return Value(100.0) if dense else None


def _course(row: Any) -> tuple[float | None, float | None, float | None]:
    return (None if row.surviving is None else 100 * row.surviving.share, None, None)


SECTION = register(
    Section(
        "theoretical",
        figures,
        analyse,
        needs=("sparsity",),
        schema="rftools.trf",
        kind="rftools.trf.result:TheoreticalResult",
        quantities=(
            Quantity(
                "theoretical",
                "theoretical-size",
                say("comparison.theoretical"),
                "px",
                _field,
                weighted,
                beside_image=True,
            ),
            Quantity(
                "theoretical",
                "surviving-share",
                say("comparison.surviving"),
                "%",
                _left,
                weighted,
                _untouched,
            ),
        ),
        courses=(
            EpochFigure(
                "left",
                say("figures.course_left"),
                PlotAxis(say("figures.course_left_axis"), "%"),
                "theoretical",
                _course,
            ),
        ),
        notes=("surviving",),
    )
)
