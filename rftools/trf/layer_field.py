"""A row: the field of one layer, axis by axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rftools.results import plain
from rftools.rows import ShownRow


@dataclass(frozen=True)
class Phase:
    """The field of the output indices that are congruent to one residue, at the first of them.

    ``start`` is in input pixels; ``holes`` are runs ``(offset, length)`` inside ``[start, start + size - 1]``.
    """

    start: int
    size: int
    holes: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class AxisField:
    """One layer's field along one input axis, in input pixels.

    For output index ``o`` the field is ``[start + o*stride, start + o*stride + size - 1]`` and its centre
    ``centre + o*stride``; with several ``phases``, ``size`` is the largest phase's, ``start`` and ``centre`` are
    index 0's and ``stride`` is the mean step. ``size`` is None where the field is ``global_`` or unknown.
    ``window`` is the asked unit's field before the image's border cuts it, ``clipped`` the hull of what is left,
    both inclusive. ``local_*`` is the field without its global part (a squeeze-and-excite gate, say).
    """

    size: int | None
    stride: float | None
    start: int | None
    centre: float | None
    phases: tuple[Phase, ...] | None
    holes: tuple[tuple[int, int], ...]
    global_: bool
    window: tuple[int, int] | None
    clipped: tuple[int, int] | None
    local_size: int | None = None
    min_size: int | None = None
    local_centre: float | None = None  # the unit's own, in input pixels: where a global field's local part lies
    bits: tuple[int, int] | None = field(default=None, repr=False)  # (first index, bit mask) of the unit's support

    @property
    def unit_centre(self) -> float | None:
        """The unit's own place along the axis, in input pixels; None where it has none, such as after a global pool.

        It is the middle of its window; of a unit that looks back only (causal: the window of unit ``o`` ends at
        ``o * stride``) that place itself, at the window's end.
        """
        if self.window is not None and self.causal and self.start is not None:
            return float(self.window[0] - self.start)
        if self.window is None or (self.global_ and self.local_centre is None):
            return None
        return self.local_centre if self.local_centre is not None else sum(self.window) / 2

    @property
    def causal(self) -> bool:
        """Whether a unit's own place is the last that reaches it. A window that ends before it is that of a net whose
        padding is wider than its kernels, and of nothing that looks back.
        """
        known = self.start is not None and self.size is not None and len(self.phases or ()) == 1 and not self.global_
        return known and (self.size or 0) > 1 and (self.start or 0) + (self.size or 0) - 1 == 0

    @property
    def support(self) -> tuple[int, ...] | None:
        """The sorted input indices inside the image that reach the unit."""
        if self.bits is None:
            return None
        low, mask = self.bits
        return tuple(low + i for i, bit in enumerate(reversed(bin(mask)[2:])) if bit == "1") if mask else ()


@dataclass(frozen=True)
class Surviving:
    """What the weights that are not zero leave of the unit's field: per axis the hull of its support inside the image
    (None: nothing), and the share of the architecture's support, counted in pixels, that is left. ``smallest_mask``:
    the fewest tap positions of this layer's kernels, one index an axis, that keep the field's extent whole.
    ``support`` marks the pixels themselves, shaped like the input without channels.
    """

    sizes: tuple[int, ...]
    clipped: tuple[tuple[int, int] | None, ...]
    share: float
    smallest_mask: tuple[tuple[int, ...], ...] | None = None
    support: NDArray[np.bool_] | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """All but the pixels."""
        return {key: plain(getattr(self, key)) for key in ("sizes", "clipped", "share", "smallest_mask")}


def side_of(extents: Sequence[float]) -> float:
    """The side of a square as large as a window: the geometric mean of its extents in pixels. Of a volume, or of
    frames, it is that of the plane of the last two axes, since the first one's steps are seldom as large as theirs.

    >>> side_of([9]), side_of([4, 9]), side_of([16, 112, 112])
    (9.0, 6.0, 112.0)
    """
    plane = extents[-2:]
    return math.prod(plane) ** (1 / len(plane))


@dataclass(frozen=True, repr=False)
class LayerField(ShownRow):
    """One layer's theoretical field. ``status``: exact, unit, bound or unknown (then ``cause`` says why).

    ``output_shape`` leaves out the batch. ``unit`` is the output index that windows speak of, one index an output
    dimension that carries space. ``productive`` is False where even the smallest field of the layer's inputs
    exceeds the image on every axis (Richter et al., arXiv:2106.12307), None where the question makes no sense;
    ``needs`` is that smallest field, one number an axis.
    """

    name: str
    op: str
    module: str | None
    output_shape: tuple[int, ...]
    axes: tuple[AxisField, ...]
    status: str
    cause: str | None
    aligned: bool
    productive: bool | None
    unit: tuple[int, ...] | None
    unit_dims: tuple[int, ...] = ()  # the output tensor's dimensions that ``place`` indexes, the batch being 0
    surviving: Surviving | None = None
    needs: tuple[int, ...] | None = None
    paths: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)  # share of paths by input pixel
    grid: tuple[int, ...] | None = None  # of a layer of tokens: the extent of the grid that ``unit`` speaks of
    at: tuple[int, ...] | None = None  # of a layer of tokens: the unit's index along ``unit_dims``
    token: str | None = None  # ``class`` where the unit is the class token, which has no place on the grid

    @property
    def place(self) -> tuple[int, ...]:
        """The unit's index along the tensor dimensions ``unit_dims``."""
        return self.at if self.at is not None else self.unit or ()

    @property
    def unit_name(self) -> str:
        """The unit in words: ``3, 4`` or ``class``."""
        return self.token or ", ".join(map(str, self.unit or ()))
