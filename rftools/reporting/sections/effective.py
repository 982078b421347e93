"""What a unit does see."""

from __future__ import annotations

from collections.abc import Sequence
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
from rftools.reporting.subject.stages import stages
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import say
from rftools.units import choose

PANELS = 12  # maps on the sheet, an even choice of the layers: each takes its time to write, and the table has all


def analyse(model: Model, known: Analyses) -> EffectiveResult:
    """The effective fields, unless they are left out on request."""
    if known.options is None:
        raise RequestError(say("missing.left_out"))
    options = {"graph": known.graph_of(model), "watch": known.listener.seen, **known.options, "grid": None}
    if "inputs" in options or "of" in options or model.other_inputs:
        options.pop("graph")
    return erf.effective(model, **options | {"layers": layers_of(model, known)})


def layers_of(model: Model, known: Analyses) -> Sequence[str] | str | None:
    """Those that were asked for, ``*`` being all that hold weights; else the ones that say most, and a note of it."""
    layers = (known.options or {}).get("layers")
    if layers is not None:
        return None if list(layers) == ["*"] else layers
    fields = known.results.get("theoretical")
    if fields is None:
        return None
    every = choose(fields.layers, model.module, None)
    few = stages(every)
    if len(few) == len(every):
        return None
    known.missing["stages"] = say("missing.stages", shown=len(few), all=len(every))
    return [row.name for row in few]


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
        notes=("stages", "maps"),
    )
)
