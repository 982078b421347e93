"""The net as SVG: boxes that fill up as fields grow, lines for the tensors between them, a link for each layer."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from rftools.plots.scene import short
from rftools.reporting.drawing.lanes import Edge, Layout, layout
from rftools.reporting.subject.architecture import Box, Level
from rftools.reporting.texts import say
from rftools.trf.layer_field import AxisField, LayerField
from rftools.trf.result import TheoreticalResult

WIDTH, HEIGHT, GAP = 196, 40, 18  # of a box, and between rows
LINE = 16  # width of a lane without boxes
SVG = "http://www.w3.org/2000/svg"
USUAL = 100  # boxes of the finest level that is shown first


@dataclass(frozen=True)
class Diagram:
    """One level ready for the page: its title, SVG, how many boxes, and whether it is shown first."""

    key: str
    title: str
    markup: str
    count: int
    first: bool


def diagrams(levels: Sequence[Level], result: TheoreticalResult) -> list[Diagram]:
    """Every level as a drawing with its fields on it."""
    fields = {row.name: row for row in result}
    sides = (result.input_size or ())[1:]
    fitting = [i for i, level in enumerate(levels) if len(level.boxes) <= USUAL]
    folded = [i for i in fitting if levels[i].folded]
    first = folded[0] if folded else fitting[-1] if fitting else 0
    return [
        Diagram(f"graph-{i}", level.title, drawing(level, fields, sides), len(level.boxes), i == first)
        for i, level in enumerate(levels)
    ]


def drawing(level: Level, fields: Mapping[str, LayerField], sides: Sequence[int]) -> str:
    """A level as SVG text whose colours are the page's variables."""
    plan = layout(len(level.boxes), level.edges)
    left = _left_edges(plan)
    width, height = left[-1] + 2, (max(plan.rows) + 1) * (HEIGHT + GAP) - GAP + 2
    words = say("graph.label", boxes=len(level.boxes), lines=len(level.edges))
    root = ET.Element("svg", viewBox=f"-1 -1 {width} {height}", width=f"{width}", role="group")
    root.set("aria-label", words)
    for edge in level.edges:
        ET.SubElement(root, "path", d=_line(edge, plan, left), attrib={"class": "edge"})
    for index, box in enumerate(level.boxes):
        corner = (left[plan.lanes[index]], plan.rows[index] * (HEIGHT + GAP))
        _draw_box(root, box, fields.get(box.layer) if index else None, sides, corner)
    return ET.tostring(root, encoding="unicode")


def _left_edges(plan: Layout) -> list[int]:
    """Where each lane begins, and last where the drawing ends."""
    count = 1 + max([*plan.lanes, *plan.passing.values()], default=0)
    edges = [0]
    for lane in range(count):
        edges.append(edges[-1] + (WIDTH + LINE if lane in plan.wide else LINE))
    return edges


def _middle(lane: int, plan: Layout, left: Sequence[int]) -> float:
    return left[lane] + (WIDTH if lane in plan.wide else LINE) / 2


def _line(edge: Edge, plan: Layout, left: Sequence[int]) -> str:
    """Down from a box, through the lane that the edge keeps, into another: straight, or bent between two rows."""
    first, second = edge
    step = HEIGHT + GAP
    lanes = [plan.lanes[first], plan.lanes[second]]
    rows = [plan.rows[first], plan.rows[second]]
    if edge in plan.passing:
        lanes.insert(1, plan.passing[edge])
        rows.insert(1, rows[0] + 1)
    x = [_middle(lane, plan, left) for lane in lanes]
    parts = [f"M{x[0]:g} {rows[0] * step + HEIGHT}"]
    for i in range(1, len(x)):
        top = rows[i] * step if i == 1 else rows[-1] * step
        begin = top - GAP
        if i == 2:
            parts.append(f"V{begin}")
        if x[i] == x[i - 1]:
            parts.append(f"V{top}")
        else:
            parts.append(f"C{x[i - 1]:g} {top - 2} {x[i]:g} {begin + 2} {x[i]:g} {top}")
    return "".join(parts)


def _draw_box(
    root: ET.Element, box: Box, row: LayerField | None, sides: Sequence[int], corner: tuple[float, float]
) -> None:
    x, y = corner
    link = {"href": f"#layer={quote(box.layer, safe='')}", "data-layer": box.layer, "tabindex": "-1"} if row else {}
    group = ET.SubElement(root, "a" if row else "g", attrib={"class": _kind(row), **link})
    field = "" if row is None else field_text(row)
    words = [short(box.label, 80), short(box.kind, 40), field, _remark(row)]
    group.set("aria-label", ", ".join(filter(None, words)))
    ET.SubElement(group, "title").text = " ".join(filter(None, [short(box.label, 200), *words[1:]]))
    shape = {"x": f"{x:g}", "y": f"{y:g}", "width": f"{WIDTH}", "height": f"{HEIGHT}", "rx": "4"}
    ET.SubElement(group, "rect", shape)
    share = 0.0 if row is None else _share(row, sides)
    if share:
        bar = {"x": f"{x + 1:g}", "y": f"{y + HEIGHT - 5:g}", "width": f"{share * (WIDTH - 2):.1f}", "height": "4"}
        ET.SubElement(group, "rect", {**bar, "class": "bar"})
    _words(group, short(box.label, 30), (x + 8, y + 15), "name")
    second = f"{short(box.kind, 18)}{' · ' if field else ''}{field}"
    _words(group, f"{second} {_remark(row)}".strip(), (x + 8, y + 29), "what")


def _words(parent: ET.Element, text: str, place: tuple[float, float], kind: str) -> None:
    ET.SubElement(parent, "text", {"x": f"{place[0]:g}", "y": f"{place[1]:g}", "class": kind}).text = text


def _kind(row: LayerField | None) -> str:
    if row is None:
        return "box"
    bad = "unknown" if row.status == "unknown" else "idle" if row.productive is False else ""
    return f"box {bad}".strip()


def _remark(row: LayerField | None) -> str:
    if row is None:
        return ""
    if row.surviving is not None and row.surviving.share < 0.995:
        return say("graph.left", share=100 * row.surviving.share)
    return say("graph.nothing_new") if row.productive is False else ""


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


def _share(row: LayerField, sides: Sequence[int]) -> float:
    """The largest share of an image side that the field covers, at most one."""
    return max((_part(axis, side) for axis, side in zip(row.axes, sides, strict=False)), default=0.0)


def _part(axis: AxisField, side: int) -> float:
    return 1.0 if axis.global_ else min(1.0, (axis.size or 0) / side)


def connections(level: Level, fields: Mapping[str, LayerField]) -> list[tuple[Any, ...]]:
    """The same as a table: each box, its kind, its field, and what it reads."""
    reads: dict[int, list[str]] = {}
    for first, second in level.edges:
        reads.setdefault(second, []).append(short(level.boxes[first].label, 60))
    rows = []
    for index, box in enumerate(level.boxes):
        row = fields.get(box.layer) if index else None
        rows.append((box.label, box.kind, "" if row is None else field_text(row), ", ".join(reads.get(index, ()))))
    return rows
