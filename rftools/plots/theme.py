"""The design tokens: one set of colours, sizes and fonts for matplotlib, plotly and the report's style sheet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rftools.errors import RequestError, closest

#: Family names in order of preference; matplotlib brings the last one along.
FONTS = ("Inter", "Segoe UI", "Helvetica Neue", "Arial", "DejaVu Sans")
#: Perceptually uniform, readable in grey and with any colour blindness.
COLOURMAP = "cividis"
#: Purple below zero, orange above, told apart with any colour blindness (ColorBrewer).
DIVERGING = "PuOr_r"


@dataclass(frozen=True)
class Theme:
    """Colours by role. A mark names a role, never a colour, so that one scene serves both themes.

    ``series-N`` follow Okabe and Ito's palette (doi:10.1038/nmeth.1618 discusses it), darkened or lightened where
    needed so that each stands out at 3:1 or more against its background (WCAG 2.2, 1.4.11).
    """

    name: str
    colours: Mapping[str, str]

    def colour(self, role: str) -> str:
        """The hexadecimal colour of a role.

        >>> THEMES["light"].colour("series-1")
        '#0072b2'
        """
        return self.colours[role]


ROLES = (
    "background",
    "surface",
    "text",
    "muted",
    "grid",
    "series-1",
    "series-2",
    "series-3",
    "series-4",
    "series-5",
    "series-6",
    "overlay",
    "overlay-2",
    "overlay-3",
    "over-dark",
    "over-light",
)
#: Roles of lines over maps, and the role of the rim that each is drawn with.
RIMS = {"over-dark": "over-light", "overlay-3": "over-dark"}
SERIES = tuple(role for role in ROLES if role.startswith("series-"))

THEMES: Mapping[str, Theme] = {
    "light": Theme(
        "light",
        {
            "background": "#ffffff",
            "surface": "#f5f6f8",
            "text": "#1a1d21",
            "muted": "#565d66",
            "grid": "#dadee3",
            "series-1": "#0072b2",
            "series-2": "#c75300",
            "series-3": "#007d5b",
            "series-4": "#a8478a",
            "series-5": "#8a6d00",
            "series-6": "#3d4752",
            "overlay": "#ff3b1f",
            "overlay-2": "#ffd23f",
            "overlay-3": "#e6007e",
            "over-dark": "#fdfdfe",
            "over-light": "#101215",
        },
    ),
    "dark": Theme(
        "dark",
        {
            "background": "#14171b",
            "surface": "#1d2126",
            "text": "#eceff3",
            "muted": "#a5aeb9",
            "grid": "#353c45",
            "series-1": "#56b4e9",
            "series-2": "#f0813a",
            "series-3": "#2fbf92",
            "series-4": "#dc8fc0",
            "series-5": "#e6c229",
            "series-6": "#c3cbd4",
            # drawn over pictures and heat maps, which look alike in both themes
            "overlay": "#ff3b20",
            "overlay-2": "#ffd240",
            "overlay-3": "#e6007f",
            "over-dark": "#fdfdff",
            "over-light": "#101216",
        },
    ),
}


def theme(name: str) -> Theme:
    """The theme called ``name``.

    Raises:
        RequestError: there is none of that name.
    """
    if name not in THEMES:
        raise RequestError(f"no theme {name!r}{closest(name, THEMES)}; the themes are {', '.join(THEMES)}")
    return THEMES[name]


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` as WCAG 2 defines it, 0 black to 1 white.

    >>> luminance("#ffffff")
    1.0
    """
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours as WCAG 2 defines it, 1 to 21.

    >>> contrast("#000000", "#ffffff")
    21.0
    """
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)
