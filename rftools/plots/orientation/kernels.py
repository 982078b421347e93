"""Kernels of one layer as small pictures, sorted by orientation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rftools.errors import RequestError
from rftools.plots.kinds import kind
from rftools.plots.scene import Image, Line, Mark, Panel, PlotAxis, Rect, Scene, short

if TYPE_CHECKING:
    from rftools.weights.results import OrientationResult

TILES = 100  # kernels on a sheet of pictures


@kind("rftools.orientation", "kernels", place=3)
def kernels(result: OrientationResult, layer: str | None = None) -> Scene:
    """Kernels of one layer as small pictures, sorted by orientation, an even sample where there are many; those without
    an orientation come last.
    """
    kept = [row for row in result if row.examples is not None and row.oriented]
    rows = [result[layer]] if layer is not None else kept
    if not rows or rows[0].examples is None:
        raise RequestError("no kernels were kept to draw; ask for them: orientation(model, examples=100)")
    row = rows[0]
    own = row.examples
    assert own is not None
    columns = int(np.ceil(np.sqrt(len(own.kernels))))
    high = -(-len(own.kernels) // columns)
    marks: list[Mark] = []
    for place, (kernel, angle) in enumerate(zip(own.kernels, own.angles, strict=True)):
        top, left = divmod(place, columns)
        tile = (left + 0.1, left + 0.9, top + 0.02, top + 0.78)
        marks.append(Image(pixels=kernel_picture(kernel[..., None]), extent=tile))
        marks.append(Rect(colour="muted", extent=tile))
        if not np.isnan(angle):
            x, y = 0.09 * np.cos(np.radians(angle)), -0.09 * np.sin(np.radians(angle))
            marks.append(
                Line(colour="series-2", x=(left + 0.5 - x, left + 0.5 + x), y=(top + 0.88 - y, top + 0.88 + y))
            )
    return Scene(
        panels=(
            Panel(
                x=PlotAxis(visible=False, limits=(0, columns)),
                y=PlotAxis(visible=False, limits=(-0.02, high), reversed=True),
                marks=tuple(marks),
                equal=True,
                legend=False,
            ),
        ),
        size=(620, 640),
        title=f"Kernels by orientation, {short(row.name, 40)}",
        caption=f"{len(own.kernels)} of {row.kernels} kernels of {short(row.name, 60)} of "
        f"{short(result.model.name, 40)}, by the orientation of their taps (the tick below: 0° is along x, "
        "counter-clockwise as seen); those without one last. Grey is 0, white the largest positive and black the "
        "largest negative weight of each kernel.",
        alt=f"{len(own.kernels)} kernels as small pictures, sorted by orientation.",
    )


def kernel_picture(kernel: np.ndarray) -> np.ndarray:
    """A kernel ``(height, width, channels)`` as a picture: grey is 0, the largest weight black or white; three channels
    are red, green and blue, others are summed.

    >>> kernel_picture(np.array([[[1.0], [0.0], [-1.0]]], dtype=np.float32))[0, :, 0].tolist()
    [255, 128, 0]
    """
    shown = kernel if kernel.shape[-1] == 3 else np.repeat(kernel.sum(axis=-1, keepdims=True), 3, axis=-1)
    top = float(np.abs(shown).max()) or 1.0
    return np.round(127.5 + 127.5 * shown / top).astype(np.uint8)
