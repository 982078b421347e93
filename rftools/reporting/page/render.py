"""A page's contents put into the template, which escapes all of them."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import resources
from types import SimpleNamespace
from typing import Any

from rftools.plots.scene import short
from rftools.reporting.drawing.figures import variables
from rftools.reporting.findings import RULES
from rftools.reporting.texts import TEXTS, in_samples, say

MAP = ("library", "netmap-growth", "netmap-layout", "netmap")  # the views that need the library
#: the script's views in the order in which they are set up
VIEWS = (
    "core", "theme", "reach", "tables", "figures", "epochs", "maps", *MAP, "overview", "beside", "field", "objects",
    "explorer", "start",
)  # fmt: skip


def render(content: dict[str, Any]) -> str:
    """The template filled with ``content``, the style and the script."""
    spoken = in_samples if content["sequence"] else _same
    script = _script(net=bool(content["graph"]))
    context = content | {
        "title": say("page.title", heading=content["heading"]),
        "rules": [(rule.name, rule.asks) for rule in RULES],
        "explained": spoken(TEXTS["columns"]),
        "further": frozenset(TEXTS["further"]["columns"]),
        "words": SimpleNamespace(**spoken(TEXTS["page"])),
        "cut_words": TEXTS["missing"]["rows"],
        "levels": TEXTS["levels"],
        "script_words": embedded(spoken(TEXTS["script"])),
        "style": _resource("report.css")
        .replace("/*light*/", variables("light"))
        .replace("/*dark*/", variables("dark")),
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
    }
    return _template().render(context) + "\n"


def _same(value: Any) -> Any:
    return value


def _script(*, net: bool) -> str:
    """The page's own views, after the library where there is a ``net`` to draw."""
    library = _resource("netmap.min.js", "library") if net else ""
    return library + "".join(_resource(f"{name}.js", "script") for name in VIEWS if net or name not in MAP)


def _template() -> Any:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["trusted"] = Markup  # for what this package wrote itself: style, script, SVG, JSON
    environment.filters["brief"] = lambda name: short(name, 40)
    return environment.from_string(_resource("report.html.j2"))


def _resource(name: str, folder: str = "templates") -> str:
    return resources.files("rftools.reporting.page").joinpath(folder, name).read_text(encoding="utf-8")


def embedded(data: Any) -> str:
    """JSON that can stand inside a script element whatever names it holds."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
