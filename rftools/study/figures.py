"""Figures of a study, each an SVG: one message, seeds as small marks, their means as large ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rftools.study.canvas import COLOURS, MARKS, StudyFigure, done, drawn
from rftools.study.sheets import fields, roses
from rftools.study.tables import unit_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

WINDOW = 20  # points of accuracy that an axis shows at least, so that chance doesn't look like a difference
FEWEST = 5  # nets whose ranks are worth a correlation


def figures(tables: dict[str, Any]) -> list[StudyFigure]:
    """Those that the results have something for."""
    return [found for draw in DRAWN if (found := draw(tables)) is not None]


def _scatter(axes: Axes, results: pd.DataFrame, column: str) -> None:
    """Accuracy against a column: a colour and a symbol a row, seeds small."""
    for k, (row, own) in enumerate(results.groupby("row", sort=False)):
        look: dict[str, Any] = {"color": COLOURS[k % len(COLOURS)], "marker": MARKS[k % len(MARKS)]}
        axes.scatter(own[column], 100 * own["accuracy"], s=20, alpha=0.75, lw=0, **look)
        axes.scatter([own[column].mean()], [100 * own["accuracy"].mean()], s=60, label=str(row), **look)
    axes.set_ylabel("held-out accuracy (%)")
    low, high = 100 * results["accuracy"].min(), 100 * results["accuracy"].max()
    room = max(WINDOW - (high - low), 4) / 2
    axes.set_ylim(max(low - room, 0), min(max(high + room, WINDOW), 102))
    axes.figure.legend(loc="outside right upper", frameon=False, fontsize=8)


def _against(column: str, label: str, message: str, log: bool) -> Callable[[dict[str, Any]], StudyFigure | None]:
    def figure(tables: dict[str, Any]) -> StudyFigure | None:
        own = done(tables).dropna(subset=[column, "accuracy"])
        own = own[own["sparsity"].fillna(0) == 0]
        if own["row"].nunique() < 2 or own[column].nunique() < 2:
            return None

        def draw(axes: Axes) -> None:
            _scatter(axes, own, column)
            axes.set_xlabel(label.format(unit=unit_of(own)))
            if log:
                axes.set_xscale("log")
            else:
                axes.set_xlim(left=0)

        means = own.groupby("row")[[column, "accuracy"]].mean()
        order = float(means.rank().corr().to_numpy()[0, 1])
        known = "" if np.isnan(order) or len(means) < FEWEST else f" Rank correlation of their means {order:+.2f}."
        caption = f"Nets that were not pruned, {own['row'].nunique()} of them.{known}"
        return StudyFigure(message, caption, drawn(draw))

    return figure


def _curves(tables: dict[str, Any]) -> StudyFigure | None:
    epochs = tables["epochs"]
    if "val_accuracy" not in epochs or epochs["epoch"].max() < 2:
        return None

    def draw(axes: Axes) -> None:
        for k, (row, own) in enumerate(epochs.groupby("row", sort=False)):
            mean = own.groupby("epoch")["val_accuracy"].mean() * 100
            look: dict[str, Any] = {"color": COLOURS[k % len(COLOURS)], "marker": MARKS[k % len(MARKS)]}
            axes.plot(mean.index, mean, ls="--" if k >= len(COLOURS) else "-", ms=4, label=str(row), **look)
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel("epoch")
        axes.set_ylabel("held-out accuracy (%), mean over seeds")
        axes.set_ylim(0, 100)
        axes.figure.legend(loc="outside right upper", frameon=False, fontsize=8)

    return StudyFigure("Accuracy through training", "Means over seeds.", drawn(draw, (7.2, 5.2)))


def _pruned(tables: dict[str, Any]) -> StudyFigure | None:
    own = done(tables)
    pruned = own[own["sparsity"].fillna(0) > 0]
    if not len(pruned):
        return None
    rows = list(dict.fromkeys(pruned["row"]))

    def draw(axes: Axes) -> None:
        for place, row in enumerate(rows):
            after = pruned[pruned["row"] == row]
            whole = own[(own["net"] == after["net"].iloc[0]) & (own["sparsity"].fillna(0) == 0)]
            ends = [(whole["accuracy"], COLOURS[0], "o", "whole"), (after["accuracy"], COLOURS[1], "s", "pruned")]
            for values, colour, mark, label in ends:
                axes.scatter(
                    100 * values, np.full(len(values), place), s=20, alpha=0.75, lw=0, color=colour, marker=mark
                )
                axes.scatter(
                    [100 * values.mean()], [place], s=60, color=colour, marker=mark, label=None if place else label
                )
        axes.set_yticks(range(len(rows)), rows)
        axes.invert_yaxis()
        axes.set_xlabel("held-out accuracy (%)")
        axes.figure.legend(loc="outside upper right", ncols=2, frameon=False)

    return StudyFigure(
        "Before and after pruning",
        "Small marks are seeds, large ones their means.",
        drawn(draw, (7.2, 1.4 + 0.4 * len(rows))),
    )


def _anisotropy(tables: dict[str, Any]) -> StudyFigure | None:
    layers = tables["layers"]
    if "pooled_anisotropy" not in layers or not layers["pooled_anisotropy"].notna().any():
        return None
    own = layers.dropna(subset=["pooled_anisotropy"])
    rows = list(dict.fromkeys(own["row"]))

    def draw(axes: Axes) -> None:
        for k, row in enumerate(rows):
            mine = own[own["row"] == row]
            x = mine.groupby("seed").cumcount() + 1
            axes.scatter(
                x,
                mine["pooled_anisotropy"],
                s=18,
                color=COLOURS[k % len(COLOURS)],
                marker=MARKS[k % len(MARKS)],
                label=row,
            )
        axes.set_xlabel("layer, in order")
        axes.set_ylabel("pooled anisotropy (0 every way, 1 a line)")
        axes.set_ylim(0, 1)
        axes.figure.legend(loc="outside right upper", frameon=False, fontsize=8)

    beyond = int((own["q"] < 0.05).sum()) if "q" in own else 0
    middle = own.groupby("row", sort=False)["pooled_anisotropy"].median()
    medians = "; ".join(f"{row} {value:.3f}" for row, value in middle.items())
    chance = f"{beyond} of {len(own)} layers prefer a direction beyond chance (q below 0.05 within a net)."
    caption = f"Medians over layers and seeds: {medians}. {chance}"
    return StudyFigure("Do pruned layers still look every way?", caption, drawn(draw))


DRAWN = (
    _against(
        "theoretical",
        "theoretical field of the last convolution ({unit})",
        "Accuracy against what a unit can see",
        False,
    ),
    _against(
        "effective", "diameter that holds half of the gradient ({unit})", "Accuracy against what a unit does see", False
    ),
    _against("behavioural", "behavioural field ({unit})", "Accuracy against what the net uses", False),
    fields,
    _against("parameters", "trainable parameters", "Accuracy against parameters", True),
    _against("macs", "multiply-adds of one input", "Accuracy against operations", True),
    _curves,
    _pruned,
    _anisotropy,
    roses,
)
