"""Each kind of mark as SVG, between the scales of its panel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rftools.plots import scene as sc
from rftools.plots.theme import COLOURMAP, DIVERGING, RIMS, THEMES
from rftools.reporting.drawing.elements import colour, hover_at, path, said, stroke, tag, words
from rftools.reporting.drawing.pictures import data_url
from rftools.reporting.drawing.scales import AxisScale

BAR_EDGE = 0.75  # opacity of sectors, through which what lies behind them is seen


@dataclass(frozen=True)
class Cartesian:
    """Draws marks between two scales."""

    x: AxisScale
    y: AxisScale

    def place(self, x: float, y: float) -> tuple[float, float]:
        return self.x(x), self.y(y)

    def places(self, x: Sequence[float], y: Sequence[float]) -> list[tuple[float, float]]:
        return [self.place(*pair) for pair in zip(x, y, strict=True)]

    @singledispatchmethod
    def mark(self, mark: sc.Mark) -> str:
        raise TypeError(f"the page cannot draw {type(mark).__name__}")

    @mark.register
    def _(self, mark: sc.Line) -> str:
        points = self.places(mark.x, mark.y)
        found = rimmed(path(points), mark, dash=mark.dash)
        if mark.markers:
            dots = (tag("circle", "", cx=x, cy=y, r=2.8, fill=colour(mark.colour)) for x, y in points if y == y)
            found += "".join(dots)
        return found + hover_at(points, mark.hover)

    @mark.register
    def _(self, mark: sc.Points) -> str:
        points = self.places(mark.x, mark.y)
        shown = "".join(symbol(mark, x, y) for x, y in points if x == x and y == y)
        return shown + hover_at(points, mark.hover)

    @mark.register
    def _(self, mark: sc.Band) -> str:
        there = [i for i in range(len(mark.x)) if mark.low[i] == mark.low[i] and mark.high[i] == mark.high[i]]
        upper = [self.place(mark.x[i], mark.high[i]) for i in there]
        lower = [self.place(mark.x[i], mark.low[i]) for i in reversed(there)]
        return tag("path", "", d=path(upper + lower, closed=True), fill=colour(mark.colour), fill_opacity=mark.opacity)

    @mark.register
    def _(self, mark: sc.Bars) -> str:
        found = []
        for i, (at, height) in enumerate(zip(mark.x, mark.heights, strict=True)):
            ends = [(at - mark.width / 2, 0.0), (at + mark.width / 2, height)]
            (a, b), (c, d) = (self.place(*(end[::-1] if mark.horizontal else end)) for end in ends)
            box = {"x": min(a, c), "y": min(b, d), "width": abs(c - a), "height": abs(d - b)}
            hover = said(mark.hover[i]) if i < len(mark.hover) else ""
            found.append(tag("rect", hover, **box, fill=colour(mark.colour)))
        return "".join(found)

    @mark.register
    def _(self, mark: sc.Heatmap) -> str:
        assert mark.values is not None
        return self.image(data_url(painted(mark)), mark.extent)

    @mark.register
    def _(self, mark: sc.Image) -> str:
        from PIL import Image

        assert mark.pixels is not None
        return self.image(data_url(Image.fromarray(mark.pixels)), mark.extent)

    @mark.register
    def _(self, mark: sc.Mask) -> str:
        from PIL import Image

        assert mark.values is not None
        rgb = bytes.fromhex(THEMES["light"].colour(mark.colour)[1:])
        pixels = np.zeros((*mark.values.shape, 4), dtype=np.uint8)
        pixels[mark.values] = (*rgb, round(255 * mark.opacity))
        return self.image(data_url(Image.fromarray(pixels)), mark.extent)

    @mark.register
    def _(self, mark: sc.Rect) -> str:
        left, right, top, bottom = mark.extent
        corners = [self.place(*each) for each in ((left, top), (right, top), (right, bottom), (left, bottom))]
        return rimmed(path(corners, closed=True), mark, dash=mark.dash)

    @mark.register
    def _(self, mark: sc.Ellipse) -> str:
        turn = np.linspace(0, 2 * math.pi, 73)
        a, b = mark.radii[0] * np.cos(turn), mark.radii[1] * np.sin(turn)
        angle = math.radians(-mark.angle)  # y points down
        x = mark.centre[0] + a * math.cos(angle) - b * math.sin(angle)
        y = mark.centre[1] + a * math.sin(angle) + b * math.cos(angle)
        return rimmed(path(self.places(list(x), list(y)), closed=True), mark)

    @mark.register
    def _(self, mark: sc.ReferenceLine) -> str:
        if mark.axis == "y":
            ends = [(self.x.begin, self.y(mark.value)), (self.x.end, self.y(mark.value))]
        else:
            ends = [(self.x(mark.value), self.y.begin), (self.x(mark.value), self.y.end)]
        return tag("path", "", d=path(ends), **stroke(mark.colour, dash=mark.dash, width=1.4))

    @mark.register
    def _(self, mark: sc.Text) -> str:
        x, y = self.place(mark.x, mark.y)
        return words(mark.text, x, y + 4, text_anchor="middle", style=f"fill:{colour(mark.colour)}")

    def image(self, url: str, extent: sc.Extent) -> str:
        left, right, top, bottom = extent
        (a, b), (c, d) = self.place(left, top), self.place(right, bottom)
        box = {"x": min(a, c), "y": min(b, d), "width": abs(c - a), "height": abs(d - b)}
        return tag("image", "", href=url, **box, preserveAspectRatio="none")


def rimmed(d: str, mark: sc.Mark, *, dash: str = "solid") -> str:
    """A line; over maps with what tells it from any colour under it."""
    rim = RIMS.get(mark.colour)
    under = "" if rim is None else tag("path", "", d=d, **stroke(rim, width=3.6))
    return under + tag("path", "", d=d, **stroke(mark.colour, dash=dash))


def symbol(mark: sc.Points, x: float, y: float) -> str:
    """One point's symbol; a cross with a rim of the page's ground, so that it is seen on bars."""
    if mark.symbol == "cross":
        d = f"M{x - 5:.1f} {y:.1f}h10M{x:.1f} {y - 5:.1f}v10"
        under = "" if mark.colour.startswith("over") else tag("path", "", d=d, **stroke("background", width=4.5))
        return under + tag("path", "", d=d, **stroke(mark.colour, width=1.8))
    fill = "none" if mark.symbol == "open" else colour(mark.colour)
    return tag("circle", "", cx=x, cy=y, r=3.6, fill=fill, stroke=colour(mark.colour), stroke_width=1.5)


def bounds(mark: sc.Heatmap) -> tuple[float, float]:
    """The values at the ends of a heat map's colours."""
    if mark.limits is not None:
        return mark.limits
    known = np.asarray(mark.values)[np.isfinite(np.asarray(mark.values))]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def colourmap(mark: sc.Heatmap) -> Any:
    from matplotlib import colormaps

    return colormaps[DIVERGING if mark.diverging else COLOURMAP + "_r" * mark.falling]


def painted(mark: sc.Heatmap) -> Any:
    """A heat map's values as a picture of colours, clear where there is no value."""
    from PIL import Image

    low, high = bounds(mark)
    values: NDArray[np.float64] = np.asarray(mark.values, dtype=np.float64)
    shares = np.clip((values - low) / ((high - low) or 1.0), 0, 1)
    known = np.isfinite(values)
    codes = np.where(known, np.minimum(255, np.floor(256 * np.where(known, shares, 0))), 0).astype(np.uint8)
    table = (255 * colourmap(mark)(np.arange(256))).astype(np.uint8)
    if known.all():
        image = Image.fromarray(codes, mode="L").convert("P")
        image.putpalette(table[:, :3].tobytes())
        return image
    pixels = table[codes]
    pixels[~known, 3] = 0
    return Image.fromarray(pixels)
