"""Drawings as an interactive page of their own: as wide as the window, light or dark as the reader's system is.

Of plotly.js the page holds the part that our drawings are made of, see `library`: a quarter of the whole.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from importlib import resources

from rftools.plots.api import render
from rftools.plots.film import Film
from rftools.plots.scene import Scene
from rftools.plots.theme import FONTS, THEMES, theme

LEAST = 0.7  # of the width that several panels are laid out for: a narrower window scrolls them
MOST = 1.8  # times that width: a wider one leaves the rest empty

#: Colours are found by their text, which no two roles share, and replaced when the system's wish changes.
VIEW = """
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const pairs = read("pairs"), own = read("drawings").map((each) => JSON.stringify(each));
const dark = matchMedia("(prefers-color-scheme: dark)"), narrow = matchMedia("(max-width: 40rem)");
const rooms = [...document.querySelectorAll(".drawing")];
const dress = async () => {
  for (const [i, room] of rooms.entries()) {
    let text = own[i];
    if (dark.matches) for (const [light, other] of pairs) text = text.split(light).join(other);
    const { data, layout, frames } = JSON.parse(text);
    const alone = !Object.keys(layout).some((name) => /^[xy]axis2|^polar2/.test(name));
    if (narrow.matches && alone) {
      layout.legend = { ...layout.legend, orientation: "h", x: 0, y: 0, yref: "container", yanchor: "bottom" };
      layout.height += 60;
    }
    await Plotly.react(room, { data, layout, frames, config: { displaylogo: false, responsive: true } });
  }
  document.documentElement.dataset.ready = "";
};
for (const wish of [dark, narrow]) wish.addEventListener("change", dress);
dress();
"""


def page(drawings: Sequence[Scene | Film], name: str | None) -> bytes:
    """The page of one drawing or several, in one theme or (``None``) in the one that the system asks for."""
    figures = [render(drawing, "plotly", name or "light") for drawing in drawings]
    for figure in figures:
        figure.update_layout(width=None, autosize=True)
    shown = "".join(_figure(drawing, place) for place, drawing in enumerate(drawings))
    scripts = [_library(), VIEW]
    text = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{_policy(scripts)}'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(_title(drawings[0]))}</title><style>{_style(name)}</style></head>"
        f"<body><main>{shown}</main>"
        f"{_data('pairs', json.dumps([] if name else pairs()))}"
        f"{_data('drawings', '[' + ','.join(figure.to_json() for figure in figures) + ']')}"
        f"{''.join(f'<script>{script}</script>' for script in scripts)}</body></html>\n"
    )
    return text.encode("utf-8", errors="backslashreplace")  # names of files may hold bytes that are none


def _figure(drawing: Scene | Film, place: int) -> str:
    """The room of a drawing, as wide as the window within bounds, and what is said below it."""
    scene = _first(drawing)
    native = scene.columns * scene.size[0] + 60
    least = f"min-width:{LEAST * native:.0f}px;" if scene.columns > 1 else ""
    key = "figure" if place == 0 else f"figure-{place + 1}"
    label = html.escape(scene.alt or _title(drawing))
    style = f"{least}max-width:{MOST * native:.0f}px"
    return (
        f'<figure><div class="frame" tabindex="0" role="group" aria-label="{label}">'
        f'<div class="drawing" id="{key}" style="{style}"></div></div>'
        f"<figcaption>{html.escape(drawing.caption)}</figcaption></figure>"
    )


def pairs() -> list[tuple[str, str]]:
    """Each light colour with its dark one, as plotly is given them: ``#rrggbb``, and where translucent ``rgba(r,g,b,``.

    >>> pairs()[0]
    ('#ffffff', '#14171b')
    """
    light, dark = THEMES["light"].colours, THEMES["dark"].colours
    whole = [(light[role], dark[role]) for role in light]
    return whole + [(_open(first), _open(second)) for first, second in whole]


def _open(colour: str) -> str:
    return "rgba({},{},{},".format(*(int(colour[i : i + 2], 16) for i in (1, 3, 5)))


def _library() -> str:
    return resources.files("rftools.plots").joinpath("library", "plotly.min.js").read_text(encoding="utf-8")


def _data(key: str, text: str) -> str:
    """JSON that can stand inside a script element whatever names it holds."""
    escaped = text.replace("<", "\\u003c")
    return f'<script type="application/json" id="{key}">{escaped}</script>'


def _policy(scripts: Sequence[str]) -> str:
    """The page runs its own scripts and nothing else, and loads nothing."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") for text in scripts]
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    rules = f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src {allowed}; base-uri 'none'"
    return f'<meta http-equiv="Content-Security-Policy" content="{rules}">'


def _style(name: str | None) -> str:
    def colours(which: str) -> str:
        own = theme(which).colour
        return f"body{{background:{own('background')};color:{own('text')};color-scheme:{which}}}"

    dark = "" if name else f"@media(prefers-color-scheme:dark){{{colours('dark')}}}"
    shape = (
        f"body{{margin:1rem;font-family:{', '.join(FONTS)}}}figure{{margin:0 0 2rem}}"
        ".frame{overflow-x:auto}figcaption{max-width:70ch;line-height:1.5}"
    )
    return f"{shape}{colours(name or 'light')}{dark}"


def _title(drawing: Scene | Film) -> str:
    first = _first(drawing)
    return first.title or first.panels[0].title or "rftools"


def _first(drawing: Scene | Film) -> Scene:
    return drawing.scenes[0] if isinstance(drawing, Film) else drawing
