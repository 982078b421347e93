"""One layer's effective map, model after model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rftools.errors import RequestError
from rftools.plots.effective.overlays import outlines
from rftools.plots.effective.reading import column_axis, flat, frame_of, row_axis, shared_layer
from rftools.plots.film import Film
from rftools.plots.kinds import kind
from rftools.plots.scene import Heatmap, Panel, Scene, short

if TYPE_CHECKING:
    from rftools.erf.comparison import EffectiveComparison


@kind("rftools.erf-comparison", "animation", place=4)
def animation(result: EffectiveComparison, layer: str | None = None) -> Film:
    """One layer's map, model after model (epoch after epoch), as shares of each own maximum."""
    row = shared_layer(result, layer)
    if flat(row.rows[0]).ndim == 1:
        raise RequestError("an animation is of maps over two axes; draw curves instead (--plot curves)")
    scenes = []
    for label, one in zip(result.labels, row.rows, strict=True):
        values = flat(one)
        extent = frame_of(values)
        heat = Heatmap(
            values=np.sqrt(values), extent=extent, limits=(0.0, 1.0), bar="share of the maximum, square root"
        )
        panel = Panel(
            title=f"{short(row.name, 30)}, {short(label, 24)}",
            x=column_axis(extent),
            y=row_axis(extent),
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
