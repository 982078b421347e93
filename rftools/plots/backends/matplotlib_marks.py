"""Each kind of mark, drawn onto matplotlib axes."""

from __future__ import annotations

import math
from functools import singledispatchmethod
from typing import Any

import numpy as np

from rftools.plots import scene as sc
from rftools.plots.theme import COLOURMAP, DIVERGING, RIMS, Theme

DASHES = {"solid": "-", "dash": (0, (5, 3)), "dot": (0, (1.2, 2))}
SYMBOLS: dict[str, dict[str, Any]] = {
    "circle": {"marker": "o"},
    "cross": {"marker": "+", "linewidths": 1.6, "s": 70},
    "open": {"marker": "o", "facecolors": "none"},
}


class Marks:
    """The marks of one panel, each drawn by a method of its own."""

    def __init__(self, axes: Any, panel: sc.Panel, theme: Theme) -> None:
        self.axes, self.panel, self.theme = axes, panel, theme

    @singledispatchmethod
    def mark(self, mark: sc.Mark, order: int) -> None:
        raise TypeError(f"matplotlib cannot draw {type(mark).__name__}")

    @mark.register
    def _(self, mark: sc.Line, order: int) -> None:
        x = np.deg2rad(mark.x) if self.panel.polar else mark.x
        self.axes.plot(
            x,
            mark.y,
            color=self.theme.colour(mark.colour),
            linestyle=DASHES[mark.dash],
            marker="o" if mark.markers else None,
            markersize=4,
            linewidth=1.8,
            label=mark.label,
            zorder=order,
            path_effects=self._rim(mark, 3.2),
        )

    @mark.register
    def _(self, mark: sc.Points, order: int) -> None:
        from matplotlib.patheffects import withStroke

        colour = self.theme.colour(mark.colour)
        style = {"s": 34, "facecolors": colour, "edgecolors": colour} | SYMBOLS[mark.symbol]
        if mark.symbol == "cross":
            style.pop("edgecolors")
        over_picture = mark.colour.startswith("over")
        halo = None
        if mark.symbol == "cross" and not over_picture:
            halo = [withStroke(linewidth=4, foreground=self.theme.colour("background"))]
        self.axes.scatter(mark.x, mark.y, label=mark.label, zorder=order + 10, path_effects=halo, **style)

    @mark.register
    def _(self, mark: sc.Band, order: int) -> None:
        self.axes.fill_between(
            np.deg2rad(mark.x) if self.panel.polar else mark.x,
            mark.low,
            mark.high,
            color=self.theme.colour(mark.colour),
            alpha=mark.opacity,
            linewidth=0,
            label=mark.label,
        )

    @mark.register
    def _(self, mark: sc.Bars, order: int) -> None:
        draw = self.axes.barh if mark.horizontal else self.axes.bar
        draw(mark.x, mark.heights, mark.width, color=self.theme.colour(mark.colour), label=mark.label, zorder=order)

    @mark.register
    def _(self, mark: sc.PolarBars, order: int) -> None:
        edges = np.deg2rad(mark.edges)
        colour = self.theme.colour(mark.colour)
        self.axes.bar(
            (edges[:-1] + edges[1:]) / 2,
            mark.radii,
            np.diff(edges),
            color=colour,
            alpha=0.75,
            edgecolor=self.theme.colour("background"),
            linewidth=0.8,
            label=mark.label,
            zorder=order,
        )

    @mark.register
    def _(self, mark: sc.Heatmap, order: int) -> None:
        left, right, top, bottom = mark.extent
        low, high = mark.limits or (None, None)
        image = self.axes.imshow(
            mark.values,
            extent=(left, right, bottom, top),
            cmap=DIVERGING if mark.diverging else COLOURMAP + "_r" * mark.falling,
            vmin=low,
            vmax=high,
            interpolation="none",
            aspect="auto",
            zorder=1,
        )
        if mark.bar is not None:
            ticks = list(mark.ticks) or None
            bar = self.axes.figure.colorbar(image, ax=self.axes, shrink=0.82, pad=0.02, ticks=ticks)
            bar.set_label(mark.bar, color=self.theme.colour("text"), fontsize=8.5)
            bar.ax.tick_params(colors=self.theme.colour("muted"), labelsize=8)
            bar.outline.set_visible(False)

    @mark.register
    def _(self, mark: sc.Image, order: int) -> None:
        left, right, top, bottom = mark.extent
        self.axes.imshow(mark.pixels, extent=(left, right, bottom, top), interpolation="none", aspect="auto", zorder=1)

    @mark.register
    def _(self, mark: sc.Mask, order: int) -> None:
        assert mark.values is not None
        left, right, top, bottom = mark.extent
        self.axes.imshow(
            _rgba(mark.values, self.theme.colour(mark.colour), mark.opacity),
            extent=(left, right, bottom, top),
            interpolation="none",
            aspect="auto",
            zorder=order,
        )

    @mark.register
    def _(self, mark: sc.Rect, order: int) -> None:
        from matplotlib.patches import Rectangle

        left, right, top, bottom = mark.extent
        self.axes.add_patch(
            Rectangle((left, top), right - left, bottom - top, **self._outline(mark), linestyle=DASHES[mark.dash])
        )

    @mark.register
    def _(self, mark: sc.Ellipse, order: int) -> None:
        from matplotlib.patches import Ellipse

        # the y axis points down, so a turn that is seen as counter-clockwise is a negative one in data coordinates
        self.axes.add_patch(
            Ellipse(mark.centre, 2 * mark.radii[0], 2 * mark.radii[1], angle=-mark.angle, **self._outline(mark))
        )

    @mark.register
    def _(self, mark: sc.ReferenceLine, order: int) -> None:
        draw = self.axes.axhline if mark.axis == "y" else self.axes.axvline
        draw(
            mark.value,
            color=self.theme.colour(mark.colour),
            linestyle=DASHES[mark.dash],
            linewidth=1.3,
            label=mark.label,
            zorder=order,
        )

    @mark.register
    def _(self, mark: sc.Text, order: int) -> None:
        self.axes.text(
            math.radians(mark.x) if self.panel.polar else mark.x,
            mark.y,
            mark.text,
            color=self.theme.colour(mark.colour),
            fontsize=9,
            ha="center",
            va="center",
            zorder=order + 20,
        )

    def _outline(self, mark: sc.Mark) -> dict[str, Any]:
        style: dict[str, Any] = {"fill": False, "edgecolor": self.theme.colour(mark.colour), "linewidth": 2}
        return style | {"label": mark.label, "zorder": 30, "path_effects": self._rim(mark, 3.6)}

    def _rim(self, mark: sc.Mark, width: float) -> list[Any] | None:
        """What tells a line from any colour of the map under it: dark around white ones, white around ellipses."""
        from matplotlib.patheffects import withStroke

        rim = RIMS.get(mark.colour)
        return None if rim is None else [withStroke(linewidth=width, foreground=self.theme.colour(rim))]


def _rgba(values: Any, colour: str, opacity: float) -> Any:
    rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    shown = np.zeros((*values.shape, 4))
    shown[values] = (*rgb, opacity)
    return shown
