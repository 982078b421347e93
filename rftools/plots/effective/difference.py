"""One layer's effective map in two models, and where the second sees more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.plots.effective.overlays import outlines
from rftools.plots.effective.reading import column_axis, flat, frame_of, of_unit, row_axis, shared_layer
from rftools.plots.kinds import kind
from rftools.plots.scene import Extent, Heatmap, Line, Mark, Panel, PlotAxis, Scene, numbers, short

if TYPE_CHECKING:
    from rftools.erf.comparison import ComparedLayer, EffectiveComparison


@kind("rftools.erf-comparison", "difference", place=1)
def difference(result: EffectiveComparison, layer: str | None = None, other: int = -1) -> Scene:
    """One layer's map in the first model and in another (``other`` counts models, the last by default), and where the
    second sees more: both maps are scaled to a sum of one, so that the difference is of where, not of how strongly.
    """
    row = shared_layer(result, layer)
    first, second = (flat(row.rows[number]) for number in (0, other))
    labels = [short(result.labels[number], 30) for number in (0, other)]
    shares = [values / max(float(values.sum()), 1e-300) for values in (first, second)]
    change = shares[1] - shares[0]
    if first.ndim == 1:
        return _difference_1d(row, shares, labels)
    extent = frame_of(first)
    top = float(np.abs(change).max()) or 1.0
    roots = [Heatmap(values=np.sqrt(values), extent=extent, limits=(0.0, 1.0)) for values in (first, second)]
    split = Heatmap(
        values=change / top, extent=extent, limits=(-1.0, 1.0), bar="difference, share of the largest", diverging=True
    )
    panels = [
        _panel(label, extent, heat, *outlines(which, extent))
        for label, heat, which in zip(labels, roots, (row.rows[0], row.rows[other]), strict=True)
    ]
    panels.append(_panel(f"{short(labels[1], 18)} minus {short(labels[0], 18)}", extent, split))
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


def _panel(title: str, extent: Extent, *marks: Mark) -> Panel:
    return Panel(title=title, x=column_axis(extent), y=row_axis(extent), marks=marks, equal=True, legend=False)


def _difference_1d(row: ComparedLayer, shares: list[NDArray[np.float64]], labels: list[str]) -> Scene:
    x = numbers(range(len(shares[0])))
    lines = [
        Line(colour=f"series-{i + 1}", label=label, x=x, y=numbers(values), dash="dash" if i == 0 else "solid")
        for i, (label, values) in enumerate(zip(labels, shares, strict=True))
    ]
    panel = Panel(
        title=short(row.name, 40), x=PlotAxis("input index", "px"), y=PlotAxis("share of the sum"), marks=tuple(lines)
    )
    return Scene(
        panels=(panel,),
        caption="Effective field of one unit in both models, each scaled to a sum of one.",
        alt=f"Two curves of the effective field of layer {short(row.name, 60)} over the input.",
    )
