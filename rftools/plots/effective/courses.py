"""A measure of several models: through depth, and from model to model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rftools.errors import RequestError
from rftools.plots import comparison
from rftools.plots.effective.reading import measure_axis
from rftools.plots.kinds import kind
from rftools.plots.scene import Scene, even, short

if TYPE_CHECKING:
    from rftools.erf.comparison import EffectiveComparison

MOST = 6  # layers in one drawing of curves


@kind("rftools.erf-comparison", "growth", place=2)
def growth(result: EffectiveComparison, measure: str | None = None) -> Scene:
    """A measure through depth, one line a model, with intervals."""
    name = _measure(result, measure)
    layers = [row.name for row in result]
    given = []
    for number, label in enumerate(result.labels):
        found = [row.rows[number].measures[name] for row in result]
        low, high = [m.low for m in found], [m.high for m in found]
        given.append(comparison.Curve(label, [m.value for m in found], low, high))
    return comparison.curves(layers, given, f"{name} through depth", measure_axis(result.results[0], name))


@kind("rftools.erf-comparison", "curves", place=3)
def curves(result: EffectiveComparison, measure: str | None = None) -> Scene:
    """A measure through the models, such as the epochs of a run, one line a layer, at most six, with intervals."""
    name = _measure(result, measure)
    rows = even(result.layers, MOST)
    given = []
    for row in rows:
        found = [one.measures[name] for one in row.rows]
        low, high = [m.low for m in found], [m.high for m in found]
        given.append(comparison.Curve(row.name, [m.value for m in found], low, high))
    step, labels = _steps(result.labels)
    axis = replace(measure_axis(result.results[0], name), zero=True)
    scene = comparison.curves(labels, given, f"{name} through {step}s", axis, step=step, things="layers")
    return replace(
        scene,
        caption=f"{name} of {len(given)} layers, {step} by {step}, with 95 % intervals over images.",
        alt=f"{name} of {', '.join(short(curve.label) for curve in given)} over {len(labels)} {step}s.",
    )


def _measure(result: EffectiveComparison, measure: str | None) -> str:
    known = list(result.layers[0].rows[0].measures)
    name = measure or result.shown()[0]
    if name not in known:
        raise RequestError(f"no measure {name!r}; measured are {', '.join(known)}")
    return name


def _steps(labels: tuple[str, ...]) -> tuple[str, list[str]]:
    """``epoch`` and the numbers where all labels are epochs, so that ticks stay short.

    >>> _steps(("epoch 1", "epoch 2"))
    ('epoch', ['1', '2'])
    """
    if all(label.startswith("epoch ") for label in labels):
        return "epoch", [label.removeprefix("epoch ") for label in labels]
    return "model", list(labels)
