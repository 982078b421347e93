"""Scenes drawn by plotly. Names are escaped: plotly reads a subset of HTML in its texts."""

from __future__ import annotations

import html
import math
from functools import singledispatchmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from rftools.plots import scene as sc
from rftools.plots.theme import COLOURMAP, DIVERGING, FONTS, Theme

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BOTTOM = 80  # pixels for the labels of the lowest axes
SYMBOLS = {"circle": "circle", "cross": "cross-thin", "open": "circle-open"}


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
        self.shared = len(scene.panels) > 1
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


class _Panel:
    """Adds one panel's traces to one cell of a figure."""

    def __init__(self, figure: Any, panel: sc.Panel, theme: Theme, cell: tuple[int, int], seen: set[str]) -> None:
        self.figure, self.panel, self.theme, self.seen = figure, panel, theme, seen
        self.cell = {"row": cell[0] + 1, "col": cell[1] + 1}

    def draw(self) -> None:
        for mark in self.panel.marks:
            self.mark(mark)
        if self.panel.polar:
            self._polar()
        else:
            self._axis(self.panel.x, self.figure.update_xaxes)
            self._axis(self.panel.y, self.figure.update_yaxes)
            if self.panel.equal:
                anchor = next(self.figure.select_xaxes(**self.cell)).plotly_name.replace("axis", "")
                self.figure.update_yaxes(scaleanchor=anchor, constrain="domain", **self.cell)
                self.figure.update_xaxes(constrain="domain", **self.cell)

    def _axis(self, axis: sc.Axis, update: Any) -> None:
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
        if axis.limits is not None:
            low, high = (math.log10(v) for v in axis.limits) if axis.log else axis.limits
            style["range"] = [high, low] if axis.reversed else [low, high]
        elif axis.reversed:
            style["autorange"] = "reversed"
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
            **self.cell,
        )

    def _add(self, kind: str, mark: sc.Mark, **trace: Any) -> None:
        import plotly.graph_objects as go

        label = mark.label
        self.figure.add_trace(
            getattr(go, kind)(
                name=None if label is None else plain_text(label),
                showlegend=label is not None and self.panel.legend and label not in self.seen,
                legendgroup=None if label is None else plain_text(label),
                **trace,
            ),
            **self.cell,
        )
        if label is not None:
            self.seen.add(label)

    def _hover(self, texts: tuple[str, ...]) -> dict[str, Any]:
        if not texts:
            return {}
        return {"text": [plain_text(text) for text in texts], "hoverinfo": "text"}

    @singledispatchmethod
    def mark(self, mark: sc.Mark) -> None:
        raise TypeError(f"plotly cannot draw {type(mark).__name__}")

    @mark.register
    def _(self, mark: sc.Line) -> None:
        colour = self.theme.colour(mark.colour)
        style = {"mode": "lines+markers" if mark.markers else "lines", "line": {"color": colour, "dash": mark.dash}}
        if self.panel.polar:
            self._add("Scatterpolar", mark, theta=list(mark.x), r=list(mark.y), **style, **self._hover(mark.hover))
        else:
            self._add("Scatter", mark, x=list(mark.x), y=list(mark.y), **style, **self._hover(mark.hover))

    @mark.register
    def _(self, mark: sc.Points) -> None:
        colour = self.theme.colour(mark.colour)
        marker = {"color": colour, "size": 9, "symbol": SYMBOLS[mark.symbol], "line": {"color": colour, "width": 2}}
        self._add(
            "Scatter", mark, x=list(mark.x), y=list(mark.y), mode="markers", marker=marker, **self._hover(mark.hover)
        )

    @mark.register
    def _(self, mark: sc.Band) -> None:
        pairs = [t for t in zip(mark.x, mark.low, mark.high) if not any(math.isnan(v) for v in t)]
        x = [t[0] for t in pairs] + [t[0] for t in reversed(pairs)]
        y = [t[2] for t in pairs] + [t[1] for t in reversed(pairs)]
        fill = _rgba(self.theme.colour(mark.colour), 0.22)
        self._add(
            "Scatter", mark, x=x, y=y, fill="toself", fillcolor=fill, mode="lines", line={"width": 0}, hoverinfo="skip"
        )

    @mark.register
    def _(self, mark: sc.Bars) -> None:
        x, y = (mark.heights, mark.x) if mark.horizontal else (mark.x, mark.heights)
        self._add(
            "Bar",
            mark,
            x=list(x),
            y=list(y),
            width=mark.width,
            textposition="none",
            orientation="h" if mark.horizontal else "v",
            marker={"color": self.theme.colour(mark.colour)},
            **self._hover(mark.hover),
        )

    @mark.register
    def _(self, mark: sc.PolarBars) -> None:
        edges = np.asarray(mark.edges)
        self._add(
            "Barpolar",
            mark,
            theta=((edges[:-1] + edges[1:]) / 2).tolist(),
            r=list(mark.radii),
            width=np.diff(edges).tolist(),
            marker={"color": _rgba(self.theme.colour(mark.colour), 0.75)},
            **self._hover(mark.hover),
        )

    @mark.register
    def _(self, mark: sc.Heatmap) -> None:
        assert mark.values is not None
        x, y = _centres(mark.values.shape, mark.extent)
        low, high = mark.limits or (None, None)
        self._add(
            "Heatmap",
            mark,
            z=mark.values,
            x=x,
            y=y,
            zmin=low,
            zmax=high,
            colorscale=DIVERGING if mark.diverging else COLOURMAP.capitalize(),
            showscale=mark.bar is not None,
            colorbar={"title": {"text": plain_text(mark.bar or ""), "side": "right"}, **self._bar_place()},
        )

    @mark.register
    def _(self, mark: sc.Image) -> None:
        import plotly.graph_objects as go

        assert mark.pixels is not None
        x, y = _centres(mark.pixels.shape, mark.extent)
        place = {"x0": x[0], "dx": _step(x), "y0": y[0], "dy": _step(y)}
        self.figure.add_trace(go.Image(z=mark.pixels, hoverinfo="skip", **place), **self.cell)

    @mark.register
    def _(self, mark: sc.Mask) -> None:
        assert mark.values is not None
        x, y = _centres(mark.values.shape, mark.extent)
        colour = _rgba(self.theme.colour(mark.colour), mark.opacity)
        self._add(
            "Heatmap",
            mark,
            z=np.where(mark.values, 1.0, np.nan),
            x=x,
            y=y,
            colorscale=[[0, colour], [1, colour]],
            showscale=False,
            hoverinfo="skip",
        )

    @mark.register
    def _(self, mark: sc.Rect) -> None:
        left, right, top, bottom = mark.extent
        line = {"color": self.theme.colour(mark.colour), "width": 2.5, "dash": mark.dash}
        x, y = [left, right, right, left, left], [top, top, bottom, bottom, top]
        self._add("Scatter", mark, x=x, y=y, mode="lines", line=line, hoverinfo="name")

    @mark.register
    def _(self, mark: sc.Ellipse) -> None:
        t, turn = np.linspace(0, 2 * np.pi, 121), math.radians(mark.angle)
        along, across = mark.radii[0] * np.cos(t), mark.radii[1] * np.sin(t)
        x = mark.centre[0] + along * math.cos(turn) - across * math.sin(turn)
        y = mark.centre[1] - (along * math.sin(turn) + across * math.cos(turn))  # y points down
        if mark.colour == "over-dark":  # white needs a dark rim where the picture is bright
            rim = {"color": self.theme.colour("over-light"), "width": 5}
            self._add("Scatter", sc.Mark(), x=x.tolist(), y=y.tolist(), mode="lines", line=rim, hoverinfo="skip")
            self._rimmed_key(mark)
        line = {"color": self.theme.colour(mark.colour), "width": 2.5}
        self._add("Scatter", mark, x=x.tolist(), y=y.tolist(), mode="lines", line=line, hoverinfo="name")

    def _rimmed_key(self, mark: sc.Mark) -> None:
        """The legend's entry of a white line: with the rim that it has on the picture, for a legend that is white."""
        rim = {"color": self.theme.colour("over-light"), "width": 2}
        key = {"symbol": "circle", "size": 11, "color": self.theme.colour(mark.colour), "line": rim}
        self._add("Scatter", mark, x=[None], y=[None], mode="markers", marker=key, hoverinfo="skip")

    @mark.register
    def _(self, mark: sc.Rule) -> None:
        draw = self.figure.add_hline if mark.axis == "y" else self.figure.add_vline
        draw(
            mark.value,
            line={"color": self.theme.colour(mark.colour), "dash": mark.dash, "width": 1.5},
            annotation={"text": plain_text(mark.label or ""), "font": {"color": self.theme.colour(mark.colour)}},
            annotation_position="top left",
            **self.cell,
        )

    @mark.register
    def _(self, mark: sc.Text) -> None:
        kind, place = (
            ("Scatterpolar", {"theta": [mark.x], "r": [mark.y]})
            if self.panel.polar
            else (
                "Scatter",
                {"x": [mark.x], "y": [mark.y]},
            )
        )
        font = {"color": self.theme.colour(mark.colour)}
        self._add(kind, mark, **place, mode="text", text=[plain_text(mark.text)], textfont=font, hoverinfo="skip")

    def _bar_place(self) -> dict[str, Any]:
        """A colour bar stands beside its own panel, not beside the figure."""
        axis_x = next(self.figure.select_xaxes(**self.cell))
        axis_y = next(self.figure.select_yaxes(**self.cell))
        low, high = axis_y.domain
        return {"x": axis_x.domain[1] + 0.005, "y": (low + high) / 2, "len": (high - low) * 0.95, "thickness": 12}


def _centres(shape: tuple[int, ...], extent: sc.Extent) -> tuple[list[float], list[float]]:
    left, right, top, bottom = extent
    rows, columns = shape[:2]
    x = left + (np.arange(columns) + 0.5) * (right - left) / columns
    y = top + (np.arange(rows) + 0.5) * (bottom - top) / rows
    return x.tolist(), y.tolist()


def _step(values: list[float]) -> float:
    return values[1] - values[0] if len(values) > 1 else 1.0


def plain_text(text: str) -> str:
    """Text that plotly shows as it is; it knows no ``&quot;``, so quotes stay."""
    return html.escape(text, quote=False)


def _rgba(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
