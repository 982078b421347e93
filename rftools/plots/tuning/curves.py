"""Response over orientation, a panel a filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rftools.gratings.measures import bump_through
from rftools.plots.kinds import kind
from rftools.plots.scene import (
    Line,
    Mark,
    Panel,
    PlotAxis,
    Points,
    ReferenceLine,
    Scene,
    numbers,
    short,
)
from rftools.plots.tuning.reading import QUARTERS, READING, chosen_filters, meaning, named, selection, words

if TYPE_CHECKING:
    from rftools.gratings.result import FilterTuning, LayerTuning, TuningResult


@kind("rftools.tuning", "curves", place=1)
def curves(result: TuningResult, layer: str | None = None, filters: Sequence[int] | None = None) -> Scene:
    """Response over orientation at the preferred frequency, a panel a filter, with the fitted von Mises bump.

    ``filters`` are by default the nine of the largest global OSI among those that answer.
    """
    row, chosen = chosen_filters(result, layer, filters)
    return Scene(
        panels=tuple(_curve_panel(row, one) for one in chosen),
        columns=min(3, len(chosen)),
        size=(330, 250) if len(chosen) > 1 else (560, 380),
        title=f"Orientation tuning, {short(result.model.name, 30)}, {short(row.name, 30)}",
        caption=f"Response ({meaning(result)}) over the orientation of a grating at the frequency that each filter "
        f"prefers. {READING} Dots: responses; line: von Mises fit; dashed: preferred orientation."
        + selection(row, chosen, filters),
        alt=f"Tuning curves of {len(chosen)} filters of {short(row.name, 60)}: {words(chosen)}.",
    )


def _curve_panel(row: LayerTuning, one: FilterTuning) -> Panel:
    own, angles = row.curve(one.filter), np.asarray(row.orientations)
    fine = np.linspace(0, 180, 181)
    marks: list[Mark] = [
        Line(
            colour="series-1", label="von Mises fit", x=numbers(fine),
            y=numbers(bump_through(own, np.radians(angles), np.radians(fine))),
        ),
        Points(
            colour="series-6", label="response", x=numbers([*angles, 180.0]), y=numbers([*own, own[0]]),
            hover=tuple(f"{a:g}°: {r:.4g}" for a, r in zip([*angles, 180.0], [*own, own[0]])),
        ),
    ]  # fmt: skip
    if one.orientation.value is not None:
        marks.append(ReferenceLine(colour="series-2", value=one.orientation.value, axis="x"))
    fit = "" if one.fit is None else f", R² {one.fit:.2f}"
    return Panel(
        title=f"{named(one)}\nglobal OSI {one.global_osi.value:.2f}{fit}",
        x=PlotAxis("orientation", ticks=QUARTERS, limits=(0, 180)),
        y=PlotAxis("response", limits=(min(0.0, float(own.min())), 1.1 * float(own.max()))),
        marks=tuple(marks),
    )
