"""What the page needs to work out any unit's window by itself: the layers' footprints as plain data."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rftools.trf.result import AxisField, LayerField, TheoreticalResult

LARGEST = 512  # pixels a side of the embedded picture


def footprints(result: TheoreticalResult) -> list[dict[str, Any]]:
    """One entry a layer whose window is known: ``{name, op, status, axes, unit, movable}``.

    An axis is ``{n, phases, jump, global, window, clipped, hole}``: for output index ``o`` and ``P`` phases the field
    starts at ``phases[o % P].start + (o // P) * jump``. A layer without phases for every axis keeps its one unit.
    """
    return [entry for row in result if (entry := _entry(row)) is not None]


def _entry(row: LayerField) -> dict[str, Any] | None:
    if not row.axes or any(axis.clipped is None for axis in row.axes):
        return None
    sizes = _output_sizes(row)
    movable = sizes is not None and all(axis.phases or axis.global_ for axis in row.axes)
    axes = [_axis(axis, sizes[i] if sizes is not None else 1) for i, axis in enumerate(row.axes)]
    unit = list(row.unit) if row.unit is not None and sizes is not None else [0] * len(row.axes)
    return {"name": row.name, "op": row.op, "status": row.status, "axes": axes, "unit": unit, "movable": movable}


def _output_sizes(row: LayerField) -> list[int] | None:
    """The output's extent along each input axis, channels first or last; None where they do not correspond."""
    count = len(row.axes)
    if row.unit is None or len(row.unit) != count or len(row.output_shape) != count + 1:
        return None
    for sizes in (row.output_shape[1:], row.output_shape[:-1]):
        if all(size // 2 == index for size, index in zip(sizes, row.unit, strict=True)):
            return list(sizes)
    first = row.output_shape[1:]
    return list(first) if all(index < size for index, size in zip(row.unit, first, strict=True)) else None


def _axis(axis: AxisField, extent: int) -> dict[str, Any]:
    phases = axis.phases or ()
    jump = None if axis.stride is None or not phases else round(axis.stride * len(phases))
    return {
        "n": extent,
        "phases": [{"start": p.start, "size": p.size, "holes": [list(hole) for hole in p.holes]} for p in phases],
        "jump": jump,
        "global": axis.global_,
        "window": None if axis.window is None else list(axis.window),
        "clipped": None if axis.clipped is None else list(axis.clipped),
    }


def picture_url(pixels: NDArray[np.uint8]) -> str:
    """The picture as a data URL, PNG, as large as a screen needs."""
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((LARGEST, LARGEST))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def plane(input_size: Sequence[int]) -> tuple[int, int]:
    """Height and width of the picture that an input is drawn as: 1-D a strip, 3-D its last two axes.

    >>> plane((3, 224, 160)), plane((1, 4096))
    ((224, 160), (512, 4096))
    """
    sides = list(input_size)[1:]
    return (max(1, sides[-1] // 8), sides[-1]) if len(sides) == 1 else (sides[-2], sides[-1])
