"""Figures of a study that are no scatter: a net's three fields in one line, and which way pruned kernels point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rftools.study.canvas import COLOURS, StudyFigure, done, drawn, sheet
from rftools.study.tables import unit_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

SEEN = {
    "theoretical": ("can see (theoretical)", COLOURS[6], "|"),
    "effective": ("does see (half of its gradient)", COLOURS[0], "o"),
    "behavioural": ("uses (behavioural)", COLOURS[1], "D"),
}
ACROSS = 4  # roses in a line


def fields(tables: dict[str, Any]) -> StudyFigure | None:
    """What a unit of each whole net can see, does see, and what the net uses: a line a row, seeds small."""
    own = done(tables)
    own = own[own["sparsity"].fillna(0) == 0]
    rows = list(dict.fromkeys(own["row"]))
    if not own["behavioural"].notna().any():
        return None

    def draw(axes: Axes) -> None:
        for column, (label, colour, mark) in SEEN.items():
            for place, row in enumerate(rows):
                values = own.loc[own["row"] == row, column].dropna()
                look: dict[str, Any] = {"color": colour, "marker": mark}
                if column != "theoretical":
                    axes.scatter(values, np.full(len(values), place), s=14, alpha=0.5, lw=0, **look)
                axes.scatter(values.mean(), place, s=160 if mark == "|" else 50, label="" if place else label, **look)
        axes.set_yticks(range(len(rows)), rows)
        axes.invert_yaxis()
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel(f"size ({unit_of(own)}), logarithmic")
        axes.figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=9)

    caption = (
        "Of the last convolution's central unit what it can see and does see; of the whole net what it uses: the "
        "window (or distance) at which 95 % of what it tells beyond chance is there. Small marks are seeds. A net that "
        "pools its units may use more than one of them sees."
    )
    return StudyFigure("What nets can see, do see, and use", caption, drawn(draw, (7.2, 1.6 + 0.36 * len(rows))))


def roses(tables: dict[str, Any]) -> StudyFigure | None:
    """Directions of pruned kernels, all layers and seeds of a row together, against random taps of the same numbers."""
    sectors = tables["roses"]
    if not len(sectors) or "chance" not in sectors:
        return None
    rows = list(dict.fromkeys(sectors["row"]))
    lines = -(-len(rows) // ACROSS)

    def draw(canvas: Any) -> None:
        panels = canvas.subplots(lines, ACROSS, subplot_kw={"projection": "polar"}, squeeze=False).flatten()
        for panel, row in zip(panels, rows, strict=False):
            _rose(panel, sectors[sectors["row"] == row], row)
        for panel in panels[len(rows) :]:
            panel.set_visible(False)
        canvas.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)

    caption = (
        "Axes from 0 to 180 degrees, counter-clockwise from the x axis; a sector's area is its share, the inner circle "
        "an even spread. On a lattice random taps favour some directions: the outline is the yardstick. Black lines "
        "are its 95 % range: the layers' own ranges added in squares, as those of independent draws are."
    )
    title = "Which way do pruned kernels point?"
    return StudyFigure(title, caption, sheet(draw, (1.9 * ACROSS, 1.75 * lines + 0.5)))


def _rose(panel: Any, own: pd.DataFrame, row: str) -> None:
    """The sectors of a row as bars, those of chance as an outline."""
    summed = own.groupby(["from", "to"])[["kernels", "chance"]].sum().reset_index()
    middle, width = np.deg2rad((summed["from"] + summed["to"]) / 2), np.deg2rad(summed["to"] - summed["from"])
    even = summed["kernels"].sum() / len(summed)
    panel.bar(middle, np.sqrt(summed["kernels"] / even), width, color=COLOURS[5], lw=0, label="pruned kernels")
    panel.bar(
        middle, np.sqrt(summed["chance"] / even), width, fill=False, ec=COLOURS[1], lw=1.2, label="random taps, mean"
    )
    ends = [np.sqrt(np.maximum(ends, 0) / even) for ends in _range(own, summed)]
    panel.vlines(middle, *ends, color="black", lw=1.6, label="random taps, 95 % range")
    panel.set(thetamin=-8, thetamax=173, xticks=np.deg2rad([0, 45, 90, 135]), yticks=[1], yticklabels=[""])
    panel.tick_params(labelsize=8, pad=-2)
    panel.set_title(f"{row}\n{summed['kernels'].sum():,} kernels", fontsize=9)


def _range(own: pd.DataFrame, summed: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where 95 % of random taps lie in each sector of ``summed``, layers and seeds together: they are drawn apart, so
    the distances of their ends from their means add up in squares.
    """
    below, above = (own["chance"] - own["chance_low"]) ** 2, (own["chance_high"] - own["chance"]) ** 2
    apart = own.assign(below=below, above=above).groupby(["from", "to"])[["below", "above"]].sum().reset_index()
    mean = summed["chance"].to_numpy(float)
    return mean - np.sqrt(apart["below"].to_numpy(float)), mean + np.sqrt(apart["above"].to_numpy(float))
