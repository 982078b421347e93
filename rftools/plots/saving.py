"""`save`: a result as a file, PNG, SVG, PDF, GIF or HTML."""

from __future__ import annotations

import inspect
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rftools.errors import RequestError
from rftools.files import atomic_write, check_writable
from rftools.plots.api import built, render
from rftools.plots.film import Film, gif
from rftools.plots.kinds import drawings, schema_of
from rftools.plots.page import page
from rftools.plots.scene import Scene
from rftools.plots.theme import theme

STATIC = (".png", ".svg", ".pdf")
FORMATS = (*STATIC, ".html")


def check_format(path: str | Path) -> None:
    """Raise `RequestError` unless ``path`` ends in a format that `save` writes.

    >>> check_format("field.svg")
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        given = f"it ends in {suffix}" if suffix else "it has no suffix"
        raise RequestError(f"cannot draw {path}: {given}; the formats are {', '.join(FORMATS)}")


def save(
    result: Any,
    path: str | Path,
    *,
    kind: str | Sequence[str] | None = None,
    theme: str | None = None,
    **options: Any,
) -> None:
    """Draw ``result`` into a file: ``.png .svg .pdf`` by matplotlib, ``.html`` (interactive, self-contained) by plotly.

    Without a ``theme``, pictures are light, and a page is light or dark as the reader's system is. Several kinds, in a
    list or by commas, stand under each other on one page; each takes those options that are its own.

    Raises:
        RequestError: another suffix, a path that cannot be written, or what `plot` raises.
    """
    suffix = Path(path).suffix.lower()
    moving = schema_of(result) == "rftools.erf-comparison" and suffix == ".gif"
    if not moving:
        check_format(path)
    check_writable(path)
    asked: list[str | None] = [*several(kind)] or [_usual(result, suffix)]
    if len(asked) > 1 and suffix != ".html":
        raise RequestError(f"several drawings ({', '.join(map(str, asked))}) need a page, .html; {path} holds one")
    drawn = [built(result, each, **_own(result, each, options, asked)) for each in asked]
    content = page(drawn, theme) if suffix == ".html" else _content(drawn[0], suffix, theme)
    with atomic_write(path) as stream:
        stream.write(content)


def several(kind: str | Sequence[str] | None) -> list[str]:
    """The kinds that are asked for, in a list or by commas.

    >>> several("map, growth"), several(None)
    (['map', 'growth'], [])
    """
    asked = kind.split(",") if isinstance(kind, str) else kind or ()
    return list(dict.fromkeys(each.strip() for each in asked))


def _own(result: Any, kind: str | None, options: dict[str, Any], asked: Sequence[str | None]) -> dict[str, Any]:
    """The options of a drawing: of several each takes its own, and none may belong to no drawing."""
    if len(asked) == 1:
        return options
    known = drawings(schema_of(result))
    takes = {each: inspect.signature(known[each]).parameters for each in asked if each and each in known}
    for name in options:
        if not any(name in each for each in takes.values()):
            raise RequestError(f"none of the plots {', '.join(map(str, asked))} has an option {name!r}")
    return {name: value for name, value in options.items() if name in takes.get(kind or "", ())}


def _usual(result: Any, suffix: str) -> str | None:
    """What a file is drawn as where nothing is said: a series moves where it can, and is curves where it can't."""
    if schema_of(result) != "rftools.erf-comparison":
        return None
    if suffix == ".gif" or (suffix == ".html" and len(result.labels) > 2):
        return "animation"
    return "curves" if len(result.labels) > 2 else None


def _content(scene: Scene | Film, suffix: str, name: str | None) -> bytes:
    name = name or "light"
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

    figure = render(scene, "matplotlib", name)
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
