"""Several models in one drawing: the same figure of each layer, side by side through depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rftools.plots.scene import (
    Band,
    Dash,
    Line,
    Mark,
    Panel,
    PlotAxis,
    ReferenceLine,
    Scene,
    layer_axis,
    numbers,
    short,
)
from rftools.plots.theme import SERIES

DEPTH = "share of depth"  # the step of nets whose layers are not the same


@dataclass(frozen=True)
class Curve:
    """One model's figure at each aligned layer, None where it has none; the interval where it has one."""

    label: str
    values: Sequence[float | None]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()


def curves(
    layers: Sequence[str],
    given: Sequence[Curve],
    title: str,
    axis: PlotAxis,
    *,
    step: str = "layer",
    image: float | None = None,
    things: str = "models",
) -> Scene:
    """One line a model (or another of ``things``) over aligned layers or other steps, with its interval as a band.

    Lines that would hide each other are one, under all their names; where all are one the title says so. ``image`` is
    drawn as a rule. Steps that are a ``"share of depth"`` have no names: they go from 0, the first layer, to 1.
    """
    groups = _alike(given)
    marks = [mark for index, group in enumerate(groups) for mark in _line(layers, group, index, step, axis.unit)]
    if image is not None:
        marks.append(ReferenceLine(colour="muted", label=f"image size ({image:g} px)", value=image, dash="dot"))
    same = len(groups) == 1 and len(given) > 1
    said = f"{title}: the same in all {len(given)} {things}" if same else title
    return Scene(
        panels=(Panel(title=said, x=_steps(layers, step), y=axis, marks=tuple(marks)),),
        size=(860, 400),
        caption=f"{title}, {step} by {step}, for {len(given)} {things}; bands are 95 % intervals where there are any."
        + "".join(f" {_named(group)} do not differ." for group in groups if len(group) > 1),
        alt=f"{title} of {', '.join(short(curve.label) for curve in given)} over {len(layers)} {step}s.",
    )


def _alike(given: Sequence[Curve]) -> list[list[Curve]]:
    """The curves, those of the same values together, in the order given."""
    groups: dict[tuple[float | None, ...], list[Curve]] = {}
    for curve in given:
        groups.setdefault(tuple(curve.values), []).append(curve)
    return list(groups.values())


def _named(group: Sequence[Curve]) -> str:
    return " and ".join(short(curve.label) for curve in group)


def _steps(layers: Sequence[str], step: str) -> PlotAxis:
    if step == DEPTH:
        return PlotAxis(f"{DEPTH}, first layer to last", limits=(-0.03, 1.03))
    return replace(layer_axis(layers), label=step)


def _line(layers: Sequence[str], group: Sequence[Curve], index: int, step: str, unit: str | None) -> list[Mark]:
    """The line of curves that are the same, and the first one's interval."""
    curve, colour = group[0], SERIES[index % len(SERIES)]
    dash: Dash = "solid" if index < len(SERIES) else "dash"
    known = [(i, value) for i, value in enumerate(curve.values) if value is not None]
    scale = 1 / max(1, len(layers) - 1) if step == DEPTH else 1
    x = numbers(scale * i for i, _ in known)
    marks: list[Mark] = []
    if curve.low and curve.high:
        low, high = numbers(curve.low[i] for i, _ in known), numbers(curve.high[i] for i, _ in known)
        marks.append(Band(colour=colour, x=x, low=low, high=high))
    label = " = ".join(short(one.label, 28 if len(group) < 3 else 16) for one in group[:4])
    where = [f"{100 * place:.0f} % of depth" if step == DEPTH else layers[i] for place, (i, _) in zip(x, known)]
    marks.append(
        Line(
            colour=colour,
            label=label + (f" = {len(group) - 4} more" if len(group) > 4 else ""),
            x=x,
            y=numbers(value for _, value in known),
            dash=dash,
            markers=len(layers) < 60,
            hover=tuple(
                f"{_named(group)}, {place}: {value:.4g} {unit or ''}".rstrip()
                for place, (_, value) in zip(where, known, strict=True)
            ),
        )
    )
    return marks
