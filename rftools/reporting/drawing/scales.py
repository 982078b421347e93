"""Axes of a chart on the page: where values lie, and which are named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rftools.plots.ranges import shown
from rftools.plots.scene import Panel, PlotAxis, short

LETTER = 6.6  # pixels that a letter of the page's small text takes at most, on average


@dataclass(frozen=True)
class AxisScale:
    """Values from ``low`` to ``high`` on pixels from ``begin`` to ``end``, evenly or by their logarithm."""

    low: float
    high: float
    begin: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Where a value lies.

        >>> AxisScale(0, 10, 100, 0)(2.5), AxisScale(1, 100, 0, 10, log=True)(10)
        (75.0, 5.0)
        """
        low, high, at = (self.low, self.high, value)
        if self.log:
            low, high, at = (math.log10(max(each, 1e-300)) for each in (low, high, value))
        share = (at - low) / ((high - low) or 1.0)
        return self.begin + share * (self.end - self.begin)


def scale(panel: Panel, axis: str, begin: float, end: float) -> AxisScale:
    """One axis of a panel, its ends swapped where it is reversed."""
    own = panel.x if axis == "x" else panel.y
    low, high = shown(panel, axis)
    ends = (end, begin) if own.reversed else (begin, end)
    return AxisScale(min(low, high), max(low, high), *(ends if low <= high else ends[::-1]), log=own.log)


def ticks(axis: PlotAxis, low: float, high: float, most: int) -> list[tuple[float, str]]:
    """The values that are named, at most about ``most``: those that the axis asks for, else round ones.

    >>> ticks(PlotAxis(), 0.0, 31.0, 5)
    [(0.0, '0'), (10.0, '10'), (20.0, '20'), (30.0, '30')]
    >>> ticks(PlotAxis(log=True), 2.0, 400.0, 5)
    [(10.0, '10'), (100.0, '100')]
    """
    if not axis.visible:
        return []
    if axis.ticks is not None:
        inside = [(at, text) for at, text in axis.ticks if min(low, high) <= at <= max(low, high)]
        step = max(1, -(-len(inside) // max(1, most)))
        return [(at, short(text, 24)) for at, text in inside[::step]]
    found = _decades(low, high) if axis.log else _round(low, high, most, whole=axis.integer)
    return [(value, f"{value:,.6g}") for value in found]


def _round(low: float, high: float, most: int, *, whole: bool) -> Sequence[float]:
    from matplotlib.ticker import MaxNLocator

    found = MaxNLocator(nbins=most, steps=[1, 2, 5, 10], integer=whole).tick_values(low, high)
    slack = 1e-9 * abs(high - low)
    return [0.0 if abs(value) < slack else float(value) for value in found if low - slack <= value <= high + slack]


def _decades(low: float, high: float) -> Sequence[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    tens = [10.0**power for power in range(first, last + 1)]
    if len(tens) > 1:
        return tens[:: max(1, len(tens) // 6)]
    fine = [factor * 10.0**power for power in range(first - 1, last + 2) for factor in (1, 2, 5)]
    return [value for value in fine if low <= value <= high]
