"""All layers' effective maps on one sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rftools.errors import RequestError
from rftools.plots.effective.blocks import SMALL, covered, smaller
from rftools.plots.effective.overlays import outlines, shares_held
from rftools.plots.effective.reading import flat, frame_of
from rftools.plots.kinds import kind
from rftools.plots.scene import (
    Heatmap,
    Line,
    Panel,
    PlotAxis,
    Rect,
    Scene,
    even,
    numbers,
    short,
)

if TYPE_CHECKING:
    from rftools.erf.result import EffectiveLayer, EffectiveResult

SHEET = 24  # maps on a contact sheet


@kind("rftools.erf", "sheet", place=3)
def sheet(result: EffectiveResult, most: int = SHEET) -> Scene:
    """All layers' maps, small, each coloured by the share of its sum; beyond ``most`` layers an even choice of them."""
    rows = [row for row in result.central() if row.map.any()]
    if not rows:
        raise RequestError("no layer has an effective map; nothing to draw")
    chosen = even(rows, most)
    return Scene(
        panels=tuple(_thumbnail(row) for row in chosen),
        columns=min(4, len(chosen)),
        size=(210, 220),
        title=f"Effective fields of {short(result.model.name, 40)}",
        caption="Effective field of each layer's unit, coloured by how much of the map's sum lies in stronger "
        "pixels: the brightest hold the first half of it, the darkest the last tenth. Frames are theoretical windows. "
        + ("Of three axes the last two are drawn, summed over the first. " if chosen[0].map.ndim == 3 else "")
        + (f"{len(chosen)} of {len(rows)} layers." if len(chosen) < len(rows) else ""),
        alt=f"Contact sheet of {len(chosen)} effective fields.",
    )


def _thumbnail(row: EffectiveLayer) -> Panel:
    values = flat(row)
    hidden = PlotAxis(visible=False)
    if values.ndim == 1:
        line = Line(x=numbers(range(len(values))), y=numbers(values))
        return Panel(title=short(row.key, 24), x=hidden, y=hidden, marks=(line,), legend=False)
    extent = frame_of(values)
    small = smaller(values, SMALL)
    held = np.where(small > 0, shares_held(small), np.nan)
    outline = [mark for mark in outlines(row, extent) if isinstance(mark, Rect)]
    return Panel(
        title=short(row.key, 24),
        x=PlotAxis(visible=False, limits=extent[:2]),
        y=PlotAxis(visible=False, limits=(-0.5, extent[3]), reversed=True),
        marks=(
            Heatmap(values=held, extent=covered(values.shape, SMALL), limits=(0.0, 100.0), falling=True),
            *outline,
        ),
        equal=True,
        legend=False,
    )
