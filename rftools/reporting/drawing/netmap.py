"""The net's map: what stands in every box and folder of it, as plain data that the page lays out and draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rftools.checks.sizes import effective_share, effective_size
from rftools.plots.scene import short
from rftools.reporting.drawing.pictures import plane
from rftools.reporting.subject.architecture import Wiring
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import say
from rftools.trf.layer_field import AxisField, LayerField

LABEL = 200  # characters of a name that a page shows; its middle is left out beyond
FIGURES = ("field", "effective", "share", "zeros", "left", "resultant")  # what boxes are coloured by


@dataclass(frozen=True)
class RowsByLayer:
    """A subject's rows by layer."""

    subject: Subject
    fields: Mapping[str, LayerField]
    effective: Mapping[str, Any]
    sparsity: Mapping[str, Any]
    orientation: Mapping[str, Any]

    @classmethod
    def of(cls, subject: Subject) -> RowsByLayer:
        measured = () if subject.effective is None else subject.effective.central()
        return cls(
            subject,
            {row.name: row for row in subject.theoretical or ()},
            {row.name: row for row in measured if row.channel is None and row.images and effective_size(row)},
            {row.name: row for row in subject.sparsity or ()},
            {row.name: row for row in subject.orientation or ()},
        )


def netmap(net: Wiring, subject: Subject) -> dict[str, Any]:
    """``{folders, boxes, edges, figures, height, width}``: entries with their field and figures, lines by index.

    A folder's effective field is that of the last layer measured in it, its zeros are all of its layers', and what
    pruning left is the smallest share of a layer in it.
    """
    known = RowsByLayer.of(subject)
    inside = _inside(net)
    folders = [
        _entry(folder, folder.parent, [net.boxes[i].layer for i in inside[number]], known)
        for number, folder in enumerate(net.folders)
    ]
    boxes = [
        _entry(box, net.homes[number], [box.layer] if number else [], known) for number, box in enumerate(net.boxes)
    ]
    image = float(np.prod(plane(subject.input_size or (1, 1))) ** 0.5)
    tops = {"effective": image, "resultant": 1.0}
    shown = [key for key in FIGURES if any(key in entry["values"] for entry in boxes)]
    height, width = plane(subject.input_size or (1, 1))
    return {
        "folders": folders,
        "boxes": boxes,
        "edges": [list(edge) for edge in net.edges],
        "figures": [{"key": key, "title": say(f"netmap.{key}"), "top": tops.get(key, 100.0)} for key in shown],
        "height": height,
        "width": width,
        "side": max((subject.input_size or (1, 1))[1:], default=1),
    }


def _inside(net: Wiring) -> list[list[int]]:
    """The boxes of each folder, those in the folders that it holds too."""
    found: list[list[int]] = [[] for _ in net.folders]
    for box, home in enumerate(net.homes):
        while home is not None:
            found[home].append(box)
            home = net.folders[home].parent
    return found


def _entry(place: Any, parent: int | None, layers: Sequence[str], known: RowsByLayer) -> dict[str, Any]:
    row = known.fields.get(place.layer) if layers else None
    measured = next((layer for layer in reversed(layers) if layer in known.effective), None)
    found = {key: read(row, layers, measured, known) for key, read in READ.items()}
    values = {key: float(f"{value:.6g}") for key, value in found.items() if value is not None}
    return {
        "layer": place.layer if layers else None,
        "label": short(place.label, LABEL),
        "kind": short(place.kind, 40),
        "parent": parent,
        "field": "" if row is None else field_text(row),
        "window": None if row is None else _window(row, known.subject),
        "measured": measured,
        "state": _state(row),
        "values": values,
    }


def _state(row: LayerField | None) -> str:
    if row is None:
        return ""
    return "unknown" if row.status == "unknown" else "idle" if row.productive is False else ""


def _window(row: LayerField, subject: Subject) -> list[int] | None:
    """The central unit's window inside the image: left, top, width, height."""
    spans = [axis.clipped for axis in row.axes]
    if not spans or any(span is None for span in spans):
        return None
    height, _ = plane(subject.input_size or (1, 1))
    top, bottom = (0, height - 1) if len(spans) == 1 else spans[-2] or (0, 0)
    left, right = spans[-1] or (0, 0)
    return [left, top, right - left + 1, bottom - top + 1]


def field_text(row: LayerField) -> str:
    """A layer's field in a word or two.

    >>> from tests import drawn
    >>> [field_text(row) for row in drawn.theoretical()]
    ['3 px', '9x7 px', 'whole image']
    """
    if row.status == "unknown" or not row.axes:
        return say("graph.unknown")
    if all(axis.global_ for axis in row.axes):
        return say("graph.whole")
    sizes = ["all" if axis.global_ else "?" if axis.size is None else f"{axis.size:,}" for axis in row.axes]
    return f"{'≤ ' if row.status == 'bound' else ''}{sizes[0] if len(set(sizes)) == 1 else 'x'.join(sizes)} px"


Read = Callable[[LayerField | None, Sequence[str], str | None, RowsByLayer], float | None]


def _field(row: LayerField | None, layers: Sequence[str], measured: str | None, known: RowsByLayer) -> float | None:
    """The largest share of an image side that the field covers, at most all of it."""
    sides = (known.subject.input_size or ())[1:]
    shares = [] if row is None else [_part(axis, side) for axis, side in zip(row.axes, sides, strict=False)]
    return 100.0 * max(share for share in shares if share is not None) if any(s is not None for s in shares) else None


def _part(axis: AxisField, side: int) -> float | None:
    return 1.0 if axis.global_ else None if axis.size is None else min(1.0, axis.size / side)


def _effective(row: LayerField | None, layers: Sequence[str], measured: str | None, known: RowsByLayer) -> float | None:
    size = None if measured is None else effective_size(known.effective[measured])
    return None if size is None else size[0]


def _share(row: LayerField | None, layers: Sequence[str], measured: str | None, known: RowsByLayer) -> float | None:
    share = None if measured is None else effective_share(known.effective[measured])
    return None if share is None else 100.0 * share[0]


def _zeros(row: LayerField | None, layers: Sequence[str], measured: str | None, known: RowsByLayer) -> float | None:
    rows = [known.sparsity[layer] for layer in layers if layer in known.sparsity]
    weights = sum(each.weights for each in rows)
    return 100.0 * sum(each.zeros for each in rows) / weights if weights else None


def _left(row: LayerField | None, layers: Sequence[str], measured: str | None, known: RowsByLayer) -> float | None:
    rows = [known.fields[layer].surviving for layer in layers if layer in known.fields]
    return min((100.0 * own.share for own in rows if own is not None), default=None)


def _resultant(row: LayerField | None, layers: Sequence[str], measured: str | None, known: RowsByLayer) -> float | None:
    own = known.orientation.get(layers[0]) if len(layers) == 1 else None
    return None if own is None else own.resultant


READ: dict[str, Read] = {
    "field": _field,
    "effective": _effective,
    "share": _share,
    "zeros": _zeros,
    "left": _left,
    "resultant": _resultant,
}


def connections(net: Wiring, fields: Mapping[str, LayerField]) -> list[tuple[Any, ...]]:
    """The same as a table: each box, its kind, its field, and what it reads."""
    reads: dict[int, list[str]] = {}
    for first, second in net.edges:
        reads.setdefault(second, []).append(short(net.boxes[first].label, 60))
    rows = []
    for index, box in enumerate(net.boxes):
        row = fields.get(box.layer) if index else None
        rows.append((box.label, box.kind, "" if row is None else field_text(row), ", ".join(reads.get(index, ()))))
    return rows
