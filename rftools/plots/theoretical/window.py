"""One unit's theoretical window, to scale on an input picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.plots.kinds import kind
from rftools.plots.picture import neutral_picture
from rftools.plots.scene import Axis, Image, Mark, Mask, Panel, Points, Rect, Scene

if TYPE_CHECKING:
    from rftools.trf.layer_field import AxisField, LayerField
    from rftools.trf.result import TheoreticalResult


@kind("rftools.trf", "window", place=2)
def window(result: TheoreticalResult, layer: str | None = None, picture: NDArray[np.uint8] | None = None) -> Scene:
    """One unit's field, to scale, on an input picture: its window, what the border leaves, and its holes.

    ``layer`` defaults to the last one whose window is known and not the whole image; 1-D inputs are drawn as a
    strip, 3-D ones by their last two axes.
    """
    row = _pick(result, layer)
    sides = list(result.input_size or ())[1:]
    if len(row.axes) != len(sides) or not sides:
        raise RequestError(f"layer {row.name!r} has no field along the input's axes to draw")
    down, across = _plane(row.axes)
    height, width = (max(1, sides[-1] // 8), sides[-1]) if len(sides) == 1 else (sides[-2], sides[-1])
    if picture is None:
        picture = neutral_picture(height, width)
    frame = (-0.5, width - 0.5, -0.5, height - 0.5)
    marks: list[Mark] = [Image(pixels=picture, extent=frame)]
    marks += _outlines(down, across, height, frame)
    if row.unit is not None:
        marks.append(_centre(row, height))
    size = "whole image" if across.global_ else f"{across.size} px"
    place = "-" if row.unit is None else row.unit_name
    return Scene(
        panels=(
            Panel(
                title=f"{row.name or '(model)'}: unit ({place}), field {size}",
                x=Axis("input column" if len(sides) > 1 else "input index", "px"),
                y=Axis("input row", "px", reversed=True, visible=len(sides) > 1),
                marks=tuple(marks),
                equal=True,
            ),
        ),
        size=(520, max(190, min(560, round(430 * height / width) + 90))),
        caption="The unit's theoretical window to scale on the input; tinted is what inside the image reaches the "
        "unit, so gaps in the tint are holes. The dashed frame is the image's border."
        + (" Of three axes the last two are drawn." if len(sides) == 3 else ""),
        alt=f"Input picture with the field of unit ({place}) of layer {row.name or 'the model'}: {size}.",
    )


def _pick(result: TheoreticalResult, layer: str | None) -> LayerField:
    if layer is not None:
        return result[layer]
    known = [row for row in result if row.axes and all(a.clipped is not None for a in row.axes)]
    local = [row for row in known if not any(a.global_ for a in row.axes)]
    if not known:
        raise RequestError("no layer's window is known; nothing to draw")
    return (local or known)[-1]


def _plane(axes: Sequence[AxisField]) -> tuple[AxisField | None, AxisField]:
    return (None if len(axes) == 1 else axes[-2]), axes[-1]


def _outlines(
    down: AxisField | None, across: AxisField, height: int, frame: tuple[float, float, float, float]
) -> list[Mark]:
    marks: list[Mark] = []
    rows = [True] * height if down is None else _reached(down, height)
    columns = _reached(across, round(frame[1] - frame[0]))
    marks.append(Mask(colour="overlay-2", values=np.outer(rows, columns), extent=frame, opacity=0.42))
    if across.window is not None and (down is None or down.window is not None):
        top, bottom = (0, height - 1) if down is None or down.window is None else down.window
        left, right = across.window
        extent = (left - 0.5, right + 0.5, top - 0.5, bottom + 0.5)
        marks.append(Rect(colour="overlay", label="theoretical window", extent=extent))
    marks.append(Rect(colour="series-6", label="image", extent=frame, dash="dash"))
    return marks


def _reached(axis: AxisField, side: int) -> list[bool]:
    if axis.support is not None:
        inside = set(axis.support)
        return [i in inside for i in range(side)]
    low, high = axis.clipped if axis.clipped is not None else (0, side - 1) if axis.global_ else (1, 0)
    return [low <= i <= high for i in range(side)]


def _centre(row: LayerField, height: int) -> Points:
    where = []
    for axis in row.axes[-2:]:
        hull = axis.window or axis.clipped
        middle = math.nan if hull is None else (hull[0] + hull[1]) / 2
        where.append(middle if axis.unit_centre is None else axis.unit_centre)
    y = (height - 1) / 2 if len(where) == 1 else where[0]
    return Points(colour="overlay", label="its centre", x=(where[-1],), y=(y,), symbol="cross")
