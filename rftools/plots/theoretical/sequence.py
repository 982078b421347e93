"""One unit's theoretical window over a sequence: on a waveform, by sample."""

from __future__ import annotations

from itertools import groupby

import numpy as np

from rftools.plots.places import is_causal
from rftools.plots.scene import Band, Line, Mark, Panel, PlotAxis, Points, Rect, Scene, numbers, short
from rftools.trf.layer_field import AxisField, LayerField

POINTS = 2000  # of the waveform


def sequence(row: LayerField, side: int, reached: list[bool]) -> Scene:
    """The window, the samples that reach the unit, and the unit's own place, over a waveform of ``side`` samples."""
    (axis,) = row.axes
    marks: list[Mark] = [_wave(side), *_runs(reached)]
    if axis.window is not None:
        low, high = axis.window
        marks.append(Rect(colour="overlay", label="theoretical window", extent=(low - 0.5, high + 0.5, 1.1, -1.1)))
    place = _own_place(row, axis)
    if place is not None:
        marks.append(Points(colour="overlay", label="the unit's own place", x=(place,), y=(0.0,), symbol="cross"))
    name = "-" if row.unit is None else row.unit_name
    size = "the whole input" if axis.global_ else f"{axis.size} samples"
    before = ", all before it" if is_causal(axis.start, axis.size) else ""
    return Scene(
        panels=(
            Panel(x=PlotAxis("input sample"), y=PlotAxis(visible=False, limits=(-1.25, 1.25)), marks=tuple(marks)),
        ),
        size=(720, 260),
        title=f"{short(row.name)}: unit {name} sees {size}{before}",
        caption="The unit's theoretical window to scale on a made-up waveform; tinted is what inside the input reaches "
        "the unit, so gaps in the tint are holes.",
        alt=f"Waveform with the field of unit {name} of layer {row.name or 'the model'}: {size}{before}.",
    )  # fmt: skip


def _wave(side: int) -> Line:
    """A fixed tone that swells and falls, so that lengths on it can be compared."""
    x = np.linspace(0, side - 1, min(side, POINTS))
    t = x / max(1, side - 1)
    swell = 0.25 + 0.75 * np.sin(np.pi * 3 * t) ** 2
    wave = swell * (0.6 * np.sin(2 * np.pi * 40 * t) + 0.4 * np.sin(2 * np.pi * 17.3 * t))
    return Line(colour="muted", x=numbers(x), y=numbers(wave))


def _runs(reached: list[bool]) -> list[Mark]:
    """A tint over each run of samples that reach the unit."""
    runs: list[Mark] = []
    at = 0
    for inside, run in groupby(reached):
        length = len(list(run))
        if inside:
            ends = (at - 0.5, at + length - 0.5)
            label = None if runs else "reaches the unit"
            runs.append(Band(colour="series-1", label=label, x=ends, low=(-1.1, -1.1), high=(1.1, 1.1)))
        at += length
    return runs


def _own_place(row: LayerField, axis: AxisField) -> float | None:
    if is_causal(axis.start, axis.size) and axis.stride and row.unit and len(row.unit) == 1:
        return float(row.unit[0] * axis.stride)
    return axis.unit_centre
