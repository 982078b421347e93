"""Tuning through depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.plots.kinds import kind
from rftools.plots.scene import (
    Line,
    Mark,
    Panel,
    PlotAxis,
    Scene,
    banded,
    layer_axis,
    numbers,
    short,
)
from rftools.plots.tuning.reading import answering, meaning

if TYPE_CHECKING:
    from rftools.gratings.result import TuningResult


@kind("rftools.tuning", "depth", place=5)
def depth(result: TuningResult) -> Scene:
    """Through the layers: median global OSI with quartiles, the share of selective filters, and preferred frequency."""
    rows = [row for row in result if row.responding]
    if not rows:
        raise RequestError("no filter answers to any grating; there is no tuning to draw")
    x = numbers(range(len(rows)))
    axis = layer_axis([row.name for row in rows])
    osi = [np.array([one.global_osi.value for one in answering(row)], dtype=float) for row in rows]
    frequency = [np.array([one.frequency for one in answering(row)], dtype=float) for row in rows]
    shares = numbers(100 * row.selective / len(row.filters) for row in rows)
    dead = numbers(100 * (1 - row.responding / len(row.filters)) for row in rows)
    return Scene(
        panels=(
            Panel("Global OSI", axis, PlotAxis("median and quartiles", limits=(0, 1)), _quartiles(x, osi, "series-1")),
            Panel(
                "Filters",
                axis,
                PlotAxis("share of filters", "%", limits=(0, 103)),
                (
                    Line(colour="series-2", label="selective", x=x, y=shares, markers=True),
                    Line(colour="muted", label="silent", x=x, y=dead, markers=True, dash="dash"),
                ),
            ),
            Panel(
                "Preferred frequency",
                axis,
                PlotAxis("median and quartiles", "cycles/px", limits=(0, 0.52)),
                _quartiles(x, frequency, "series-3"),
            ),
        ),
        columns=3,
        size=(400, 350),
        title=f"Tuning through depth, {short(result.model.name, 40)}",
        caption=f"Responses are {meaning(result)}. Silent filters answer to no grating; selective ones have a global "
        "OSI above their noise level.",
        alt=f"Median global OSI, share of selective filters and preferred frequency of {len(rows)} layers.",
    )


def _quartiles(x: tuple[float, ...], values: list[NDArray[np.float64]], colour: str) -> tuple[Mark, ...]:
    return tuple(banded(x, colour, None, [tuple(np.quantile(own, (0.5, 0.25, 0.75))) for own in values]))
