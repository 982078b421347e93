"""Which way kernels point."""

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
from rftools.weights.jumps import input_jumps
from rftools.weights.results import OrientationResult

EXAMPLES = 12  # kernels of a layer that are kept as pictures
PANELS = 6  # roses on the sheet, an even choice of the layers


def analyse(model: Model, known: Analyses) -> OrientationResult:
    """The axial statistics of every layer's kernels: of what survived, or of a net that is not pruned by weight."""
    sparsity = known.results.get("sparsity")
    dense = sparsity is not None and sparsity.total.sparsity <= PRUNED
    fields = known.results.get("theoretical")
    jumps = None if fields is None else input_jumps(model, fields)
    return weights.orientation(model, mass="abs" if dense else "survivors", jumps=jumps, examples=EXAMPLES)


def figures(subject: Subject) -> list[Figure]:
    """A rose a layer."""
    return drawn(subject.orientation, "orientation", "polar", most=PANELS)


def _resultant(row: Any) -> Value | None:
    return None if row.resultant is None else Value(row.resultant, row.resultant_low, row.resultant_high)


def _of_survivors(result: Any) -> Any:
    """Only what one mass measured is compared: where taps survived, which a net that is not pruned does not have."""
    return result if getattr(result, "mass", "survivors") == "survivors" else ()


def _anisotropy(row: Any) -> tuple[float | None, float | None, float | None]:
    return (None if row.pooled is None else float(row.pooled.anisotropy), None, None)


SECTION = register(
    Section(
        "orientation",
        figures,
        analyse,
        needs=("sparsity",),
        schema="rftools.orientation",
        kind="rftools.weights.results:OrientationResult",
        quantities=(Quantity("orientation", "orientation-resultant", say("comparison.orientation"), None, _resultant),),
        courses=(
            EpochFigure(
                "anisotropy",
                say("figures.course_anisotropy"),
                PlotAxis(say("figures.course_anisotropy_axis")),
                "orientation",
                _anisotropy,
            ),
        ),
    )
)
