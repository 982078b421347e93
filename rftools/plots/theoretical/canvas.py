"""What a unit's drawings lie on: the input's plane, with its picture, its border and the unit's window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rftools.plots.picture import neutral_picture
from rftools.plots.scene import Extent, Image, Mark, Panel, PlotAxis, Rect
from rftools.trf.layer_field import AxisField


@dataclass(frozen=True)
class Canvas:
    """The plane of an input: one axis is a strip, of three the last two count."""

    height: int
    width: int
    flat: bool

    @classmethod
    def of(cls, sides: tuple[int, ...]) -> Canvas:
        """The plane of an input with these sides.

        >>> Canvas.of((20, 40)).frame
        (-0.5, 39.5, -0.5, 19.5)
        """
        if len(sides) == 1:
            return cls(max(1, sides[0] // 8), sides[0], True)
        return cls(sides[-2], sides[-1], False)

    @property
    def frame(self) -> Extent:
        return (-0.5, self.width - 0.5, -0.5, self.height - 0.5)

    def size(self, width: int) -> tuple[int, int]:
        """Pixels of a panel that is ``width`` wide."""
        return width, max(190, min(560, round(430 * self.height / self.width) + 90))

    def picture(self, given: NDArray[np.uint8] | None) -> Image:
        return Image(pixels=neutral_picture(self.height, self.width) if given is None else given, extent=self.frame)

    def border(self) -> Rect:
        return Rect(colour="series-6", label="image", extent=self.frame, dash="dash")

    def window(self, axes: tuple[AxisField, ...]) -> list[Mark]:
        """The theoretical window, where it is known along the drawn axes."""
        down, across = (None if self.flat else axes[-2]), axes[-1]
        if across.window is None or (down is not None and down.window is None):
            return []
        top, bottom = (0, self.height - 1) if down is None or down.window is None else down.window
        extent = (across.window[0] - 0.5, across.window[1] + 0.5, top - 0.5, bottom + 0.5)
        return [Rect(colour="overlay", label="theoretical window", extent=extent)]

    def panel(self, title: str, marks: list[Mark]) -> Panel:
        return Panel(
            title=title,
            x=PlotAxis("input sample") if self.flat else PlotAxis("input column", "px"),
            y=PlotAxis("input row", "px", reversed=True, visible=not self.flat),
            marks=tuple(marks),
            equal=True,
        )
