"""The page: a context of plain values for the template, which escapes all of them."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from rftools._version import __version__
from rftools.plots.scene import short
from rftools.reporting.drawing.diagram import connections, diagrams
from rftools.reporting.drawing.explorer import footprints
from rftools.reporting.drawing.figures import Figure, figures, variables
from rftools.reporting.drawing.pictures import effective_maps, picture_url, plane, surviving_masks
from rftools.reporting.drawing.series import course_figures, frames
from rftools.reporting.findings import RULES, Limits, findings
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import TEXTS, say, words
from rftools.results import Result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PARTS = ("theoretical", "effective", "sparsity", "orientation", "history")  # one section each
LONGEST_TABLE = 2000  # rows shown; a longer one is cut, and says so


@dataclass(frozen=True)
class Provenance:
    """How the page came about: the command, and the seconds its analyses took."""

    command: str | None
    analysis_seconds: float


@dataclass(frozen=True)
class Table:
    """A table of ready cells: (text, sort key) each; ``left`` columns hold words."""

    key: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[tuple[str, str], ...], ...]
    left: frozenset[int]
    total: int


def page(subject: Subject, picture: NDArray[np.uint8] | None, limits: Limits, provenance: Provenance) -> str:
    """The whole report as HTML text."""
    return render(contents(subject, picture, limits, provenance))


def contents(
    subject: Subject, picture: NDArray[np.uint8] | None, limits: Limits, provenance: Provenance
) -> dict[str, Any]:
    """What a report of one model says and shows, whatever it is written as."""
    return {
        "kind": say("page.kind"),
        "heading": subject.model.name,
        "findings": findings(subject, limits),
        "summary": summary(subject),
        "models": None,
        "sections": [_section(part, subject) for part in PARTS],
        "figures": _figures(subject),
        "frames": frames(subject),
        "graph": _graph(subject),
        "no_graph": None if subject.levels else say("missing.graph"),
        "explorer": _explorer(subject, picture, limits.objects),
        "method": _method(subject, limits, provenance),
    }


def _figures(subject: Subject) -> dict[str, list[Figure]]:
    drawn = figures(subject)
    if subject.epochs:
        drawn["history"] = [*drawn.get("history", []), *course_figures(subject)]
    return drawn


def render(content: dict[str, Any]) -> str:
    """The template filled with ``content``, the style and the script."""
    script = _resource("report.js")
    context = content | {
        "title": say("page.title", heading=content["heading"]),
        "rules": [(rule.name, rule.asks) for rule in RULES],
        "words": SimpleNamespace(**TEXTS["page"]),
        "cut_words": TEXTS["missing"]["rows"],
        "levels": TEXTS["levels"],
        "script_words": _embedded(TEXTS["script"]),
        "style": _resource("report.css")
        .replace("/*light*/", variables("light"))
        .replace("/*dark*/", variables("dark")),
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
    }
    return _template().render(context) + "\n"


def _template() -> Any:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["trusted"] = Markup  # for what this package wrote itself: style, script, SVG, JSON
    environment.filters["brief"] = lambda name: short(name, 40)
    return environment.from_string(_resource("report.html.j2"))


def _resource(name: str) -> str:
    return resources.files("rftools.reporting.page").joinpath("templates", name).read_text(encoding="utf-8")


def summary(subject: Subject) -> list[tuple[str, str]]:
    facts = [(say("summary.model"), subject.model.name), (say("summary.file"), subject.file)]
    facts.append((say("summary.parameters"), f"{subject.model.parameters:,}"))
    if subject.model.weights is not None:
        facts.append((say("summary.weights"), subject.model.weights))
    if subject.input_size is not None:
        facts.append((say("summary.input"), say("summary.input_value", sides=" x ".join(map(str, subject.input_size)))))
    if subject.theoretical is not None:
        local = [a.size for row in subject.theoretical for a in row.axes if a.size is not None]
        facts.append((say("summary.layers"), f"{len(subject.theoretical):,}"))
        if local:
            facts.append((say("summary.largest"), say("findings.px", size=f"{max(local):,}")))
    if subject.sparsity is not None:
        facts.append((say("summary.zeros"), f"{100 * subject.sparsity.total.sparsity:.1f} %"))
    if subject.history:
        accuracy = subject.history[-1].get("val_accuracy")
        facts.append((say("summary.epochs"), f"{len(subject.history)}"))
        if accuracy is not None:
            facts.append((say("summary.accuracy"), f"{100 * accuracy:.1f} %"))
    if subject.metadata.get("data"):
        facts.append((say("summary.data"), str(subject.metadata["data"])))
    if subject.classes:
        shown = ", ".join(subject.classes[:12])
        more = len(subject.classes) - 12
        facts.append((say("summary.classes"), say("findings.more", names=shown, rest=more) if more > 0 else shown))
    if subject.model.sha256:
        facts.append((say("summary.sha256"), subject.model.sha256))
    return facts


def _section(part: str, subject: Subject) -> dict[str, Any]:
    heading, remedies = say(f"sections.{part}"), "saved_remedies" if subject.sources else "remedies"
    result = getattr(subject, part)
    anchor = "training" if part == "history" else part
    return {
        "part": part,
        "anchor": anchor,
        "heading": heading,
        "lead": say(f"leads.{part}"),
        "tables": [table(result, f"{anchor}-table", say("figures.table", section=heading))]
        if isinstance(result, Result)
        else [],
        "missing": None if result else subject.missing.get(part, _why(result)),
        "remedy": say(f"{remedies}.{part}"),
        "empty": TEXTS["empty"].get(part),
        "notes": [subject.missing[note] for note in NOTES.get(part, ()) if note in subject.missing],
    }


#: what a section says of what is left out of it, by its key among what is missing
NOTES = {"theoretical": ("surviving",), "effective": ("maps",)}


def _why(result: object) -> str:
    return say("missing.not_analysed") if result is None else say("missing.no_layer")


def table(result: Result[Any], key: str, caption: str) -> Table:
    """A result's table as cells of text, each with the raw value to sort by."""
    return cells(result.columns(), result.records(), key, caption)


def cells(columns: Sequence[str], records: Sequence[Sequence[Any]], key: str, caption: str) -> Table:
    """Raw records as cells of text, each with the raw value to sort by."""
    shown = records[:LONGEST_TABLE]
    named = frozenset(i for i in range(len(columns)) if any(isinstance(r[i], str) for r in shown) and i != len(columns))
    rows = tuple(tuple((_cell(value), _sort_key(value)) for value in record) for record in shown)
    return Table(key, caption, tuple(columns), rows, named, len(records))


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "-"
    if isinstance(value, bool):
        return say("figures.yes") if value else say("figures.no")
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))


def _sort_key(value: Any) -> str:
    if isinstance(value, (bool, int, float)) and value == value:
        return repr(float(value))
    return ""


def _graph(subject: Subject) -> dict[str, Any] | None:
    """The net's drawings, and the shown one's boxes and lines as a table."""
    if subject.theoretical is None or not subject.levels:
        return None
    drawn = diagrams(subject.levels, subject.theoretical)
    first = next(i for i, diagram in enumerate(drawn) if diagram.first)
    rows = connections(subject.levels[first], {row.name: row for row in subject.theoretical})
    sheet = cells(words("graph.columns"), rows, "graph-table", say("graph.caption"))
    return {"diagrams": drawn, "table": sheet}


def _explorer(
    subject: Subject, picture: NDArray[np.uint8] | None, objects: Sequence[tuple[int, int]]
) -> dict[str, Any] | None:
    if subject.theoretical is None or subject.input_size is None or picture is None:
        return None
    layers = footprints(subject.theoretical, subject.supports)
    if not layers:
        return None
    height, width = plane(subject.input_size)
    local = [i for i, layer in enumerate(layers) if layer["movable"] and not any(a["global"] for a in layer["axes"])]
    masks = surviving_masks(subject.theoretical)
    maps = {} if subject.effective is None or len(subject.input_size) < 3 else effective_maps(subject.effective)
    telling = next((own for known in (masks, maps) if (own := [i for i in local if layers[i]["name"] in known])), local)
    start = telling[-1] if telling else len(layers) - 1
    data = {
        "layers": layers,
        "maps": maps,
        "surviving": masks,
        "objects": [list(sides) for sides in objects],
        "height": height,
        "width": width,
        "start": start,
        "sides": list(subject.input_size[1:]),
    }
    names = {layer["name"] for layer in layers}
    return {"json": _embedded(data), "picture": picture_url(picture), "height": height, "width": width, "names": names}


def _embedded(data: Any) -> str:
    """JSON that can stand inside a script element whatever names it holds."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _method(subject: Subject, limits: Limits, provenance: Provenance) -> list[tuple[str, str]]:
    facts = made(provenance)
    if subject.model.weights is not None:
        facts.append((say("summary.weights"), subject.model.weights))
    if subject.sources:
        facts.append((say("method.sources"), ", ".join(subject.sources)))
    if subject.seconds:
        each = ", ".join(f"{part} {seconds:.1f} s" for part, seconds in subject.seconds.items())
        facts.append((say("method.time"), say("method.time_value", all=provenance.analysis_seconds, each=each)))
    memory = memory_at_most()
    if memory is not None:
        facts.append((say("method.memory"), say("method.memory_value", megabytes=memory)))
    if subject.effective is not None:
        facts += effective_method(subject)
    if subject.orientation is not None:
        facts.append(
            (
                say("method.orientation"),
                say("method.orientation_value", mass=subject.orientation.mass, seed=subject.orientation.seed),
            )
        )
    facts.append((say("method.thresholds"), thresholds(limits)))
    return facts


def memory_at_most() -> float | None:
    """The most memory that this process has held so far, in megabytes; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1e6 if sys.platform == "darwin" else 1e3  # macOS counts bytes, Linux kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def made(provenance: Provenance) -> list[tuple[str, str]]:
    """When, by which command, with which versions, on what."""
    facts = [(say("method.made"), time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))]
    facts.append((say("method.command"), provenance.command or say("method.python")))
    names = ("torch", "numpy", "scipy", "matplotlib")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    facts.append((say("method.versions"), f"rftools {__version__}, {versions}, Python {platform.python_version()}"))
    return [*facts, (say("method.machine"), f"{platform.system()} {platform.machine()}")]


def effective_method(subject: Subject) -> list[tuple[str, str]]:
    """What the effective field was measured on, and how."""
    result = subject.effective
    assert result is not None
    rows: Sequence[Any] = result.layers
    facts = [
        (
            say("method.effective"),
            say("method.effective_value", source=result.source or say("method.unnamed"), seed=result.seed),
        )
    ]
    if rows:
        facts.append(
            (
                say("method.aggregation"),
                say("method.aggregation_value", aggregation=rows[0].aggregation, images=rows[0].images),
            )
        )
    if result.interval:
        facts.append((say("method.interval"), result.interval))
    if result.skipped:
        facts.append((say("method.skipped"), f"{len(result.skipped)}"))
    return facts


def thresholds(limits: Limits) -> str:
    """The limits that the findings used, in words."""
    return say(
        "method.thresholds_value",
        effective=100 * limits.effective_share,
        holes=100 * limits.hole_share,
        lost=100 * limits.lost_share,
        q=limits.false_discovery,
        gap=100 * limits.accuracy_gap,
    )
