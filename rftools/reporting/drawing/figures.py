"""Scenes as inline SVG whose colours are CSS variables, so that one drawing serves light and dark."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Any

from rftools.checks.sizes import MEASURE
from rftools.errors import RequestError
from rftools.plots import describe, svg
from rftools.plots.scene import Scene
from rftools.plots.sparsity.taps import PRUNED
from rftools.plots.theme import FONTS, THEMES
from rftools.reporting.subject.subject import Subject

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"

PLACES = {"d", "points", "x", "y"}  # attributes that hold coordinates


@dataclass(frozen=True)
class Figure:
    """A drawing ready for the page: SVG text, its caption, and an anchor."""

    key: str
    markup: str
    caption: str
    wide: bool


def themed(scene: Scene, key: str) -> str:
    """The scene as SVG for a page: colours by role, words as text, ids that start with ``key``, a text alternative."""
    root = ET.fromstring(svg(scene, "light", salt=key))
    for unwanted in ("metadata", "defs"):
        for child in root.findall(f"{{{SVG}}}{unwanted}"):
            if unwanted == "metadata" or child.find(f"{{{SVG}}}style") is not None:
                root.remove(child)
    for element in root.iter():
        if element.tag == f"{{{SVG}}}image":  # named by what it shows, so that two colour bars have one name
            element.attrib.pop("id", None)
        _own_ids(element, key)
        for place in PLACES & element.attrib.keys():
            element.set(place, _rounded(element.attrib[place]))
        if "style" in element.attrib:
            element.set("style", _by_role(element.attrib["style"]))
    width = float(root.attrib.pop("width").removesuffix("pt"))
    root.attrib.pop("height")
    root.attrib.pop("version", None)
    root.set("style", f"max-width:{width * 4 / 3:.0f}px")
    root.set("role", "img")
    root.set("aria-label", scene.alt or scene.title)
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    return ET.tostring(root, encoding="unicode")


def _rounded(numbers: str) -> str:
    """Coordinates to a hundredth of a point: finer than any screen, and half as long.

    >>> _rounded("M 12.345678 3 L 0.10000 7.5")
    'M 12.35 3 L 0.1 7.5'
    """
    return re.sub(r"-?\d+\.\d+", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), numbers)


def _own_ids(element: ET.Element, key: str) -> None:
    for name, value in list(element.attrib.items()):
        if name == "id":
            element.set(name, f"{key}-{value}")
        elif name.endswith("href") and value.startswith("#"):
            element.set(name, f"#{key}-{value[1:]}")
        elif value.startswith("url(#"):
            element.set(name, f"url(#{key}-{value[5:]}")


def _by_role(style: str) -> str:
    for role, colour in THEMES["light"].colours.items():
        style = style.replace(colour, f"var(--{role})")
    return re.sub(r"'DejaVu Sans'[^;]*", "var(--font)", style)


def variables(name: str) -> str:
    """The theme's colours and fonts as CSS declarations."""
    fonts = ", ".join(f'"{font}"' for font in FONTS)
    return (
        "".join(f"--{role}:{colour};" for role, colour in THEMES[name].colours.items()) + f"--font:{fonts},sans-serif"
    )


#: panels on a sheet of the page, an even choice of the layers: each takes its time to write, and the tables have all
PANELS = {"taps": 6, "survival": 12, "polar": 6, "sheet": 12}
#: part of a subject -> what is drawn of it: (kind, options)
DRAWN: dict[str, tuple[str, ...]] = {
    "theoretical": ("growth", "window", "surviving"),
    "effective": ("growth", "profile", "map", "sheet"),
    "sparsity": ("layers", "taps", "survival"),
    "orientation": ("polar",),
    "history": ("curves",),
}


def figures(subject: Subject, prefix: str = "") -> dict[str, list[Figure]]:
    """Every drawing that the subject's results allow, by part; what has nothing to show is left out."""
    drawn: dict[str, list[Figure]] = {}
    for part, kinds in DRAWN.items():
        result = getattr(subject, part)
        if not result:
            continue
        drawn[part] = [figure for kind in kinds if (figure := _figure(result, part, kind, subject, prefix)) is not None]
    return drawn


def _figure(result: object, part: str, kind: str, subject: Subject, prefix: str) -> Figure | None:
    options: dict[str, Any] = {}
    if part == "sparsity" and subject.sparsity is not None and subject.sparsity.total.sparsity <= PRUNED:
        return None  # the table says it: nothing is zero
    if kind in PANELS:
        options["most"] = PANELS[kind]
    if part == "effective" and kind == "growth":
        options["measure"] = MEASURE
    if part == "history" and len(subject.classes) > 1:
        options["chance"] = 1 / len(subject.classes)
    try:
        scene = describe(result, kind, **options)
    except RequestError:
        return None
    key = f"{prefix}{part}-{kind}"
    return Figure(key, themed(scene, key), scene.caption, wide=scene.columns > 1)
