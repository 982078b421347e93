"""Scenes drawn by matplotlib, through its object interface: no pyplot, no state that outlives the figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import singledispatchmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from rftools.plots import scene as sc
from rftools.plots.theme import COLOURMAP, DIVERGING, Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 96
DASHES = {"solid": "-", "dash": (0, (5, 3)), "dot": (0, (1.2, 2))}
SYMBOLS: dict[str, dict[str, Any]] = {
    "circle": {"marker": "o"},
    "cross": {"marker": "+", "linewidths": 1.6, "s": 70},
    "open": {"marker": "o", "facecolors": "none"},
}


def render(scene: sc.Scene, theme: Theme) -> Figure:
    """The scene as a matplotlib figure; text is never read as mathematics, so that names show as they are."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    width, height = scene.size
    extra = 0.36 if scene.title else 0.0
    figure = Figure(
        figsize=(scene.columns * width / DPI, scene.rows * height / DPI + extra),
        dpi=DPI,
        layout="constrained",
        facecolor=theme.colour("background"),
    )
    FigureCanvasAgg(figure)
    shared = _shared_legend(scene)
    panels: list[Any] = []
    for index, panel in enumerate(scene.panels):
        projection = {"projection": "polar"} if panel.polar else {}
        axes = figure.add_subplot(scene.rows, scene.columns, index + 1, **projection)
        panels.append(axes)
        _Panel(axes, panel, theme, legend=shared is None).draw()
    if shared is not None:
        handles, labels = panels[shared].get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=4,
            frameon=False,
            fontsize=9,
            labelcolor=theme.colour("text"),
        )
    layout = figure.get_layout_engine()
    if layout is not None and scene.rows > 1 and any(panel.polar for panel in scene.panels):
        layout.set(hspace=0.08)  # type: ignore[call-arg]  # their titles rise further than the layout sees
    if scene.title:
        # A fixed strip on top, for the same reason.
        high = float(figure.get_figheight())
        if layout is not None:
            layout.set(rect=(0, 0, 1, 1 - extra / high))  # type: ignore[call-arg]
        figure.suptitle(scene.title, color=theme.colour("text"), fontsize=12, fontweight="bold", y=1 - 0.06 / high)
    for text in figure.findobj(Text):
        text.set_parse_math(False)
        text.set_text(drawable(text.get_text()))
    return figure


def _shared_legend(scene: sc.Scene) -> int | None:
    """The panel whose legend, below, serves all panels: there are several, and it names all that the others do."""
    labels = [{mark.label for mark in panel.marks if mark.label} if panel.legend else set() for panel in scene.panels]
    most = max(range(len(labels)), key=lambda i: len(labels[i]))
    named = [own for own in labels if own]
    return most if len(named) > 1 and all(own <= labels[most] for own in named) else None


def drawable(text: str) -> str:
    """``text`` with what the bundled font cannot draw replaced, so that no name stops a figure.

    >>> drawable("conv1")
    'conv1'
    """
    if text.isascii():
        return text
    glyphs = _glyphs()
    return "".join(c if c == "\n" or ord(c) in glyphs else "\N{REPLACEMENT CHARACTER}" for c in text)


def _glyphs() -> Mapping[int, int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap()


class _Panel:
    """Draws one panel's marks onto one matplotlib axes."""

    def __init__(self, axes: Any, panel: sc.Panel, theme: Theme, *, legend: bool) -> None:
        self.axes, self.panel, self.theme = axes, panel, theme
        self.legend = legend and panel.legend

    def draw(self) -> None:
        for order, mark in enumerate(self.panel.marks):
            self.mark(mark, order + 2)
        self._frame()
        if self.panel.polar:
            self._polar_frame()
        else:
            self._axis(self.axes.xaxis, self.panel.x, self.axes.set_xlim, self.axes.set_xscale)
            self._axis(self.axes.yaxis, self.panel.y, self.axes.set_ylim, self.axes.set_yscale)
            self._tilt_long_ticks()
            if self.panel.equal:
                self.axes.set_aspect("equal", adjustable="box")
        if self.legend and any(mark.label for mark in self.panel.marks):
            self._legend()

    def _frame(self) -> None:
        axes, colour = self.axes, self.theme.colour
        axes.set_facecolor(colour("background"))
        axes.tick_params(colors=colour("muted"), labelcolor=colour("muted"), labelsize=8.5, length=3)
        if self.panel.x.visible or self.panel.y.visible:
            axes.grid(True, color=colour("grid"), linewidth=0.7)
        axes.set_axisbelow(True)
        for name, spine in axes.spines.items():
            spine.set_color(colour("grid" if self.panel.polar else "muted"))
            spine.set_visible(self.panel.equal or self.panel.polar or name in ("left", "bottom"))
        if self.panel.title:
            axes.set_title(
                self.panel.title, color=colour("text"), fontsize=10, loc="center" if self.panel.polar else "left"
            )

    def _axis(self, axis: Any, given: sc.Axis, limits: Callable[..., Any], scale: Callable[..., Any]) -> None:
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        if not given.visible:
            axis.set_ticks([])  # ticks take most of the time that a small panel takes
        elif given.log:
            scale("log")
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
        elif given.integer:
            axis.set_major_locator(MaxNLocator(integer=True))
        if given.ticks is not None:
            axis.set_ticks([at for at, _ in given.ticks], [drawable(text) for _, text in given.ticks])
        axis.set_label_text(given.title, color=self.theme.colour("text"), fontsize=9)
        if given.limits is not None:
            limits(*given.limits)
        if given.reversed:
            axis.set_inverted(True)
        axis.set_visible(given.visible)
        if self.panel.equal or given.ticks is not None:
            axis.grid(False)

    def _tilt_long_ticks(self) -> None:
        ticks = self.panel.x.ticks
        if ticks and sum(len(text) for _, text in ticks) > 60:
            self.axes.tick_params(axis="x", labelrotation=50 if len(ticks) < 16 else 90)
            if len(ticks) < 16:
                for label in self.axes.get_xticklabels():
                    label.set(ha="right", rotation_mode="anchor")

    def _polar_frame(self) -> None:
        self.axes.set_theta_zero_location("E")
        self.axes.set_theta_direction(1)
        self.axes.set_thetagrids(range(0, 360, 45), [f"{angle}°" for angle in range(0, 360, 45)])
        if self.panel.y.limits is not None:
            self.axes.set_ylim(*self.panel.y.limits)
        if self.panel.y.ticks is not None:
            self.axes.set_yticks([at for at, _ in self.panel.y.ticks], [text for _, text in self.panel.y.ticks])
            self.axes.set_rlabel_position(67.5)

    def _legend(self) -> None:
        colour = self.theme.colour
        legend = self.axes.legend(
            fontsize=8.5,
            labelcolor=colour("text"),
            facecolor=colour("background"),
            edgecolor=colour("grid"),
            framealpha=0.9,
            **self._legend_place(),
        )
        legend.set_zorder(50)

    def _legend_place(self) -> dict[str, Any]:
        if self.panel.polar or self.panel.equal:
            return {"loc": "upper center", "bbox_to_anchor": (0.5, -0.09), "ncols": 2, "frameon": False}
        return {"loc": "best"}

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
            mark.x, mark.low, mark.high, color=self.theme.colour(mark.colour), alpha=0.22, linewidth=0, label=mark.label
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
            cmap=DIVERGING if mark.diverging else COLOURMAP,
            vmin=low,
            vmax=high,
            interpolation="none",
            aspect="auto",
            zorder=1,
        )
        if mark.bar is not None:
            bar = self.axes.figure.colorbar(image, ax=self.axes, shrink=0.82, pad=0.02)
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
    def _(self, mark: sc.Rule, order: int) -> None:
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
        from matplotlib.patheffects import withStroke

        style: dict[str, Any] = {"fill": False, "edgecolor": self.theme.colour(mark.colour), "linewidth": 2}
        if mark.colour == "over-dark":  # white needs a dark rim where the picture is bright
            style["path_effects"] = [withStroke(linewidth=3.6, foreground=self.theme.colour("over-light"))]
        return style | {"label": mark.label, "zorder": 30}


def _rgba(values: Any, colour: str, opacity: float) -> Any:
    rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    shown = np.zeros((*values.shape, 4))
    shown[values] = (*rgb, opacity)
    return shown
