"""What range an axis shows: all that its panel holds, the same in both libraries."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import singledispatch
from itertools import chain

from rftools.plots import scene as sc

MARGIN = 0.05  # of the span, on both sides


@singledispatch
def places(mark: sc.Mark, axis: str) -> Iterable[float]:
    """The values along ``axis`` (``"x"`` or ``"y"``) between which a mark lies."""
    raise TypeError(f"no range is known of a {type(mark).__name__}")


@places.register
def _(mark: sc.Line | sc.Points, axis: str) -> Iterable[float]:
    return mark.x if axis == "x" else mark.y


@places.register
def _(mark: sc.Band, axis: str) -> Iterable[float]:
    return mark.x if axis == "x" else chain(mark.low, mark.high)


@places.register
def _(mark: sc.Bars, axis: str) -> Iterable[float]:
    if (axis == "y") != mark.horizontal:
        return (0.0, *mark.heights)
    return chain.from_iterable((x - mark.width / 2, x + mark.width / 2) for x in mark.x)


@places.register
def _(mark: sc.Heatmap | sc.Image | sc.Mask | sc.Rect, axis: str) -> Iterable[float]:
    return mark.extent[:2] if axis == "x" else mark.extent[2:]


@places.register
def _(mark: sc.Ellipse, axis: str) -> Iterable[float]:
    """Between its two extremes: ``c ± sqrt((a cos t)² + (b sin t)²)`` along x, sine and cosine swapped along y."""
    turn = math.radians(mark.angle)
    parts = (math.cos(turn), math.sin(turn)) if axis == "x" else (math.sin(turn), math.cos(turn))
    reach = math.hypot(mark.radii[0] * parts[0], mark.radii[1] * parts[1])
    middle = mark.centre[0 if axis == "x" else 1]
    return middle - reach, middle + reach


@places.register
def _(mark: sc.ReferenceLine, axis: str) -> Iterable[float]:
    return (mark.value,) if mark.axis == axis else ()


@places.register
def _(mark: sc.Text, axis: str) -> Iterable[float]:
    return (mark.x,) if axis == "x" else (mark.y,)


def shown(panel: sc.Panel, axis: str) -> tuple[float, float]:
    """The ends of one axis of a panel: those that it asks for, else all marks with a margin.

    Shares in per cent are shown from 0 to 100, sizes that ask for it from 0; both reach further where a mark does.

    >>> shown(sc.Panel(marks=(sc.Line(x=(0, 1), y=(0, 10)),)), "y")
    (-0.5, 10.5)
    >>> shown(sc.Panel(y=sc.PlotAxis("zeros", "%"), marks=(sc.Line(x=(0, 1), y=(2.0, 2.5)),)), "y")
    (0.0, 103.0)
    """
    own = panel.x if axis == "x" else panel.y
    if own.limits is not None:
        return own.limits
    values = [value for mark in panel.marks for value in places(mark, axis) if math.isfinite(value)]
    if own.log:
        return _decades(value for value in values if value > 0)
    if not values:
        return (0.0, 1.0)
    if panel.equal or all(isinstance(mark, (sc.Heatmap, sc.Image)) for mark in panel.marks):
        return min(values), max(values)
    return _linear(own, values)


def _linear(axis: sc.PlotAxis, values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if axis.unit == "%" and low >= 0:
        return 0.0, 103.0 if high <= 100 else 1.03 * high
    margin = MARGIN * (high - low) or 0.5
    if axis.zero and low >= 0:
        return 0.0, (1 + MARGIN) * high or 1.0
    return (0.0 if low == 0 and axis.zero else low - margin), high + margin


def _decades(values: Iterator[float]) -> tuple[float, float]:
    found = list(values) or [1.0, 10.0]
    low, high = min(found), max(found)
    room = (high / low) ** MARGIN if high > low else 2.0
    return low / room, high * room
