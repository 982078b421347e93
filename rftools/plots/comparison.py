"""Several models in one drawing: the same figure of each layer, side by side through depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rftools.plots.scene import Axis, Band, Dash, Line, Mark, Panel, Rule, Scene, layer_ticks, numbers, short
from rftools.plots.theme import SERIES


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
    axis: Axis,
    *,
    step: str = "layer",
    image: float | None = None,
    things: str = "models",
) -> Scene:
    """One line a model (or another of ``things``) over aligned layers or other steps, with its interval as a band.

    ``image`` is drawn as a rule.
    """
    marks: list[Mark] = []
    for index, curve in enumerate(given):
        colour = SERIES[index % len(SERIES)]
        dash: Dash = "solid" if index < len(SERIES) else "dash"
        known = [(i, value) for i, value in enumerate(curve.values) if value is not None]
        if curve.low and curve.high:
            x = numbers(i for i, _ in known)
            low, high = numbers(curve.low[i] for i, _ in known), numbers(curve.high[i] for i, _ in known)
            marks.append(Band(colour=colour, x=x, low=low, high=high))
        marks.append(
            Line(
                colour=colour,
                label=short(curve.label),
                x=numbers(i for i, _ in known),
                y=numbers(value for _, value in known),
                dash=dash,
                markers=len(layers) < 60,
                hover=tuple(f"{curve.label}, {layers[i]}: {value:.4g}" for i, value in known),
            )
        )
    if image is not None:
        marks.append(Rule(colour="muted", label=f"image size ({image:g} px)", value=image, dash="dot"))
    return Scene(
        panels=(
            Panel(
                title=title,
                x=Axis(step, ticks=layer_ticks(list(layers)), limits=(-0.5, max(1, len(layers)) - 0.5)),
                y=axis,
                marks=tuple(marks),
            ),
        ),
        size=(860, 400),
        caption=f"{title}, {step} by {step}, for {len(given)} {things}; bands are 95 % intervals where there are any.",
        alt=f"{title} of {', '.join(short(curve.label) for curve in given)} over {len(layers)} {step}s.",
    )
