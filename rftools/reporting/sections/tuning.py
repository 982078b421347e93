"""How the filters of the first convolution answer to gratings: what the rest of the net is given to work with."""

from __future__ import annotations

from rftools.checks.layers import weighted
from rftools.errors import RequestError
from rftools.gratings import TuningResult, tuning
from rftools.loading import Model
from rftools.reporting.drawing.figures import Figure, drawn
from rftools.reporting.sections.registry import Analyses, Section, register
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import say

ORIENTATIONS, PHASES = 12, 4  # a quarter of what the command shows: the page is not to wait for it
PLANE = 2  # axes of a picture: gratings have no orientation along one axis, and take long in volumes


def analyse(model: Model, known: Analyses) -> TuningResult:
    """The tuning of the first convolution with a kernel, the one layer where it is quick for any net."""
    fields = known.results.get("theoretical")
    if fields is None or len(fields.input_size or ()) != PLANE + 1:
        raise RequestError(say("missing.no_plane"))
    rows = [row for row in weighted(fields) if any((axis.size or 0) > 1 for axis in row.axes)]
    if not rows:
        raise RequestError(say("missing.no_convolution"))
    return tuning(model, layers=[rows[0].name.partition("/")[0]], orientations=ORIENTATIONS, phases=PHASES)


def figures(subject: Subject) -> list[Figure]:
    """Every filter's curve, and which orientations the layer's filters prefer."""
    return drawn(subject.part("tuning"), "tuning", "sheet")


SECTION = register(Section("tuning", figures, analyse, needs=("theoretical",), schema="rftools.tuning"))
