"""Scenes as inline SVG whose colours are CSS variables, so that one drawing serves light and dark."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Any

from rftools.errors import RequestError
from rftools.plots import describe, svg
from rftools.plots.scene import Scene
from rftools.plots.theme import FONTS, THEMES

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


def drawn(result: object, part: str, *kinds: str, **options: Any) -> list[Figure]:
    """A result's drawings of the kinds that it allows; what has nothing to show is left out."""
    found = []
    for kind in kinds if result else ():
        try:
            scene = describe(result, kind, **options)
        except RequestError:
            continue
        key = f"{part}-{kind}"
        found.append(Figure(key, themed(scene, key), scene.caption, wide=scene.columns > 1))
    return found
