"""Scenes drawn by matplotlib, through its object interface: no pyplot, no state that outlives the figure."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from rftools.plots import scene as sc
from rftools.plots.backends.matplotlib_marks import Marks
from rftools.plots.ranges import shown
from rftools.plots.theme import Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 96


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
    panels: list[Any] = []
    for index, panel in enumerate(scene.panels):
        projection = {"projection": "polar"} if panel.polar else {}
        axes = figure.add_subplot(scene.rows, scene.columns, index + 1, **projection)
        panels.append(axes)
        _Panel(axes, panel, theme).draw()
    _legend(figure, scene, panels, theme)
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
    figure._repr_png_ = partial(_png, figure)  # type: ignore[attr-defined]  # notebooks ask for it
    return figure


def _png(figure: Figure) -> bytes:
    """The picture itself, which a notebook shows without pyplot too."""
    target = io.BytesIO()
    figure.savefig(target, format="png")
    return target.getvalue()


def _legend(figure: Figure, scene: sc.Scene, panels: list[Any], theme: Theme) -> None:
    """One legend below all panels, where it covers nothing; what several panels name stands in it once."""
    found: dict[str, Any] = {}
    for panel, axes in zip(scene.panels, panels, strict=True):
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True) if panel.legend else ():
            found.setdefault(label, handle)
    if not found:
        return
    letters = max(1, round(scene.columns * scene.size[0] / 6.5))  # that fit into the figure's width
    columns = max(1, min(len(found), 6, letters // (max(map(len, found)) + 6)))
    style = {"frameon": False, "fontsize": 9, "labelcolor": theme.colour("text")}
    figure.legend(found.values(), found, loc="outside lower center", ncols=columns, **style)


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


class _Panel(Marks):
    """Draws one panel's marks onto one matplotlib axes."""

    def draw(self) -> None:
        for order, mark in enumerate(self.panel.marks):
            self.mark(mark, order + 2)
        self._frame()
        if self.panel.polar:
            self._polar_frame()
        else:
            self._axis(self.axes.xaxis, self.panel.x, self.axes.set_xscale)
            self._axis(self.axes.yaxis, self.panel.y, self.axes.set_yscale)
            self.axes.set(xlim=shown(self.panel, "x"), ylim=shown(self.panel, "y"))
            for axis, given in ((self.axes.xaxis, self.panel.x), (self.axes.yaxis, self.panel.y)):
                axis.set_inverted(given.reversed)
            self._tilt_long_ticks()
            if self.panel.equal:
                self.axes.set_aspect("equal", adjustable="box")

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

    def _axis(self, axis: Any, given: sc.PlotAxis, scale: Callable[..., Any]) -> None:
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
        if self.panel.half:
            self.axes.set_thetamin(0)
            self.axes.set_thetamax(180)
        angles = range(0, 181 if self.panel.half else 360, 45)
        self.axes.set_thetagrids(angles, [f"{angle}°" for angle in angles])
        if self.panel.y.limits is not None:
            self.axes.set_ylim(*self.panel.y.limits)
        if self.panel.y.ticks is not None:
            self.axes.set_yticks([at for at, _ in self.panel.y.ticks], [text for _, text in self.panel.y.ticks])
            self.axes.set_rlabel_position(67.5)
