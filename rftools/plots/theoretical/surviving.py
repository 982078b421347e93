"""What pruning left of each layer's field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rftools.errors import RequestError
from rftools.plots.kinds import kind
from rftools.plots.scene import Line, Panel, PlotAxis, ReferenceLine, Scene, layer_axis, numbers

if TYPE_CHECKING:
    from rftools.trf.layer_field import LayerField
    from rftools.trf.result import TheoreticalResult


@kind("rftools.trf", "surviving", place=4)
def surviving(result: TheoreticalResult) -> Scene:
    """What pruning left of each layer's field: the shares of its pixels and of its sides, inside the image.

    Raises:
        RequestError: no layer has a surviving field; `rftools.theoretical` works it out on request.
    """
    rows = [row for row in result if row.surviving is not None]
    if not rows:
        raise RequestError("no surviving field to draw; ask for it with surviving=True")
    x = numbers(range(len(rows)))
    pixels = numbers(100 * row.surviving.share for row in rows if row.surviving is not None)
    sides = numbers(_side_left(row) for row in rows)
    hover = tuple(
        f"{row.name or '(model)'}: {share:.1f} % of the pixels" for row, share in zip(rows, pixels, strict=True)
    )
    few = len(rows) < 80
    return Scene(
        panels=(
            Panel(
                title="Field left by pruning",
                x=layer_axis([row.name for row in rows]),
                y=PlotAxis("share that is left", "%", limits=(0.0, 105.0)),
                marks=(
                    Line(colour="series-2", label="smallest side", x=x, y=sides, dash="dash", markers=few),
                    Line(colour="series-1", label="pixels", x=x, y=pixels, markers=few, hover=hover),
                    ReferenceLine(colour="muted", label="the architecture's field", value=100.0, dash="dot"),
                ),
            ),
        ),
        caption="What the weights that are not zero leave of the central unit's field, through all layers before it: "
        "100 % is the architecture's own field inside the image. Sides fall where whole rows or columns are gone, "
        "pixels also where holes opened.",
        alt=f"Surviving share of the fields of {len(rows)} layers of {result.model.name}: "
        f"from {min(pixels):.0f} to {max(pixels):.0f} % of the pixels.",
    )


def _side_left(row: LayerField) -> float:
    """The smallest ratio of surviving to whole side over the axes, in percent."""
    assert row.surviving is not None
    whole = [1 if axis.clipped is None else axis.clipped[1] - axis.clipped[0] + 1 for axis in row.axes]
    return 100 * min(left / side for left, side in zip(row.surviving.sizes, whole, strict=True))
