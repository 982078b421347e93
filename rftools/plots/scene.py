"""A drawing before any library draws it: panels of marks in data coordinates, colours as roles.

Builders make scenes from results, back ends turn scenes into figures, tests read scenes. A mark holds plain
numbers and arrays only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Numbers = tuple[float, ...]
Extent = tuple[float, float, float, float]  # left, right, top, bottom
Dash = Literal["solid", "dash", "dot"]


@dataclass(frozen=True)
class Mark:
    """Base of all marks; ``label`` puts it into the legend."""

    colour: str = "series-1"
    label: str | None = None


@dataclass(frozen=True)
class Line(Mark):
    """A poly-line through (x, y); NaN in ``y`` breaks it. In polar panels x is the angle in degrees."""

    x: Numbers = ()
    y: Numbers = ()
    dash: Dash = "solid"
    markers: bool = False
    hover: tuple[str, ...] = ()


@dataclass(frozen=True)
class Points(Mark):
    """Symbols at (x, y)."""

    x: Numbers = ()
    y: Numbers = ()
    symbol: Literal["circle", "cross", "open"] = "circle"
    hover: tuple[str, ...] = ()


@dataclass(frozen=True)
class Band(Mark):
    """The area between ``low`` and ``high`` over ``x``: an interval."""

    x: Numbers = ()
    low: Numbers = ()
    high: Numbers = ()
    opacity: float = 0.22


@dataclass(frozen=True)
class Bars(Mark):
    """Bars of ``width`` around ``x``; along the x axis where ``horizontal``."""

    x: Numbers = ()
    heights: Numbers = ()
    width: float = 0.8
    horizontal: bool = False
    hover: tuple[str, ...] = ()


@dataclass(frozen=True)
class PolarBars(Mark):
    """Sectors between consecutive ``edges`` (degrees, counter-clockwise from x) with ``radii``."""

    edges: Numbers = ()
    radii: Numbers = ()
    hover: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Heatmap(Mark):
    """``values[row, column]`` as colour over ``extent``, row 0 at the top; NaN stays blank."""

    values: NDArray[np.float64] | None = None
    extent: Extent = (0, 1, 0, 1)
    limits: tuple[float, float] | None = None
    bar: str | None = None  # the colour bar's label
    diverging: bool = False  # colours that part at zero
    falling: bool = False  # the smallest value is the brightest
    ticks: Numbers = ()  # of the colour bar


@dataclass(frozen=True, eq=False)
class Image(Mark):
    """``pixels[row, column, rgb]`` (uint8) over ``extent``, row 0 at the top."""

    pixels: NDArray[np.uint8] | None = None
    extent: Extent = (0, 1, 0, 1)


@dataclass(frozen=True, eq=False)
class Mask(Mark):
    """A translucent layer of ``colour`` where ``values[row, column]`` is true."""

    values: NDArray[np.bool_] | None = None
    extent: Extent = (0, 1, 0, 1)
    opacity: float = 0.45


@dataclass(frozen=True)
class Rect(Mark):
    """An unfilled rectangle over ``extent``."""

    extent: Extent = (0, 1, 0, 1)
    dash: Dash = "solid"


@dataclass(frozen=True)
class Ellipse(Mark):
    """An unfilled ellipse; ``angle`` in degrees counter-clockwise as seen, with y drawn downwards."""

    centre: tuple[float, float] = (0, 0)
    radii: tuple[float, float] = (1, 1)
    angle: float = 0.0


@dataclass(frozen=True)
class ReferenceLine(Mark):
    """A line across the whole panel at ``value`` of the axis ``axis``."""

    value: float = 0.0
    axis: Literal["x", "y"] = "y"
    dash: Dash = "dash"


@dataclass(frozen=True)
class Text(Mark):
    """A word at (x, y) in data coordinates."""

    text: str = ""
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True)
class PlotAxis:
    """One axis: what it measures, in which unit, and its ticks where they are not numbers.

    Without ``limits`` it shows all that its panel holds, shares in per cent from 0 to 100, sizes from 0 with ``zero``.
    """

    label: str = ""
    unit: str | None = None
    log: bool = False
    limits: tuple[float, float] | None = None
    ticks: tuple[tuple[float, str], ...] | None = None
    reversed: bool = False
    integer: bool = False
    zero: bool = False
    visible: bool = True

    @property
    def title(self) -> str:
        """The label with its unit.

        >>> PlotAxis("field", "px").title
        'field (px)'
        """
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """One of the things that a panel counts, as a small picture ``pixels[row, column, rgb]``, and its words."""

    pixels: NDArray[np.uint8]
    words: str


@dataclass(frozen=True)
class Panel:
    """One set of axes. ``equal`` makes a unit of x as long as a unit of y."""

    title: str = ""
    x: PlotAxis = PlotAxis()
    y: PlotAxis = PlotAxis()
    marks: tuple[Mark, ...] = ()
    equal: bool = False
    polar: bool = False
    half: bool = False  # of a polar panel: the upper half circle
    legend: bool = True
    examples: tuple[Thumbnail, ...] = ()  # what the panel counts: a page shows them on hover and focus


M = TypeVar("M", bound=Mark)
T = TypeVar("T")


@dataclass(frozen=True)
class Scene:
    """Panels on a grid of ``columns``, read row by row; ``size`` is one panel's (width, height) in pixels at 96/inch.

    ``caption`` says what to see, ``alt`` what is there for those who can't.
    """

    panels: tuple[Panel, ...]
    columns: int = 1
    size: tuple[int, int] = (720, 380)
    title: str = ""
    caption: str = ""
    alt: str = ""

    @property
    def rows(self) -> int:
        return -(-len(self.panels) // self.columns)

    def marks(self, kind: type[M]) -> Iterator[M]:
        """All marks of one kind, panel by panel."""
        for panel in self.panels:
            for mark in panel.marks:
                if isinstance(mark, kind):
                    yield mark


def numbers(values: Any) -> Numbers:
    """Anything iterable as a tuple of floats; None becomes NaN, which is drawn as a gap.

    >>> numbers([1, None])
    (1.0, nan)
    """
    return tuple(float("nan") if value is None else float(value) for value in values)


def banded(x: Numbers, colour: str, label: str | None, found: Iterable[Sequence[float | None]]) -> list[Mark]:
    """A line of values over the band of their intervals: of each step its value, lower and upper limit.

    >>> [type(mark).__name__ for mark in banded((0.0,), "series-1", "R", [(0.5, 0.4, 0.6)])]
    ['Band', 'Line']
    """
    values, low, high = (numbers(own) for own in zip(*found, strict=True))
    return [
        Band(colour=colour, x=x, low=low, high=high),
        Line(colour=colour, label=label, x=x, y=values, markers=True),
    ]


def short(name: str, most: int = 28) -> str:
    """A name that fits a tick: the middle of a long one is left out; control characters are shown, not obeyed.

    >>> short("a" * 40, 9)
    'aaaa…aaaa'
    >>> short("")
    '(model)'
    """
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name) or "(model)"
    if len(shown) <= most:
        return shown
    head = (most - 1) // 2
    return f"{shown[: most - 1 - head]}…{shown[-head:]}"


def layer_ticks(names: list[str], most: int = 24) -> tuple[tuple[float, str], ...]:
    """Ticks that name layers 0, 1, ...; every k-th where there are more than ``most``.

    >>> layer_ticks(["a", "b", "c"], 2)
    ((0.0, 'a'), (2.0, 'c'))
    """
    step = max(1, -(-len(names) // most))
    return tuple((float(i), short(names[i])) for i in range(0, len(names), step))


def layer_axis(names: Sequence[str]) -> PlotAxis:
    """The axis of layers 0, 1, ... by name.

    >>> layer_axis(["conv1", "conv2"]).limits
    (-0.5, 1.5)
    """
    return PlotAxis("layer", ticks=layer_ticks(list(names)), limits=(-0.5, max(1, len(names)) - 0.5))


def even(items: Sequence[T], most: int) -> list[T]:
    """At most ``most`` of the items, evenly chosen, the first and the last among them.

    >>> even(range(10), 4)
    [0, 3, 6, 9]
    """
    return [items[round(i)] for i in np.linspace(0, len(items) - 1, min(most, len(items)))]


def of_all(shown: Sequence[object], items: Sequence[object], what: str = "layers") -> str:
    """How many of all are shown, as a caption's last words; nothing where all are.

    >>> of_all([1], [1, 2])
    ' 1 of 2 layers.'
    """
    return f" {len(shown)} of {len(items)} {what}." if len(shown) < len(items) else ""
