"""Which sizes of input a net suits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rftools.trf.layer_field import AxisField, LayerField


@dataclass(frozen=True)
class InputRange:
    """Between which input sizes a net works as it was built, one number an axis of the input, in pixels.

    ``smallest``: from there on every layer is productive, the last to become so being ``smallest_layer``. ``largest``:
    the largest input that a unit of the last map, ``largest_layer``, can see whole; None along a global axis.
    """

    smallest: tuple[int, ...] | None
    smallest_layer: str | None
    largest: tuple[int | None, ...] | None
    largest_layer: str | None


def input_range_of(rows: Sequence[LayerField]) -> InputRange:
    """The smallest input at which every layer is productive, and the largest that a unit of the last map sees whole.

    The last map's units have fields ``[start + o*stride, start + o*stride + size - 1]``; the one that begins last
    at or before pixel 0 sees inputs of up to ``start + floor(-start / stride)*stride + size`` pixels.

    Source: Richter et al., "Should you go deeper?", arXiv:2106.12307.
    """
    needing = [row for row in rows if _gains(row)]
    smallest = tuple(max(sizes) for sizes in zip(*(row.needs or () for row in needing), strict=True)) or None
    last_to = max(needing, key=lambda row: row.needs or (), default=None)
    maps = [row for row in rows if _is_map(row)]
    last = maps[-1] if maps and any(axis.stride is not None for axis in maps[-1].axes) else None
    return InputRange(
        smallest=smallest,
        smallest_layer=None if last_to is None else last_to.name,
        largest=None if last is None else tuple(_seen_whole(axis) for axis in last.axes),
        largest_layer=None if last is None else last.name,
    )


def _is_map(row: LayerField) -> bool:
    """Whether a layer's output still has a place for each place of the input, be it that all see everything."""
    extents = row.output_shape[1:]
    spread = len(extents) == len(row.axes) and all(n > 1 for n in extents)
    return bool(row.axes) and (len(row.unit_dims) == len(row.axes) or spread)


def _gains(row: LayerField) -> bool:
    """Whether a layer's units see further than its inputs do: convolutions and pools, not norms."""
    pairs = zip(row.axes, row.needs or (), strict=False)
    return any(axis.min_size is not None and axis.min_size > least for axis, least in pairs)


def _seen_whole(axis: AxisField) -> int | None:
    """The largest input that a unit sees whole along an axis: that of the last unit to begin at or before pixel 0."""
    if axis.global_ or axis.phases is None or axis.stride is None or axis.stride <= 0:
        return None
    period = len(axis.phases)
    ends = []
    for residue, phase in enumerate(axis.phases):
        jump = axis.stride * period
        turn = math.floor(-phase.start / jump)
        if turn >= 0 or turn * period + residue >= 0:
            ends.append(phase.start + round(turn * jump) + phase.size)
    return max((end for end in ends if end > 0), default=None)
