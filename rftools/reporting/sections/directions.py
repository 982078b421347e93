"""Which way effective fields point: the ellipse of each channel's field, layer by layer."""

from __future__ import annotations

import math

from rftools.erf import effective_orientation
from rftools.errors import RequestError
from rftools.loading import Model
from rftools.plots.scene import even
from rftools.reporting.drawing.figures import Figure, drawn
from rftools.reporting.sections.registry import Analyses, Section, register
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import say
from rftools.trf import LayerField
from rftools.weights import OrientationResult

IMAGES = 4  # at most: an ellipse needs few
LAYERS = 4  # an even choice of those that are quick
QUICK = 100_000  # channels times pixels of the window: more take longer than a page's reader waits for


def analyse(model: Model, known: Analyses) -> OrientationResult:
    """The ellipses of each channel's field, in those of the measured layers where they take little time."""
    options, fields = known.options, known.results.get("theoretical")
    if options is None:
        raise RequestError(say("missing.left_out"))
    if fields is None or "effective" not in known.results:
        raise RequestError(say("missing.not_analysed"))
    rows = [fields[row.name] for row in known.results["effective"] if row.images and row.name in fields]
    quick = [row.name for row in rows if _work(row) <= QUICK]
    if not quick:
        raise RequestError(say("missing.slow"))
    count = min(options.get("count") or IMAGES, IMAGES)
    asked = {key: options[key] for key in ("device", "batch_size", "seed") if key in options}
    return effective_orientation(model, options.get("images"), even(quick, LAYERS), count=count, **asked)


def _work(row: LayerField) -> float:
    """Channels times pixels of the window, endless where that is not known or is one pixel."""
    hulls = [axis.clipped for axis in row.axes]
    if any(hull is None for hull in hulls) or not row.unit_dims:
        return math.inf
    window = math.prod(hull[1] - hull[0] + 1 for hull in hulls if hull is not None)
    units = math.prod(row.output_shape[dim - 1] for dim in row.unit_dims)
    return window * math.prod(row.output_shape) / units if window > 1 else math.inf


def figures(subject: Subject) -> list[Figure]:
    """A rose a layer."""
    return drawn(subject.part("directions"), "directions", "polar", most=LAYERS)


SECTION = register(Section("directions", figures, analyse, needs=("theoretical", "effective")))
