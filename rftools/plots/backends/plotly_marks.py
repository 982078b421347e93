"""Each kind of mark, as traces of a plotly figure. Names are escaped: plotly reads a subset of HTML in its texts."""

from __future__ import annotations

import html
import math
from functools import singledispatchmethod
from typing import Any

import numpy as np

from rftools.plots import scene as sc
from rftools.plots.theme import COLOURMAP, DIVERGING, RIMS, Theme

SYMBOLS = {"circle": "circle", "cross": "cross-thin", "open": "circle-open"}


class Marks:
    """The marks of one panel, each added to its cell of the figure by a method of its own."""

    def __init__(self, figure: Any, panel: sc.Panel, theme: Theme, cell: tuple[int, int], seen: set[str]) -> None:
        self.figure, self.panel, self.theme, self.seen = figure, panel, theme, seen
        self.cell = {"row": cell[0] + 1, "col": cell[1] + 1}

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

    def _hover(self, texts: tuple[str, ...], label: str | None = None) -> dict[str, Any]:
        """What a mark says under the pointer: its own sentences, or its name and its place with units."""
        if texts:
            return {"text": [plain_text(text) for text in texts], "hoverinfo": "text"}
        if self.panel.polar:
            return {"hoverinfo": "skip"}
        place = f"{_said(self.panel.x, '%{x}')}, {_said(self.panel.y, '%{y:.4g}')}"
        named = "" if label is None else f"{plain_text(label)}: "
        return {"hovertemplate": f"{named}{place}<extra></extra>"}

    @singledispatchmethod
    def mark(self, mark: sc.Mark) -> None:
        raise TypeError(f"plotly cannot draw {type(mark).__name__}")

    @mark.register
    def _(self, mark: sc.Line) -> None:
        colour = self.theme.colour(mark.colour)
        style = {"mode": "lines+markers" if mark.markers else "lines", "line": {"color": colour, "dash": mark.dash}}
        if self.panel.polar:
            self._add(
                "Scatterpolar", mark, theta=list(mark.x), r=list(mark.y), **style, **self._hover(mark.hover, mark.label)
            )
        else:
            self._rim(mark, list(mark.x), list(mark.y))
            self._add("Scatter", mark, x=list(mark.x), y=list(mark.y), **style, **self._hover(mark.hover, mark.label))

    @mark.register
    def _(self, mark: sc.Points) -> None:
        colour = self.theme.colour(mark.colour)
        marker = {"color": colour, "size": 9, "symbol": SYMBOLS[mark.symbol], "line": {"color": colour, "width": 2}}
        self._add(
            "Scatter",
            mark,
            x=list(mark.x),
            y=list(mark.y),
            mode="markers",
            marker=marker,
            **self._hover(mark.hover, mark.label),
        )

    @mark.register
    def _(self, mark: sc.Band) -> None:
        pairs = [t for t in zip(mark.x, mark.low, mark.high) if not any(math.isnan(v) for v in t)]
        x = [t[0] for t in pairs] + [t[0] for t in reversed(pairs)]
        y = [t[2] for t in pairs] + [t[1] for t in reversed(pairs)]
        fill = _rgba(self.theme.colour(mark.colour), mark.opacity)
        kind, place = ("Scatterpolar", {"theta": x, "r": y}) if self.panel.polar else ("Scatter", {"x": x, "y": y})
        self._add(kind, mark, **place, fill="toself", fillcolor=fill, mode="lines", line={"width": 0}, hoverinfo="skip")

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
            **self._hover(mark.hover, mark.label),
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
            **self._hover(mark.hover, mark.label),
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
            colorscale=DIVERGING if mark.diverging else COLOURMAP.capitalize() + "_r" * mark.falling,
            showscale=mark.bar is not None,
            hovertemplate=f"{_said(self.panel.x, '%{x:.4g}')}, {_said(self.panel.y, '%{y:.4g}')}: "
            f"%{{z:.3g}} {plain_text(mark.bar or '')}<extra></extra>",
            colorbar={
                "title": {"text": plain_text(mark.bar or ""), "side": "right"},
                "tickvals": list(mark.ticks) or None,
                **self._bar_place(),
            },
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
        place = f"{_between(self.panel.x, left, right)}, {_between(self.panel.y, top, bottom)}"
        self._add("Scatter", mark, x=x, y=y, mode="lines", line=line, **self._outlined(mark, place))

    @mark.register
    def _(self, mark: sc.Ellipse) -> None:
        t, turn = np.linspace(0, 2 * np.pi, 121), math.radians(mark.angle)
        along, across = mark.radii[0] * np.cos(t), mark.radii[1] * np.sin(t)
        x = mark.centre[0] + along * math.cos(turn) - across * math.sin(turn)
        y = mark.centre[1] - (along * math.sin(turn) + across * math.cos(turn))  # y points down
        self._rim(mark, x.tolist(), y.tolist())
        line = {"color": self.theme.colour(mark.colour), "width": 2.5}
        place = f"half axes {mark.radii[0]:.4g} and {mark.radii[1]:.4g} {self.panel.x.unit or ''} at {mark.angle:.0f}°"
        self._add("Scatter", mark, x=x.tolist(), y=y.tolist(), mode="lines", line=line, **self._outlined(mark, place))

    def _outlined(self, mark: sc.Mark, place: str) -> dict[str, Any]:
        """What an outline says: its name and where it lies, in units."""
        named = "" if mark.label is None else f"{plain_text(mark.label)}: "
        return {"hovertemplate": f"{named}{place}<extra></extra>"}

    def _rim(self, mark: sc.Mark, x: list[float], y: list[float]) -> None:
        """What tells a line from any colour of the map under it: dark around white ones, white around ellipses."""
        if mark.colour in RIMS:
            rim = {"color": self.theme.colour(RIMS[mark.colour]), "width": 5}
            self._add("Scatter", sc.Mark(), x=x, y=y, mode="lines", line=rim, hoverinfo="skip")

    @mark.register
    def _(self, mark: sc.ReferenceLine) -> None:
        draw = self.figure.add_hline if mark.axis == "y" else self.figure.add_vline
        colour = self.theme.colour(mark.colour)
        draw(mark.value, line={"color": colour, "dash": mark.dash, "width": 1.5}, **self.cell)
        if mark.label:
            self._rule_label(mark, colour)

    def _rule_label(self, mark: sc.ReferenceLine, colour: str) -> None:
        """A label's place on a logarithmic axis is an exponent, though the line's is a value."""
        along = self.panel.y if mark.axis == "y" else self.panel.x
        place = math.log10(mark.value) if along.log else mark.value
        x, y = (
            next(select(**self.cell)).plotly_name for select in (self.figure.select_xaxes, self.figure.select_yaxes)
        )
        refs = {"xref": x.replace("axis", ""), "yref": y.replace("axis", "")}
        refs["xref" if mark.axis == "y" else "yref"] += " domain"
        at = {"x": 0, "y": place} if mark.axis == "y" else {"x": place, "y": 1}
        corner = {"xanchor": "left", "yanchor": "bottom" if mark.axis == "y" else "top", "showarrow": False}
        self.figure.add_annotation(text=plain_text(mark.label or ""), font={"color": colour}, **at, **refs, **corner)

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


def _said(axis: sc.PlotAxis, value: str) -> str:
    """A place on an axis in words: its label, the value, its unit.

    >>> _said(sc.PlotAxis("side", "px"), "7")
    'side 7 px'
    """
    return " ".join(part for part in (plain_text(axis.label), value, axis.unit or "") if part)


def _between(axis: sc.PlotAxis, low: float, high: float) -> str:
    """A stretch of an axis in words.

    >>> _between(sc.PlotAxis("input row", "px"), 2.5, 9.5)
    'input row 3 to 9 px'
    """
    whole = low % 1 == 0.5 and high % 1 == 0.5  # from border to border of pixels
    ends = f"{low + 0.5:.4g} to {high - 0.5:.4g}" if whole else f"{low:.4g} to {high:.4g}"
    return _said(axis, ends)


def _step(values: list[float]) -> float:
    return values[1] - values[0] if len(values) > 1 else 1.0


def plain_text(text: str) -> str:
    """Text that plotly shows as it is; it knows no ``&quot;``, so quotes stay."""
    return html.escape(text, quote=False)


def _rgba(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
