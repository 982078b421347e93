"""What a report of one model says and shows, as plain values for the template."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rftools.reporting.drawing.figures import Figure
from rftools.reporting.drawing.netmap import connections, netmap
from rftools.reporting.drawing.pictures import colours
from rftools.reporting.findings import Thresholds, findings
from rftools.reporting.page.cells import cells as small_drawings
from rftools.reporting.page.explorer import explorer
from rftools.reporting.page.facts import banners, summary
from rftools.reporting.page.method import Provenance, method
from rftools.reporting.page.opening import opening
from rftools.reporting.page.render import embedded
from rftools.reporting.page.tables import cells, table
from rftools.reporting.sections import SECTIONS, Section
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import say, spoken_as_given, words
from rftools.results import Result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@spoken_as_given
def contents(
    subject: Subject, picture: NDArray[np.uint8] | None, limits: Thresholds, provenance: Provenance
) -> dict[str, Any]:
    """What a report of one model says and shows, whatever it is written as."""
    return {
        "alone": False,
        "kind": say("page.kind"),
        "sequence": subject.sequence,
        "heading": subject.model.name,
        "findings": findings(subject, limits),
        "opening": opening(subject, picture, limits),
        "beside": None,
        "banners": banners([subject]),
        "summary": summary(subject),
        "models": None,
        "sections": [_section(section, subject) for section in SECTIONS if section.shown],
        "graph": _graph(subject),
        "no_graph": None if subject.architecture else say("missing.graph"),
        "explorer": explorer(subject, picture, limits.objects),
        "method": method(subject, limits, provenance),
    }


def _section(section: Section, subject: Subject) -> dict[str, Any]:
    result, heading = subject.part(section.part), section.say("heading")
    missing = None if result else subject.missing.get(section.part, _why(result))
    figures: Sequence[Figure] = section.figures(subject)
    return {
        "anchor": section.place,
        "heading": heading,
        "lead": section.say("lead"),
        "tables": [table(result, f"{section.place}-table", say("figures.table", section=heading))]
        if isinstance(result, Result)
        else [],
        "figures": figures,
        "frames": _with_kernels(section.frames(subject), subject),
        "missing": missing,
        "remedy": section.say("saved_remedy" if subject.sources else "remedy"),
        "empty": section.say("empty"),
        "notes": [subject.missing[note] for note in section.notes if note in subject.missing],
    }


def _with_kernels(frames: Sequence[Mapping[str, Any]], subject: Subject) -> list[dict[str, Any]]:
    """An epoch's frames with what its kernels look like in the followed layers, on scales that all epochs share."""
    if not frames:
        return []
    states = [replace(subject, sparsity=each.sparsity, orientation=each.orientation) for each in subject.epochs]
    drawn = {layer: small_drawings(layer, states) for layer in subject.followed}
    return [
        {**frame, "kernels": [(layer, own[place]) for layer, own in drawn.items() if own[place]]}
        for place, frame in enumerate(frames)
    ]


def _why(result: object) -> str:
    return say("missing.not_analysed") if result is None else say("missing.no_layer")


def _graph(subject: Subject) -> dict[str, Any] | None:
    """The net's map, and its boxes and lines as a table."""
    if subject.theoretical is None or subject.architecture is None:
        return None
    rows = connections(subject.architecture, {row.name: row for row in subject.theoretical})
    data = netmap(subject.architecture, subject)
    sheet = cells(words("graph.columns"), rows, "graph-table", say("graph.caption"))
    return {"json": embedded(data), "figures": data["figures"], "colours": colours(), "table": sheet}


@spoken_as_given
def alone(subject: Subject, picture: NDArray[np.uint8] | None, places: Collection[str]) -> dict[str, Any]:
    """Parts of the page without the rest: the explorer, and the sections at these ``places``."""
    return dict.fromkeys(("kind", "models", "no_graph", "opening", "beside", "graph")) | {
        "alone": True,
        "sequence": subject.sequence,
        "heading": subject.model.name,
        "banners": banners([subject]),
        "findings": [],
        "summary": [],
        "method": [],
        "sections": [_section(section, subject) for section in SECTIONS if section.place in places],
        "explorer": explorer(subject, picture, ()),
    }
