"""A drawing as an interactive page of its own: as wide as the window, light or dark as the reader's system is."""

from __future__ import annotations

import html
import json

from rftools.plots.api import render
from rftools.plots.film import Film
from rftools.plots.scene import Scene
from rftools.plots.theme import FONTS, THEMES, theme

#: Colours are found by their text, which no two roles share, and replaced when the system's wish changes.
SWITCH = """
const pairs = PAIRS, figure = document.getElementById("figure"), wish = matchMedia("(prefers-color-scheme: dark)");
const own = JSON.stringify([figure.data, figure.layout]);
function dress() {
  let text = own;
  if (wish.matches) for (const [light, dark] of pairs) text = text.split(light).join(dark);
  const [data, layout] = JSON.parse(text);
  Plotly.react(figure, data, layout);
}
if (wish.matches) dress();
wish.addEventListener("change", dress);
"""


def page(scene: Scene | Film, name: str | None) -> bytes:
    """The page, in one theme or (``None``) in the one that the system asks for."""
    figure = render(scene, "plotly", name or "light")
    figure.update_layout(width=None, autosize=True)
    body = figure.to_html(
        full_html=False,
        include_plotlyjs=True,
        div_id="figure",
        auto_play=False,
        config={"displaylogo": False, "responsive": True},
    )
    switch = (
        "" if name or isinstance(scene, Film) else f"<script>{SWITCH.replace('PAIRS', json.dumps(pairs()))}</script>"
    )
    text = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(_title(scene))}</title><style>{_style(name, bool(switch))}</style></head>"
        f"<body><main>{body}<p>{html.escape(scene.caption)}</p></main>{switch}</body></html>\n"
    )
    return text.encode("utf-8")


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


def _style(name: str | None, follows: bool) -> str:
    def colours(which: str) -> str:
        own = theme(which).colour
        return f"body{{background:{own('background')};color:{own('text')}}}"

    dark = f"@media(prefers-color-scheme:dark){{{colours('dark')}}}" if follows else ""
    shape = f"body{{margin:1rem;font-family:{', '.join(FONTS)}}}p{{max-width:70ch}}"
    return f"{shape}{colours(name or 'light')}{dark}"


def _title(scene: Scene | Film) -> str:
    first = scene.scenes[0] if isinstance(scene, Film) else scene
    return first.title or first.panels[0].title
