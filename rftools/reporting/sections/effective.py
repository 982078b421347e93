"""What a unit does see."""

from __future__ import annotations

from typing import Any

from rftools import erf
from rftools.checks.sizes import MEASURE, effective_size
from rftools.erf.result import EffectiveResult
from rftools.errors import RequestError
from rftools.loading import Model
from rftools.plots.scene import PlotAxis
from rftools.reporting.drawing.figures import Figure, drawn
from rftools.reporting.drawing.series import EpochFigure
from rftools.reporting.sections.registry import Analyses, Quantity, Section, Value, register
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import say

PANELS = 12  # maps on the sheet, an even choice of the layers: each takes its time to write, and the table has all


def analyse(model: Model, known: Analyses) -> EffectiveResult:
    """The effective fields, unless they are left out on request."""
    if known.options is None:
        raise RequestError(say("missing.left_out"))
    return erf.effective(model, **known.options)


def figures(subject: Subject) -> list[Figure]:
    """Sizes over depth, profiles, the last layer's map and a sheet of maps."""
    result = subject.effective
    if not result:
        return []
    last = next((row.key for row in reversed(result.central()) if row.map.any()), None)
    return [
        *drawn(result, "effective", "growth", measure=MEASURE),
        *drawn(result, "effective", "profile"),
        *drawn(result, "effective", "map", layer=last),
        *drawn(result, "effective", "sheet", most=PANELS),
    ]


def _size(row: Any) -> Value | None:
    found = effective_size(row)
    return None if found is None else Value(*found)


def _course(row: Any) -> tuple[float | None, float | None, float | None]:
    found = effective_size(row)
    return (None, None, None) if found is None else found


SECTION = register(
    Section(
        "effective",
        figures,
        analyse,
        needs=("theoretical",),
        schema="rftools.erf",
        kind="rftools.erf.result:EffectiveResult",
        quantities=(Quantity("effective", "effective-size", say("comparison.effective"), "px", _size),),
        courses=(
            EpochFigure(
                "effective",
                say("figures.course_effective"),
                PlotAxis(say("figures.course_effective_axis"), "px"),
                "effective",
                _course,
            ),
        ),
        notes=("maps",),
    )
)
