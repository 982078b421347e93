"""Figures of the page: a result's drawings, and the colours that they take from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rftools.errors import RequestError
from rftools.plots import describe
from rftools.plots.scene import Scene
from rftools.plots.sequences import of_samples
from rftools.plots.theme import FONTS, THEMES
from rftools.reporting.drawing.chart import chart
from rftools.reporting.texts import of_sequences


@dataclass(frozen=True)
class Figure:
    """A drawing ready for the page: its markup, its caption, and an anchor."""

    key: str
    markup: str
    caption: str
    wide: bool


def themed(scene: Scene) -> str:
    """The scene for a page: colours by role, so that one drawing serves light and dark, with a text alternative."""
    shown = of_samples(scene) if of_sequences() else scene
    return chart(shown, shown.alt or shown.title)


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
        found.append(Figure(f"{part}-{kind}", themed(scene), scene.caption, wide=scene.columns > 1))
    return found
