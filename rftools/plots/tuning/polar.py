"""Response around the circle, a panel a filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rftools.plots.kinds import kind
from rftools.plots.scene import Line, Mark, Panel, PlotAxis, Scene, numbers, short
from rftools.plots.tuning.reading import READING, chosen_filters, meaning, named, selection, words

if TYPE_CHECKING:
    from rftools.gratings.result import FilterTuning, LayerTuning, TuningResult


@kind("rftools.tuning", "polar", place=2)
def polar(result: TuningResult, layer: str | None = None, filters: Sequence[int] | None = None) -> Scene:
    """The same curves around the circle; an orientation has no direction, so the lower half mirrors the upper."""
    row, chosen = chosen_filters(result, layer, filters)
    return Scene(
        panels=tuple(_polar_panel(row, one) for one in chosen),
        columns=min(3, len(chosen)),
        size=(300, 320) if len(chosen) > 1 else (480, 470),
        title=f"Orientation tuning, {short(result.model.name, 30)}, {short(row.name, 30)}",
        caption=f"Response ({meaning(result)}), as a share of its maximum, over the orientation of a grating at the "
        f"frequency that each filter prefers. {READING} An orientation has no direction, so the lower half mirrors the "
        "upper. The straight line is the preferred orientation, as long as the global OSI."
        + selection(row, chosen, filters),
        alt=f"Polar tuning curves of {len(chosen)} filters of {short(row.name, 60)}: {words(chosen)}.",
    )


def _polar_panel(row: LayerTuning, one: FilterTuning) -> Panel:
    own = row.curve(one.filter) / row.curve(one.filter).max()
    angles = np.asarray(row.orientations)
    around, twice = [*angles, *(angles + 180), 360.0], [*own, *own, own[0]]
    marks: list[Mark] = [Line(colour="series-1", label="response", x=numbers(around), y=numbers(twice), markers=False)]
    if one.orientation.value is not None:
        length, angle = float(one.global_osi.value or 0), float(one.orientation.value)
        marks.append(
            Line(
                colour="series-2",
                label="preferred, as long as global OSI",
                x=(angle + 180, angle, angle),
                y=(length, 0.0, length),
            )
        )
    return Panel(
        title=named(one), y=PlotAxis(limits=(0.0, 1.05), ticks=((0.5, ""), (1.0, ""))), marks=tuple(marks), polar=True
    )
