"""Polar panels as SVG: angles in degrees counter-clockwise from x, a half or a full circle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rftools.plots import scene as sc
from rftools.reporting.drawing.chart_marks import BAR_EDGE, Cartesian, rimmed, symbol
from rftools.reporting.drawing.elements import colour, hover_at, path, said, tag, words
from rftools.reporting.drawing.scales import AxisScale

ROOM = 26  # around the circle, for the angles' names


@dataclass(frozen=True)
class Polar(Cartesian):
    """Draws marks whose x is an angle and whose y is a radius, ``x`` and ``y`` being the scales of the plane."""

    def place(self, x: float, y: float) -> tuple[float, float]:
        turn = math.radians(x)
        return self.x(y * math.cos(turn)), self.y(y * math.sin(turn))

    def mark(self, mark: sc.Mark) -> str:
        if isinstance(mark, sc.PolarBars):
            return self.sectors(mark)
        if isinstance(mark, sc.Band):
            return self.ring(mark)
        if isinstance(mark, sc.Line):
            points = self.places(mark.x, mark.y)
            return rimmed(path(points), mark, dash=mark.dash) + hover_at(points, mark.hover)
        if isinstance(mark, sc.Points):
            return "".join(symbol(mark, *point) for point in self.places(mark.x, mark.y))
        if isinstance(mark, sc.ReferenceLine):
            return rimmed(path(self.arc(0, 360, mark.value)), mark, dash=mark.dash)
        found: str = super().mark(mark)
        return found

    def sectors(self, mark: sc.PolarBars) -> str:
        found = []
        for i, ((begin, end), radius) in enumerate(zip(pairwise(mark.edges), mark.radii, strict=True)):
            d = path([self.place(0, 0), *self.arc(begin, end, radius)], closed=True)
            hover = said(mark.hover[i]) if i < len(mark.hover) else ""
            edge = {"stroke": colour("background"), "stroke_width": 0.8}
            found.append(tag("path", hover, d=d, fill=colour(mark.colour), fill_opacity=str(BAR_EDGE), **edge))
        return "".join(found)

    def ring(self, mark: sc.Band) -> str:
        upper = self.fine(mark.x, mark.high)
        lower = self.fine(mark.x, mark.low)[::-1]
        area = path(upper + lower, closed=True)
        return tag("path", "", d=area, fill=colour(mark.colour), fill_opacity=str(mark.opacity))

    def fine(self, angles: Sequence[float], radii: Sequence[float]) -> list[tuple[float, float]]:
        """Points close enough that arcs look round."""
        found: list[tuple[float, float]] = []
        for (a, b), (r, s) in zip(pairwise(angles), pairwise(radii), strict=True):
            steps = max(2, round(abs(b - a) / 3))
            found += [self.place(t, u) for t, u in zip(np.linspace(a, b, steps), np.linspace(r, s, steps), strict=True)]
        return found

    def arc(self, begin: float, end: float, radius: float) -> list[tuple[float, float]]:
        steps = max(2, round(abs(end - begin) / 3) + 1)
        return [self.place(turn, radius) for turn in np.linspace(begin, end, steps)]


def polar_panel(panel: sc.Panel, width: float) -> tuple[str, float]:
    """A polar panel's drawing and its height."""
    outer = 1.0 if panel.y.limits is None else panel.y.limits[1]
    radius = width / 2 - ROOM
    top, left = ROOM - 6, width / 2 - radius
    middle = top + radius
    plane = Polar(
        AxisScale(-outer, outer, left, left + 2 * radius), AxisScale(-outer, outer, middle + radius, middle - radius)
    )
    last = 180 if panel.half else 360
    grid = [tag("path", "", d=path(plane.arc(0, last, outer)), class_="rule")]
    if panel.half:
        grid.append(tag("path", "", d=path([plane.place(180, outer), plane.place(0, outer)]), class_="rule"))
    for angle in range(0, last + 1 if panel.half else last, 45):
        x, y = plane.place(angle, outer * (1 + 13 / radius))
        grid.append(words(f"{angle}°", x, y + 4, text_anchor="middle", class_="tick"))
    drawn = "".join(plane.mark(mark) for mark in panel.marks)
    return "".join(grid) + drawn, (middle + ROOM - 4 if panel.half else middle + radius + ROOM)
