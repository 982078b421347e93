"""What drawings of tuning share: which layer and filters, and their words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rftools.errors import RequestError

if TYPE_CHECKING:
    from rftools.gratings.result import FilterTuning, LayerTuning, TuningResult

SHOWN = 9  # filters with a panel of their own
QUARTERS = tuple((float(t), f"{t}°") for t in (0, 45, 90, 135, 180))
READING = "Orientation is that of the bars: 0° is along x, counter-clockwise as seen."


def picked(result: TuningResult, layer: str | None) -> LayerTuning:
    if layer is not None:
        row = result[layer]
        if not row.responding:
            raise RequestError(f"no filter of {layer!r} answers to any grating; there is no tuning to draw")
        return row
    for row in result:
        if row.responding:
            return row
    raise RequestError("no filter answers to any grating; there is no tuning to draw")


def answering(row: LayerTuning) -> list[FilterTuning]:
    return [one for one in row.filters if one.response > 0]


def chosen_filters(
    result: TuningResult, layer: str | None, filters: Sequence[int] | None
) -> tuple[LayerTuning, list[FilterTuning]]:
    row = picked(result, layer)
    if filters is None:
        best = sorted(answering(row), key=lambda one: -(one.global_osi.value or 0.0))[:SHOWN]
        return row, sorted(best, key=lambda one: one.orientation.value or 0.0)
    for number in filters:
        if not 0 <= number < len(row.filters):
            raise RequestError(f"no filter {number} in {row.name!r}; there are 0 to {len(row.filters) - 1}")
        if row.filters[number].response <= 0:
            raise RequestError(f"filter {number} of {row.name!r} answers to no grating; there is no curve to draw")
    return row, [row.filters[number] for number in filters]


def selection(row: LayerTuning, chosen: list[FilterTuning], asked: Sequence[int] | None) -> str:
    if asked is not None or len(chosen) == len(row.filters):
        return ""
    return f" The {len(chosen)} of {len(row.filters)} filters with the largest global OSI."


def meaning(result: TuningResult) -> str:
    return "F0, mean rectified output" if result.response == "F0" else "F1, amplitude of the first harmonic"


def words(chosen: list[FilterTuning]) -> str:
    return "; ".join(
        f"filter {one.filter} " + ("none" if one.orientation.value is None else f"{one.orientation.value:.0f}°")
        for one in chosen
    )


def named(one: FilterTuning) -> str:
    angle = "-" if one.orientation.value is None else f"{one.orientation.value:.0f}°"
    return f"filter {one.filter}: {angle}, {one.frequency:.2g} cycles/px"
