"""What is told right, size by size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rftools.plots.kinds import kind
from rftools.plots.scene import Mark, Panel, PlotAxis, ReferenceLine, Scene, banded, numbers, short

if TYPE_CHECKING:
    from rftools.probing.result import Probed

SHOWN = {
    "occlusion": "side of the window that is left",
    "shuffling": "side of the window that is left in order",
    "distance": "view that a label needs",
    "pairs": "view that touches both marks",
}


@kind("rftools.probe", "curve", place=1)
def curve(result: Probed) -> Scene:
    """The share told right over sizes with its interval, chance, and the fields beside: used, can see, does see."""
    x = numbers(row.size for row in result)
    shares = [(100 * row.share, 100 * row.low, 100 * row.high) for row in result]
    marks: list[Mark] = [
        *banded(x, "series-1", "told right, 95 % interval", shares),
        ReferenceLine(colour="muted", value=100 * result.chance, dash="dot", label="chance"),
    ]
    most = max(x)
    for value, colour, label in _fields(result):
        if value is not None and value <= most:
            marks.append(
                ReferenceLine(colour=colour, value=value, axis="x", label=f"{label}, {value:.0f} {result.unit}")
            )
    axes = PlotAxis(SHOWN[result.method], result.unit, zero=True), PlotAxis("told right", "%", limits=(0, 103))
    return Scene(
        (Panel(_message(result), *axes, tuple(marks)),),
        title=f"Behavioural field of {short(result.model.name, 40)}",
        caption=" ".join(f"{line[0].upper()}{line[1:]}." for line in (result.shown, *result.remarks())),
        alt=f"Share of answers told right over {len(x)} sizes, from {shares[0][0]:.0f} to {shares[-1][0]:.0f} %.",
    )


def _fields(result: Probed) -> list[tuple[float | None, str, str]]:
    effective = None if result.effective is None else result.effective.value
    return [
        (None if result.open_ended else result.behavioural.value, "series-2", "uses"),
        (effective, "series-3", "half of the gradient"),
        (result.theoretical, "series-4", "can see"),
    ]


def _message(result: Probed) -> str:
    value = result.behavioural.value
    if value is None:
        return "Nothing is told beyond chance"
    if result.open_ended:
        return f"Answers hold at all that was shown, up to {value:g} {result.unit}"
    if result.rises:
        return f"95 % of the answers are there from {value:g} {result.unit} on"
    return f"Answers hold up to {value:g} {result.unit}"
