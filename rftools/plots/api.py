"""`plot`, `save` and the table of what can be drawn."""

from __future__ import annotations

import importlib
import inspect
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rftools.errors import RequestError, closest
from rftools.files import atomic_write, check_writable
from rftools.plots.film import Film, gif, slider
from rftools.plots.scene import Scene
from rftools.plots.theme import FONTS, theme

#: schema name -> kinds, the first being the default; a kind is "module:function", taking the result and options.
KINDS: Mapping[str, Mapping[str, str]] = {
    "rftools.trf": {
        "growth": "theoretical.growth:growth",
        "window": "theoretical.growth:window",
        "paths": "theoretical.growth:paths",
        "surviving": "theoretical.growth:surviving",
    },
    "rftools.erf": {
        "map": "effective.maps:heat",
        "growth": "effective.maps:growth",
        "sheet": "effective.maps:sheet",
        "profile": "effective.maps:profile",
        "grid": "effective.grid:grid",
    },
    "rftools.erf-comparison": {
        "difference": "effective.comparison:difference",
        "growth": "effective.comparison:growth",
        "curves": "effective.comparison:curves",
        "animation": "effective.comparison:animation",
    },
    "rftools.sparsity": {
        "taps": "sparsity.taps:taps",
        "layers": "sparsity.taps:layers",
        "survival": "sparsity.taps:survival",
    },
    "rftools.orientation": {
        "polar": "orientation.roses:rose",
        "depth": "orientation.roses:depth",
        "kernels": "orientation.roses:kernels",
    },
    "rftools.tuning": {
        "curves": "tuning.curves:curves",
        "polar": "tuning.curves:polar",
        "sheet": "tuning.curves:sheet",
        "map": "tuning.curves:preferences",
        "depth": "tuning.curves:depth",
    },
    "rftools.sparsity, several": {"survival": "several:survival"},
    "rftools.orientation, several": {"sheet": "several:roses", "course": "several:course"},
    "history": {"curves": "training:curves"},
}
BACKENDS = ("matplotlib", "plotly")
STATIC = (".png", ".svg", ".pdf")
FORMATS = (*STATIC, ".html")


def describe(result: Any, kind: str | None = None, **options: Any) -> Scene:
    """What `plot` would draw: the scene (of an animation its first), before any library draws it.

    Raises:
        RequestError: no such kind or option for this result, or nothing in it to draw.
    """
    built = _built(result, kind, **options)
    return built.scenes[0] if isinstance(built, Film) else built


def _built(result: Any, kind: str | None, **options: Any) -> Scene | Film:
    schema = _schema(result)
    kinds = KINDS[schema]
    name = next(iter(kinds)) if kind is None else kind
    if name not in kinds:
        raise RequestError(f"no plot {name!r} of this result{closest(name, kinds)}; there are {', '.join(kinds)}")
    module, function = kinds[name].split(":")
    build = getattr(importlib.import_module(f"rftools.plots.{module}"), function)
    known = list(inspect.signature(build).parameters)[1:]
    for option in options:
        if option not in known:
            raise RequestError(
                f"the plot {name!r} has no option {option!r}{closest(option, known)}; "
                f"it takes {', '.join(known) or 'none'}"
            )
    scene: Scene | Film = build(result, **options)
    return scene


def plot(
    result: Any, kind: str | None = None, backend: str = "matplotlib", theme: str = "light", **options: Any
) -> Any:
    """Draw a result: a ``matplotlib.figure.Figure`` or a ``plotly.graph_objects.Figure``.

    Args:
        result: what an analysis returned, a list of such results of several models (sparsity, orientation), or a
            training history (a list of dicts, one an epoch).
        kind: which of its drawings, see `KINDS`; the first one where not given.
        backend: ``"matplotlib"`` or ``"plotly"``.
        theme: ``"light"`` or ``"dark"``.
        options: those of the drawing, such as ``layer="conv1"``.

    Raises:
        RequestError: no such kind, back end, theme or option, or nothing in the result to draw.

    >>> figure = plot([{"epoch": 1, "loss": 2.1}, {"epoch": 2, "loss": 1.7}], backend="plotly")
    >>> [trace.name for trace in figure.data]
    ['training']
    """
    if backend not in BACKENDS:
        raise RequestError(f"no backend {backend!r}{closest(backend, BACKENDS)}; there are {', '.join(BACKENDS)}")
    return _render(_built(result, kind, **options), backend, theme)


def _render(scene: Scene | Film, backend: str, name: str) -> Any:
    if isinstance(scene, Film):
        if backend == "plotly":
            return slider(scene, theme(name))
        scene = scene.side_by_side()
    return importlib.import_module(f"rftools.plots.backends.{backend}").render(scene, theme(name))


def check_format(path: str | Path) -> None:
    """Raise `RequestError` unless ``path`` ends in a format that `save` writes.

    >>> check_format("field.svg")
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        given = f"it ends in {suffix}" if suffix else "it has no suffix"
        raise RequestError(f"cannot draw {path}: {given}; the formats are {', '.join(FORMATS)}")


def save(result: Any, path: str | Path, *, kind: str | None = None, theme: str = "light", **options: Any) -> None:
    """Draw ``result`` into a file: ``.png .svg .pdf`` by matplotlib, ``.html`` (interactive, self-contained) by plotly.

    Raises:
        RequestError: another suffix, a path that cannot be written, or what `plot` raises.
    """
    suffix = Path(path).suffix.lower()
    moving = _schema(result) == "rftools.erf-comparison" and suffix == ".gif"
    if not moving:
        check_format(path)
    check_writable(path)
    content = _content(_built(result, kind or _usual(result, suffix), **options), suffix, theme)
    with atomic_write(path) as stream:
        stream.write(content)


def _usual(result: Any, suffix: str) -> str | None:
    """What a file is drawn as where nothing is said: a series moves where it can, and is curves where it can't."""
    if _schema(result) != "rftools.erf-comparison":
        return None
    if suffix == ".gif" or (suffix == ".html" and len(result.labels) > 2):
        return "animation"
    return "curves" if len(result.labels) > 2 else None


def _content(scene: Scene | Film, suffix: str, name: str) -> bytes:
    if suffix == ".html":
        return _html(scene, name)
    if suffix != ".gif":
        return _static(scene.side_by_side() if isinstance(scene, Film) else scene, name, suffix)
    if not isinstance(scene, Film):
        raise RequestError("cannot draw that as .gif: only an animation moves (--plot animation)")
    return gif(scene, theme(name))


def svg(scene: Scene, theme: str = "light", salt: str = "rftools") -> str:
    """A scene as SVG text that keeps its words as text; the same scene and salt give the same bytes."""
    return _static(scene, theme, ".svg", salt).decode("utf-8")


def _static(scene: Scene, name: str, suffix: str, salt: str = "rftools") -> bytes:
    import matplotlib

    figure = _render(scene, "matplotlib", name)
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt, "pdf.fonttype": 42}):
        if suffix == ".svg":
            _lay_out(figure)
        figure.savefig(buffer, format=suffix.lower()[1:], dpi=160, facecolor="auto", metadata=_metadata(suffix.lower()))
    return buffer.getvalue()


def _lay_out(figure: Any) -> None:
    """Work the layout out once and for all: `savefig` would draw the whole figure once more to that end."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)  # "none" leaves a placeholder, which `savefig` takes for one


def _metadata(suffix: str) -> dict[str, Any]:
    known: dict[str, dict[str, Any]] = {
        ".png": {"Software": "rftools"},
        ".svg": {"Date": None},
        ".pdf": {"CreationDate": None},
    }
    return known[suffix]


def _html(scene: Scene | Film, name: str) -> bytes:
    import html

    colours = theme(name).colour
    figure = _render(scene, "plotly", name)
    body = figure.to_html(
        full_html=False, include_plotlyjs=True, div_id="figure", auto_play=False, config={"displaylogo": False}
    )
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(_title(scene))}</title>"
        f"<style>body{{margin:1rem;background:{colours('background')};color:{colours('text')};"
        f"font-family:{', '.join(FONTS)}}}p{{max-width:70ch}}</style></head>"
        f"<body><main>{body}<p>{html.escape(scene.caption)}</p></main></body></html>\n"
    )
    return page.encode("utf-8")


def _title(scene: Scene | Film) -> str:
    first = scene.scenes[0] if isinstance(scene, Film) else scene
    return first.title or first.panels[0].title


def _schema(result: Any) -> str:
    name = getattr(type(result), "SCHEMA", (None,))[0]
    if name in KINDS:
        return str(name)
    several = f"{getattr(type(result[0]), 'SCHEMA', ('',))[0]}, several" if _is_list(result) else ""
    if several in KINDS and len({type(entry) for entry in result}) == 1:
        return several
    if isinstance(result, Sequence) and all(isinstance(entry, Mapping) for entry in result):
        return "history"
    raise RequestError(
        f"a {type(result).__name__} cannot be drawn; plot takes what an analysis returned, or a training history"
    )


def _is_list(result: Any) -> bool:
    return isinstance(result, (list, tuple)) and len(result) > 0
