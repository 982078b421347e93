"""Effective fields of several models: the difference of their maps, growth side by side, change through training."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.plots import comparison
from rftools.plots.effective.maps import flat, measure_axis, of_unit, outlines
from rftools.plots.film import Film
from rftools.plots.scene import Axis, Heatmap, Line, Panel, Scene, numbers, short

if TYPE_CHECKING:
    from rftools.erf.comparison import ComparedLayer, EffectiveComparison

MOST = 6  # layers in one drawing of curves


def difference(result: EffectiveComparison, layer: str | None = None, other: int = -1) -> Scene:
    """One layer's map in the first model and in another (``other`` counts models, the last by default), and where the
    second sees more: both maps are scaled to a sum of one, so that the difference is of where, not of how strongly.
    """
    row = _pick(result, layer)
    first, second = (flat(row.rows[number]) for number in (0, other))
    labels = [short(result.labels[number], 30) for number in (0, other)]
    shares = [values / max(float(values.sum()), 1e-300) for values in (first, second)]
    change = shares[1] - shares[0]
    if first.ndim == 1:
        return _difference_1d(row, shares, labels)
    extent = (-0.5, first.shape[1] - 0.5, -0.5, first.shape[0] - 0.5)
    top = float(np.abs(change).max()) or 1.0
    roots = [Heatmap(values=np.sqrt(values), extent=extent, limits=(0.0, 1.0)) for values in (first, second)]
    split = Heatmap(
        values=change / top, extent=extent, limits=(-1.0, 1.0), bar="difference, share of the largest", diverging=True
    )
    panels = [
        Panel(title=title, x=_x(extent), y=_y(extent), marks=(heat, *outlines(which, extent)), equal=True, legend=False)
        for title, heat, which in (
            (labels[0], roots[0], row.rows[0]),
            (labels[1], roots[1], row.rows[other]),
        )
    ]
    panels.append(
        Panel(
            title=f"{short(labels[1], 18)} minus {short(labels[0], 18)}",
            x=_x(extent),
            y=_y(extent),
            marks=(split,),
            equal=True,
            legend=False,
        )
    )
    return Scene(
        panels=tuple(panels),
        columns=3,
        size=(390, 400),
        title=of_unit(row.rows[0]),
        caption=f"Effective field of one unit in both models (square-root scale, each as a share of its maximum), and "
        f"the difference of the maps scaled to a sum of one, as a share of its largest, {top:.2g} of the sum a pixel. "
        "Rectangles are theoretical windows, ellipses one standard deviation, crosses the unit's centre.",
        alt=f"Two heat maps of layer {short(row.name, 60)} and their difference.",
    )


def _x(extent: tuple[float, float, float, float]) -> Axis:
    return Axis("input column", "px", limits=extent[:2])


def _y(extent: tuple[float, float, float, float]) -> Axis:
    return Axis("input row", "px", limits=(extent[2], extent[3]), reversed=True)


def _difference_1d(row: ComparedLayer, shares: list[NDArray[np.float64]], labels: list[str]) -> Scene:
    x = numbers(range(len(shares[0])))
    lines = [
        Line(colour=f"series-{i + 1}", label=label, x=x, y=numbers(values), dash="dash" if i == 0 else "solid")
        for i, (label, values) in enumerate(zip(labels, shares, strict=True))
    ]
    panel = Panel(
        title=short(row.name, 40), x=Axis("input index", "px"), y=Axis("share of the sum"), marks=tuple(lines)
    )
    return Scene(
        panels=(panel,),
        caption="Effective field of one unit in both models, each scaled to a sum of one.",
        alt=f"Two curves of the effective field of layer {short(row.name, 60)} over the input.",
    )


def _pick(result: EffectiveComparison, layer: str | None) -> ComparedLayer:
    if layer is not None:
        return result[layer]
    seen = [row for row in result if all(one.map.any() for one in row.rows)]
    if not seen:
        raise RequestError("no layer has an effective map in every model; nothing to draw")
    return seen[-1]


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


def _measure(result: EffectiveComparison, measure: str | None) -> str:
    known = list(result.layers[0].rows[0].measures)
    name = measure or result.shown()[0]
    if name not in known:
        raise RequestError(f"no measure {name!r}; measured are {', '.join(known)}")
    return name


def curves(result: EffectiveComparison, measure: str | None = None) -> Scene:
    """A measure through the models, such as the epochs of a run, one line a layer, at most six, with intervals."""
    name = _measure(result, measure)
    rows = [result.layers[round(i)] for i in np.linspace(0, len(result.layers) - 1, min(MOST, len(result.layers)))]
    given = []
    for row in rows:
        found = [one.measures[name] for one in row.rows]
        low, high = [m.low for m in found], [m.high for m in found]
        given.append(comparison.Curve(row.name, [m.value for m in found], low, high))
    step, labels = _steps(result.labels)
    tops = [value for curve in given for value in (*curve.high, *curve.values) if value is not None]
    limits = (0.0, 1.35 * max(tops, default=1.0) or 1.0)  # room for the legend
    axis = replace(measure_axis(result.results[0], name), limits=limits)
    scene = comparison.curves(labels, given, f"{name} through {step}s", axis, step=step)
    return replace(
        scene,
        caption=f"{name} of {len(given)} layers, {step} by {step}, with 95 % intervals over images.",
        alt=f"{name} of {', '.join(short(curve.label) for curve in given)} over {len(labels)} {step}s.",
    )


def _steps(labels: tuple[str, ...]) -> tuple[str, list[str]]:
    """``epoch`` and the numbers where all labels are epochs, so that ticks stay short.

    >>> _steps(("epoch 1", "epoch 2"))
    ('epoch', ['1', '2'])
    """
    if all(label.startswith("epoch ") for label in labels):
        return "epoch", [label.removeprefix("epoch ") for label in labels]
    return "model", list(labels)


def animation(result: EffectiveComparison, layer: str | None = None) -> Film:
    """One layer's map, model after model (epoch after epoch), as shares of each own maximum."""
    row = _pick(result, layer)
    if flat(row.rows[0]).ndim == 1:
        raise RequestError("an animation is of maps over two axes; draw curves instead (--plot curves)")
    scenes = []
    for label, one in zip(result.labels, row.rows, strict=True):
        values = flat(one)
        extent = (-0.5, values.shape[1] - 0.5, -0.5, values.shape[0] - 0.5)
        heat = Heatmap(
            values=np.sqrt(values), extent=extent, limits=(0.0, 1.0), bar="share of the maximum, square root"
        )
        panel = Panel(
            title=f"{short(row.name, 30)}, {short(label, 24)}",
            x=_x(extent),
            y=_y(extent),
            marks=(heat, *outlines(one, extent)),
            equal=True,
            legend=False,
        )
        scenes.append(
            Scene(
                panels=(panel,),
                size=(520, 470),
                caption="Effective field of one unit as a share of its own maximum, on a square-root scale; the "
                "rectangle is the theoretical window, the ellipse one standard deviation, the cross the unit's centre.",
                alt=f"Heat map of the effective field of layer {short(row.name, 60)}, {label}.",
            )
        )
    return Film(tuple(scenes), result.labels)
