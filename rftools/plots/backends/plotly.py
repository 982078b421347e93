"""Scenes drawn by plotly. Names are escaped: plotly reads a subset of HTML in its texts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rftools.plots import scene as sc
from rftools.plots.backends.plotly_marks import Marks, plain_text
from rftools.plots.ranges import shown
from rftools.plots.theme import FONTS, Theme

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BOTTOM = 80  # pixels for the labels of the lowest axes


def render(scene: sc.Scene, theme: Theme) -> Figure:
    """The scene as a plotly figure."""
    from plotly.subplots import make_subplots

    room = _Room(scene)
    figure = make_subplots(
        rows=scene.rows,
        cols=scene.columns,
        specs=_specs(scene),
        subplot_titles=[plain_text(panel.title).replace("\n", "<br>") for panel in scene.panels],
        horizontal_spacing=_gap(scene),
        vertical_spacing=room.between,
    )
    seen: set[str] = set()
    for index, panel in enumerate(scene.panels):
        _Panel(figure, panel, theme, divmod(index, scene.columns), seen).draw()
    below = {"yref": "container", "yanchor": "top"}
    legend = {"orientation": "h", "x": 0, "y": 1 - room.title / room.height, **below} if room.shared else {}
    figure.update_layout(
        title={"text": plain_text(scene.title), "x": 0.02, "y": 1 - 18 / room.height, **below} if scene.title else None,
        template="none",
        width=room.width,
        height=room.height,
        paper_bgcolor=theme.colour("background"),
        plot_bgcolor=theme.colour("background"),
        font={"family": ", ".join(FONTS), "size": 12, "color": theme.colour("text")},
        margin={"l": 70, "r": 30, "t": room.top, "b": BOTTOM},
        legend={"bgcolor": "rgba(0,0,0,0)", **legend},
        barmode="overlay",
    )
    for note in figure.layout.annotations[: len(scene.panels)]:
        note.update(font={"size": 13}, yshift=22 if any(panel.polar for panel in scene.panels) else 4)
    return figure


class _Room:
    """Where a figure's titles, legend and rows of panels go, in pixels: nothing may lie over anything else. A legend
    that several panels share stands below the title, where no label of an axis reaches.
    """

    def __init__(self, scene: sc.Scene) -> None:
        polar = any(panel.polar for panel in scene.panels)
        labelled = any(panel.x.visible and panel.x.title for panel in scene.panels)
        second = 16 * max(panel.title.count("\n") for panel in scene.panels)  # lines of a panel's title
        gap = 100 if polar else (90 if labelled else 44) + second
        self.width = scene.columns * scene.size[0] + 60
        barred = any(mark.bar is not None for mark in scene.marks(sc.Heatmap))  # its bar stands where a legend would
        self.shared = len(scene.panels) > 1 or barred
        self.title = 52 if scene.title else 12
        self.top = self.title + 22 * self._legend_lines(scene) + (62 if polar else 32 + second)
        area = scene.rows * scene.size[1] - (100 if scene.rows == 1 else 60)
        self.height = self.top + area + gap * (scene.rows - 1) + BOTTOM
        self.between = gap / (area + gap * (scene.rows - 1)) if scene.rows > 1 else 0.0

    def _legend_lines(self, scene: sc.Scene) -> int:
        """How many lines a shared legend takes: about 7 pixels a letter and 50 for its sample."""
        labels = {mark.label for panel in scene.panels if panel.legend for mark in panel.marks if mark.label}
        if not self.shared or not labels:
            return 0
        widest = 50 + 7 * max(map(len, labels))  # its columns are as wide as the widest
        return -(-len(labels) // max(1, (self.width - 100) // widest))


def _gap(scene: sc.Scene) -> float:
    """Room between columns, as a share of the width: more where a colour bar stands in it."""
    barred = any(mark.bar is not None for mark in scene.marks(sc.Heatmap))
    return (0.4 if barred else 0.2) / max(2, scene.columns)


def _specs(scene: sc.Scene) -> list[list[dict[str, str] | None]]:
    cells: list[dict[str, str] | None] = [{"type": "polar" if p.polar else "xy"} for p in scene.panels]
    cells += [None] * (scene.rows * scene.columns - len(cells))
    return [cells[row * scene.columns : (row + 1) * scene.columns] for row in range(scene.rows)]


class _Panel(Marks):
    """Adds one panel's traces to one cell of a figure."""

    def draw(self) -> None:
        for mark in self.panel.marks:
            self.mark(mark)
        if self.panel.polar:
            self._polar()
        else:
            self._axis(self.panel.x, shown(self.panel, "x"), self.figure.update_xaxes)
            self._axis(self.panel.y, shown(self.panel, "y"), self.figure.update_yaxes)
            if self.panel.equal:
                anchor = next(self.figure.select_xaxes(**self.cell)).plotly_name.replace("axis", "")
                self.figure.update_yaxes(scaleanchor=anchor, constrain="domain", **self.cell)
                self.figure.update_xaxes(constrain="domain", **self.cell)

    def _axis(self, axis: sc.PlotAxis, limits: tuple[float, float], update: Any) -> None:
        style: dict[str, Any] = {
            "title": plain_text(axis.title),
            "gridcolor": self.theme.colour("grid"),
            "linecolor": self.theme.colour("muted"),
            "tickfont": {"color": self.theme.colour("muted")},
            "showgrid": not self.panel.equal and axis.ticks is None,
            "zeroline": False,
            "showline": True,
            "visible": axis.visible,
            "automargin": True,
        }
        if axis.log:
            style |= {"type": "log", "dtick": 1}
        low, high = (math.log10(v) for v in limits) if axis.log else limits
        style["range"] = [high, low] if axis.reversed else [low, high]
        if axis.ticks is not None:
            style |= {"tickvals": [at for at, _ in axis.ticks], "ticktext": [plain_text(t) for _, t in axis.ticks]}
        update(**style, **self.cell)

    def _polar(self) -> None:
        grid = {"gridcolor": self.theme.colour("grid"), "linecolor": self.theme.colour("grid")}
        radial: dict[str, Any] = {**grid, "angle": 67.5, "tickfont": {"color": self.theme.colour("muted"), "size": 10}}
        if self.panel.y.limits is not None:
            radial["range"] = list(self.panel.y.limits)
        if self.panel.y.ticks is not None:
            radial |= {"tickvals": [at for at, _ in self.panel.y.ticks], "ticktext": [t for _, t in self.panel.y.ticks]}
        self.figure.update_polars(
            radialaxis=radial,
            angularaxis={**grid, "direction": "counterclockwise", "rotation": 0, "dtick": 45, "ticksuffix": "°"},
            bgcolor=self.theme.colour("background"),
            sector=[0, 180] if self.panel.half else [0, 360],
            **self.cell,
        )
