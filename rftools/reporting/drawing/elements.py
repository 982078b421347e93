"""SVG elements as text: what a chart on the page is written with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

DASHES = {"solid": "", "dash": "6 4", "dot": "1.5 3"}


def number(value: float) -> str:
    """A coordinate to a tenth of a pixel.

    >>> number(12.04), number(-0.01)
    ('12', '0')
    """
    return f"{round(float(value), 1) + 0.0:g}"


def tag(name: str, content: str = "", **attributes: object) -> str:
    """An element; underscores in attributes' names are hyphens, None leaves one out, numbers are coordinates.

    >>> tag("circle", "", r=2.04, class_="dot", text_anchor=None)
    '<circle r="2" class="dot"/>'
    """
    parts = []
    for key, value in attributes.items():
        if value is not None and value != "":
            shown = number(value) if isinstance(value, (int, float)) else escape(str(value))
            parts.append(f' {key.rstrip("_").replace("_", "-")}="{shown}"')
    return f"<{name}{''.join(parts)}>{content}</{name}>" if content else f"<{name}{''.join(parts)}/>"


def words(text: str, x: float, y: float, **attributes: object) -> str:
    """A line of text."""
    return tag("text", escape(clean(text)) or " ", x=x, y=y, **attributes)


def clean(text: str) -> str:
    """Text without what no page can hold: control characters are shown as such."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def said(text: str) -> str:
    """What is said on hover; nothing where there is nothing to say."""
    return tag("title", escape(clean(text.replace("<br>", "; ").replace("\n", "; ")))) if text else ""


def colour(role: str) -> str:
    """A role's colour, as the page's variables have it in each theme."""
    return f"var(--{role})"


def path(points: Iterable[tuple[float, float]], *, closed: bool = False) -> str:
    """A path through points; one that is not a number breaks it.

    >>> path([(0, 0), (1, 2), (float("nan"), 0), (3, 3)])
    'M0 0L1 2M3 3'
    """
    found, moved = [], True
    for x, y in points:
        if x != x or y != y:
            moved = True
            continue
        found.append(f"{'M' if moved else 'L'}{number(x)} {number(y)}")
        moved = False
    return "".join(found) + ("Z" if closed and found else "")


def stroke(role: str, *, dash: str = "solid", width: float = 2.0) -> dict[str, object]:
    """The attributes of a line in a role's colour."""
    return {"stroke": colour(role), "stroke_width": width, "stroke_dasharray": DASHES[dash], "fill": "none"}


def hover_at(points: Sequence[tuple[float, float]], texts: Sequence[str]) -> str:
    """Clear circles over points that say their texts."""
    pairs = zip(points, texts, strict=False)
    return "".join(
        tag("circle", said(text), class_="hover", cx=x, cy=y, r=7) for (x, y), text in pairs if x == x and y == y
    )
