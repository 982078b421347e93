"""The map of preferences: orientations in a rose, and orientation against frequency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rftools.plots.kinds import kind
from rftools.plots.orientation.sectors import Directions, rose_of
from rftools.plots.scene import (
    Mark,
    Panel,
    PlotAxis,
    Points,
    Scene,
    numbers,
    short,
)
from rftools.plots.tuning.reading import QUARTERS, READING, answering, named, picked

if TYPE_CHECKING:
    from rftools.gratings.result import LayerTuning, TuningResult

BINS = np.linspace(-7.5, 172.5, 13)


@kind("rftools.tuning", "map", place=4)
def preferences(result: TuningResult, layer: str | None = None) -> Scene:
    """The map of preferences: a rose of the orientations that selective filters prefer, and orientation against
    spatial frequency.
    """
    row = picked(result, layer)
    return Scene(
        panels=(_rose(row), _scatter(row)),
        columns=2,
        size=(440, 430),
        title=f"Preferred gratings, {short(result.model.name, 30)}, {short(row.name, 30)}",
        caption=f"{READING} Left: filters whose global OSI is above noise, by the orientation that they prefer, "
        "on the half circle; a sector's radius is the square root of its share, dotted is an even spread; grey where "
        "Rayleigh's p is at least 0.05, else with the mean axis, as long as its resultant. Right: each filter's "
        "orientation and frequency; open circles are not selective. At an end of the frequencies shown, one beyond may "
        "be preferred.",
        alt=f"{row.selective} of {len(row.filters)} filters of {short(row.name, 60)} are selective; "
        + ("no mean axis." if row.mean_orientation is None else f"mean axis {row.mean_orientation:.0f}°."),
    )


def _rose(row: LayerTuning) -> Panel:
    selective = [one.orientation.value for one in row.filters if one.selective and one.orientation.value is not None]
    wrapped = [angle - 180 if angle >= BINS[-1] else angle for angle in selective]
    counts, _ = np.histogram(wrapped, bins=BINS)
    known = row.mean_orientation is not None and row.resultant is not None
    mean = (float(row.mean_orientation or 0), None, None, float(row.resultant or 0)) if known else None
    found = Directions("selective filters", numbers(BINS), numbers(counts), mean=mean, surprise=row.p_rayleigh)
    chance = "" if row.p_rayleigh is None else f", p = {row.p_rayleigh:.2g}"
    resultant = "" if row.resultant is None else f"R = {row.resultant:.2f}{chance}"
    return rose_of(found, f"{len(selective)} of {len(row.filters)} filters\n{resultant}")


def _scatter(row: LayerTuning) -> Panel:
    marks: list[Mark] = []
    for selective, colour, symbol in ((False, "muted", "open"), (True, "series-1", "circle")):
        own = [one for one in answering(row) if one.selective == selective and one.orientation.value is not None]
        if own:
            marks.append(
                Points(
                    colour=colour,
                    label="selective" if selective else "not selective",
                    x=numbers(one.orientation.value for one in own),
                    y=numbers(one.frequency for one in own),
                    symbol="circle" if symbol == "circle" else "open",
                    hover=tuple(f"{named(one)}, global OSI {one.global_osi.value:.2f}" for one in own),
                )
            )
    low, high = row.frequencies[0], row.frequencies[-1]
    return Panel(
        title="orientation and frequency",
        x=PlotAxis("preferred orientation", ticks=QUARTERS, limits=(-4, 184)),
        y=PlotAxis("preferred spatial frequency", "cycles/px", limits=(0.85 * low, 1.05 * high)),
        marks=tuple(marks),
    )
