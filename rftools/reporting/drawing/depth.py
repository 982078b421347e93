"""Sizes over depth as a small chart that a page can move a cursor through: what units can see, and what they do."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

from rftools.plots.scene import short
from rftools.reporting.texts import say

WIDTH, HEIGHT = 420, 250
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 14, 28
SVG = "http://www.w3.org/2000/svg"


@dataclass(frozen=True)
class Depth:
    """A layer's sizes in input pixels: theoretical side inside the image, effective diameter and its interval."""

    name: str
    side: float | None
    size: float | None = None
    low: float | None = None
    high: float | None = None


def across(place: int, count: int) -> float:
    """Where a layer stands along the chart.

    >>> across(0, 3), across(2, 3), across(0, 1)
    (44.0, 406.0, 225.0)
    """
    span = WIDTH - LEFT - RIGHT
    return LEFT + (span / 2 if count < 2 else span * place / (count - 1))


def up(pixels: float, top: float) -> float:
    """Where a size stands on the chart, whose scale is from 0 to ``top``.

    >>> up(0, 10), up(10, 10)
    (222.0, 14.0)
    """
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(1.0, pixels / top)


def chart(layers: Sequence[Depth], image: float, key: str) -> str:
    """The chart as SVG text whose colours are the page's variables; the image's side is its upper end.

    Its ids start with ``key``.
    """
    root = ET.Element(
        "svg", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", id=f"{key}-chart", attrib={"class": "depth-chart"}
    )
    root.set("aria-label", say("opening.chart", layers=len(layers), image=f"{image:,.0f}"))
    for value in (0.0, image / 2, image):
        y = up(value, image)
        _add(root, "line", "image" if value == image else "rule", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y)
        _add(root, "text", "tick", x=LEFT - 6, y=y + 4).text = f"{value:,.0f}"
    _add(root, "text", "tick-end", x=WIDTH - RIGHT, y=HEIGHT - 6).text = say("opening.deep")
    _add(root, "text", "tick-start", x=LEFT, y=HEIGHT - 6).text = say("opening.shallow")
    _add(root, "line", "cursor", id=f"{key}-cursor", x1=0, x2=0, y1=TOP, y2=HEIGHT - BOTTOM)
    _add(root, "path", "spread", d=_spread(layers, image))
    curves = {"sees": [layer.side for layer in layers], "uses": [layer.size for layer in layers]}
    for kind, values in curves.items():
        _add(root, "path", kind, d=_through(values, image))
        for place, size in enumerate(values):
            if size is not None:
                dot = {"cx": across(place, len(values)), "cy": up(size, image), "r": 3, "data_place": place}
                words = say(f"opening.dot_{kind}", name=short(layers[place].name, 40), size=size)
                ET.SubElement(_add(root, "circle", kind, **dot), "title").text = words
    return ET.tostring(root, encoding="unicode")


def _add(root: ET.Element, tag: str, kind: str, **attributes: float | str) -> ET.Element:
    shown = {
        key.replace("_", "-"): value if isinstance(value, str) else f"{value:.1f}".rstrip("0").rstrip(".")
        for key, value in attributes.items()
    }
    return ET.SubElement(root, tag, {"class": kind, **shown})


def _through(values: Sequence[float | None], top: float) -> str:
    known = [(across(i, len(values)), up(value, top)) for i, value in enumerate(values) if value is not None]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in known) if len(known) > 1 else ""


def _spread(layers: Sequence[Depth], top: float) -> str:
    """The intervals as upright lines."""
    return "".join(
        f"M{across(i, len(layers)):.1f} {up(layer.low, top):.1f}V{up(layer.high, top):.1f}"
        for i, layer in enumerate(layers)
        if layer.low is not None and layer.high is not None
    )
