"""One unit's theoretical window, to scale on an input picture."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.plots.kinds import kind
from rftools.plots.scene import Mask, Points, Scene
from rftools.plots.theoretical.canvas import Canvas
from rftools.plots.theoretical.sequence import sequence
from rftools.trf.layer_field import AxisField, LayerField
from rftools.trf.result import TheoreticalResult


@kind("rftools.trf", "window", place=2)
def window(result: TheoreticalResult, layer: str | None = None, picture: NDArray[np.uint8] | None = None) -> Scene:
    """One unit's field, to scale, on an input picture: its window, what the border leaves, and its holes.

    ``layer`` defaults to the last one whose window is known and not the whole image; 1-D inputs are drawn as a
    waveform, 3-D ones by their last two axes.
    """
    row = _pick(result, layer)
    sides = tuple(result.input_size or ())[1:]
    if len(row.axes) != len(sides) or not sides:
        raise RequestError(f"layer {row.name!r} has no field along the input's axes to draw")
    reached = [_reached(axis, side) for axis, side in zip(row.axes, sides, strict=True)]
    if len(sides) == 1:
        return sequence(row, sides[0], reached[0])
    canvas = Canvas.of(sides)
    tint = Mask(colour="overlay-2", values=np.outer(reached[-2], reached[-1]), extent=canvas.frame, opacity=0.42)
    marks = [canvas.picture(picture), tint, *canvas.window(row.axes), canvas.border()]
    if row.unit is not None:
        marks.append(_centre(row))
    size = "whole image" if row.axes[-1].global_ else f"{row.axes[-1].size} px"
    place = "-" if row.unit is None else row.unit_name
    return Scene(
        panels=(canvas.panel(f"{row.name or '(model)'}: unit ({place}), field {size}", marks),),
        size=canvas.size(520),
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


def _reached(axis: AxisField, side: int) -> list[bool]:
    if axis.support is not None:
        inside = set(axis.support)
        return [i in inside for i in range(side)]
    low, high = axis.clipped if axis.clipped is not None else (0, side - 1) if axis.global_ else (1, 0)
    return [low <= i <= high for i in range(side)]


def _centre(row: LayerField) -> Points:
    y, x = (_middle(axis) for axis in row.axes[-2:])
    return Points(colour="overlay", label="its centre", x=(x,), y=(y,), symbol="cross")


def _middle(axis: AxisField) -> float:
    if axis.unit_centre is not None:
        return axis.unit_centre
    hull = axis.window or axis.clipped
    return math.nan if hull is None else (hull[0] + hull[1]) / 2
