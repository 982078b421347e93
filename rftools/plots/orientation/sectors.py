"""Directions as sectors of a half circle, against what chance gives, with the mean axis where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.plots.scene import Band, Line, Mark, Panel, PlotAxis, PolarBars, numbers

if TYPE_CHECKING:
    from rftools.weights.statistics.expected import Expected

SMALL = 0.05  # q (or p) below which a layer is said to prefer a direction
WIDEST = 90  # degrees: a mean axis whose interval is wider says nothing
STEP = 1.5  # degrees between the points of an arc
Counts = Sequence[float]


@dataclass(frozen=True)
class Directions:
    """A histogram of axial angles, with the mean axis (angle, low, high, resultant; degrees) and its q or p value."""

    what: str
    edges: Counts
    counts: Counts
    chance: Expected | None = None
    mean: tuple[float, float | None, float | None, float] | None = None
    surprise: float | None = None

    @property
    def preferred(self) -> bool:
        """Whether the directions are more alike than chance makes them."""
        return self.surprise is not None and self.surprise < SMALL

    def radii(self, counts: Counts) -> NDArray[np.float64]:
        """Roots of densities relative to an even spread, so that areas are true: 1 everywhere where it is even."""
        share = np.asarray(counts, dtype=np.float64) / max(1.0, float(np.sum(self.counts)))
        return np.asarray(np.sqrt(180.0 * share / np.diff(self.edges)))


def rose_of(found: Directions, title: str, *, full: bool = False) -> Panel:
    """The panel: the upper half circle, or the ``full`` one, whose lower half mirrors it (an axis has no direction)."""
    radii = found.radii(found.counts)
    high = found.radii(found.chance.high) if found.chance else np.ones(1)
    outer = 1.08 * float(max(1.07, radii.max(initial=0.0), high.max(initial=0.0)))
    edges, own = _around(found.edges, radii, full)
    places = _around(found.edges, np.arange(len(radii), dtype=np.float64), full)[1]
    hover = tuple(_words(found, int(place)) for place in places)
    colour = "series-1" if found.preferred else "muted"
    marks: list[Mark] = [
        *_envelope(found, full),
        PolarBars(colour=colour, label=found.what, edges=numbers(edges), radii=numbers(own), hover=hover),
        *_expected(found, full),
        *_mean_axis(found, outer, full),
    ]
    y = PlotAxis(limits=(0.0, outer), ticks=((1.0, ""),))
    return Panel(title=title, y=y, marks=tuple(marks), polar=True, half=not full)


def _around(edges: Counts, values: NDArray[np.float64], full: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bins over 0 to 180 degrees, one that reaches over 0 in two parts, or over the full circle.

    >>> _around((-45.0, 45.0, 135.0), np.array([1.0, 2.0]), False)[0].tolist()
    [0.0, 45.0, 135.0, 180.0]
    >>> _around((0.0, 90.0, 180.0), np.array([1.0, 2.0]), True)[1].tolist()
    [1.0, 2.0, 1.0, 2.0]
    """
    ends = np.asarray(edges, dtype=np.float64)
    if full:
        return np.concatenate([ends, ends[1:] + 180.0]), np.concatenate([values, values])
    if ends[0] >= 0:
        return ends, values
    return np.concatenate([[0.0], ends[1:], [180.0]]), np.concatenate([values, values[:1]])


def _stairs(found: Directions, counts: Counts, full: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Angles and radii of a histogram's outline, in steps small enough to be arcs."""
    edges, radii = _around(found.edges, found.radii(counts), full)
    arcs = [np.linspace(a, b, max(2, round((b - a) / STEP))) for a, b in pairwise(edges)]
    return np.concatenate(arcs), np.repeat(radii, [len(arc) for arc in arcs])


def _envelope(found: Directions, full: bool) -> list[Mark]:
    if found.chance is None:
        return []
    x, low = _stairs(found, found.chance.low, full)
    _, high = _stairs(found, found.chance.high, full)
    return [Band(colour="series-3", label="chance, 95 %", x=numbers(x), low=numbers(low), high=numbers(high))]


def _expected(found: Directions, full: bool) -> list[Mark]:
    """What the lattice gives on average, or an even spread where that is not known."""
    if found.chance is not None:
        x, y = _stairs(found, found.chance.mean, full)
        return [Line(colour="series-3", label="random taps, mean", x=numbers(x), y=numbers(y))]
    circle = numbers(range(0, 361 if full else 181, 3))
    return [Line(colour="muted", label="even spread", x=circle, y=(1.0,) * len(circle), dash="dot")]


def _mean_axis(found: Directions, outer: float, full: bool) -> list[Mark]:
    """A line as long as the resultant, and its interval as a band on the rim; nothing where it means nothing."""
    if found.mean is None or not found.preferred:
        return []
    angle, low, high, resultant = found.mean
    length = outer * resultant
    ends = (angle + 180.0, angle, angle) if full else (angle, angle)
    reach = (length, 0.0, length) if full else (0.0, length)
    marks: list[Mark] = [Line(colour="series-2", label="mean axis, as long as R", x=ends, y=reach)]
    if low is None or high is None or high - low >= WIDEST:
        return marks
    for start, label in _turns(low, high, full):
        x = start + np.linspace(0, high - low, 40)
        x = x if full else x[(x >= 0) & (x <= 180)]
        rim = ((0.95 * outer,) * len(x), (outer,) * len(x))
        marks.append(Band(colour="series-2", label=label, x=numbers(x), low=rim[0], high=rim[1], opacity=0.9))
    return marks


def _turns(low: float, high: float, full: bool) -> list[tuple[float, str | None]]:
    """Where the interval begins, at both ends of the axis; on a half circle those that it shows."""
    starts = [low, low + 180] if full else [s for s in (low - 180, low, low + 180) if s < 180 and s + high - low > 0]
    return [(start, None if i else "95 % interval of the axis") for i, start in enumerate(starts)]


def _words(found: Directions, place: int) -> str:
    """A bin in a sentence: what is there, and what chance gives."""
    count, share = found.counts[place], found.counts[place] / max(1.0, float(np.sum(found.counts)))
    said = f"{found.edges[place]:g} to {found.edges[place + 1]:g}°: {count:g} {found.what} ({100 * share:.1f} %)"
    if found.chance is None:
        return said
    return f"{said}; random taps give {found.chance.low[place]:.0f} to {found.chance.high[place]:.0f}"
