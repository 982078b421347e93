"""One sentence that says what a net can see, what it does see, what pruning cost it, and where it points."""

from __future__ import annotations

from typing import Any

from rftools.checks.layers import mapped
from rftools.checks.sizes import Interval, effective_size
from rftools.plots.scene import short
from rftools.reporting.findings import Thresholds
from rftools.reporting.findings.orientation import is_oriented
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import counted, say

WHOLE = 0.995  # share of a field that is shown as all of it


def sentence(subject: Subject, limits: Thresholds) -> str:
    """What the results say in one breath; each clause stands only where its result is there.

    >>> from tests import drawn
    >>> from rftools.reporting.sources.results import from_results
    >>> sentence(from_results([drawn.theoretical(), drawn.effective()]), Thresholds())
    'The last convolution, conv2, can see 9x7 px; half of what moves it lies within 5 px.'
    """
    clauses = [clause for clause in (_sees(subject), _zeros(subject), _direction(subject, limits)) if clause]
    if not clauses:
        return say("opening.nothing")
    text = "; ".join(clauses)
    return text[0].upper() + text[1:] + "."


def sides(row: Any) -> str:
    """A field in pixels, as one number where its sides are alike."""
    if all(axis.global_ for axis in row.axes):
        return say("graph.whole_image")
    shown = [say("opening.all") if axis.global_ else f"{axis.size:,}" for axis in row.axes]
    return say("findings.px", size=shown[0] if len(set(shown)) == 1 else "x".join(shown))


def _sees(subject: Subject) -> str:
    rows = _rows(subject)
    row, size = deepest(subject)
    if row is None:
        return _without_place(subject)
    key = ("opening.last" if row is rows[-1] else "opening.deepest") + ("" if row.op.startswith("conv") else "_layer")
    bound = say("opening.at_most") if row.status == "bound" else ""
    first = say(
        key,
        name=short(row.name or say("script.model"), 40),
        sides=sides(row),
        bound=bound,
        beyond=_beyond(row, subject),
    )
    if size is None:
        return first
    half = "opening.half_at_random" if subject.random else "opening.half"
    return first + "; " + say(half, size=size[0])


def _without_place(subject: Subject) -> str:
    """Of a net none of whose layers has a place: that its last one sees all there is."""
    last = subject.theoretical[-1] if subject.theoretical else None
    if last is None or not last.axes or not all(axis.global_ for axis in last.axes):
        return ""
    return say("opening.placeless", name=short(last.name or say("findings.the_model"), 40))


def _rows(subject: Subject) -> list[Any]:
    return [row for row in mapped(subject.theoretical or ()) if all(a.global_ or a.size for a in row.axes)]


def deepest(subject: Subject) -> tuple[Any, Interval | None]:
    """The deepest layer whose effective size was measured, and that size; else the deepest whose field is known."""
    rows = _rows(subject)
    sizes = {own.name: effective_size(own) for own in subject.effective or () if own.channel is None}
    measured = [row for row in rows if sizes.get(row.name) is not None]
    row = measured[-1] if measured else rows[-1] if rows else None
    return row, None if row is None else sizes.get(row.name)


def _beyond(row: Any, subject: Subject) -> str:
    """That a field is larger than the image, where it is along every axis."""
    image = (subject.input_size or ())[1:]
    larger = [not axis.global_ and axis.size > side for axis, side in zip(row.axes, image, strict=False)]
    return (
        say("opening.beyond", side="x".join(map(str, image if len(set(image)) > 1 else image[:1])))
        if larger and all(larger)
        else ""
    )


def _zeros(subject: Subject) -> str:
    if subject.sparsity is None:
        return ""
    if not subject.pruned:
        return say("opening.not_pruned")
    zeros = say("opening.pruned", share=100 * subject.sparsity.total.sparsity)
    shares = [(row.surviving.share, row.name) for row in subject.theoretical or () if row.surviving is not None]
    lost = [pair for pair in shares if pair[0] < WHOLE]
    if not lost:
        return zeros + (say("opening.cost_nothing") if shares else "")
    share, name = min(lost)
    return zeros + say("opening.cost", layers=counted(len(lost), "layer"), name=short(name, 40), share=100 * share)


def _direction(subject: Subject, limits: Thresholds) -> str:
    tested = [row for row in subject.orientation or () if row.q is not None and is_oriented(row, limits)]
    if not tested:
        return ""
    odd = [row for row in tested if row.q is not None and row.q < limits.false_discovery]
    if not odd:
        return say("opening.no_direction")
    return say("opening.direction", layers=counted(len(odd), "layer"))
