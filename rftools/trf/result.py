"""What `rftools.theoretical` returns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rftools.results import Result, plain


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
        """The unit's own place along the axis, in input pixels; None where it has none, such as after a global pool."""
        if self.window is None or (self.global_ and self.local_centre is None):
            return None
        return self.local_centre if self.local_centre is not None else sum(self.window) / 2

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


@dataclass(frozen=True)
class LayerField:
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


@dataclass(frozen=True, repr=False)
class TheoreticalResult(Result[LayerField]):
    """The theoretical receptive field of every layer, in execution order."""

    SCHEMA: ClassVar[tuple[str, int]] = ("rftools.trf", 1)

    with_support: bool = False
    capture: str = "export"  # "record": the operators of one forward pass, true for the path that it took
    input_range: InputRange | None = None
    objects: tuple[int, ...] | None = None  # the extent, one an axis, of what a layer should see whole

    def sees_object(self, row: LayerField) -> bool | None:
        """Whether a unit's field can hold a whole object on every axis; None where the field is not known."""
        if self.objects is None or row.status == "unknown" or not row.axes:
            return None
        return all(axis.global_ or (axis.size or 0) >= n for axis, n in zip(row.axes, self.objects, strict=True))

    def _body(self) -> dict[str, Any]:
        return {
            "capture": self.capture,
            "input_range": plain(self.input_range),
            "layers": [self._layer(row) for row in self.layers],
        }

    def _layer(self, row: LayerField) -> dict[str, Any]:
        return {
            "name": row.name,
            "op": row.op,
            "module": row.module,
            "output_shape": list(row.output_shape),
            "axes": [self._axis(axis) for axis in row.axes],
            "status": row.status,
            "cause": row.cause,
            "aligned": row.aligned,
            "productive": row.productive,
            "unit": row.token or (None if row.unit is None else list(row.unit)),
            **({} if row.grid is None else {"token_grid": list(row.grid)}),
            "unit_dims": list(row.unit_dims),
            **({} if row.surviving is None else {"surviving": row.surviving.to_dict()}),
            **({} if self.objects is None else {"sees_object": self.sees_object(row)}),
        }

    def _axis(self, axis: AxisField) -> dict[str, Any]:
        body: dict[str, Any] = {
            "size": axis.size,
            "stride": axis.stride,
            "start": axis.start,
            "centre": axis.centre,
            "phases": None
            if axis.phases is None
            else [{"start": p.start, "size": p.size, "holes": p.holes} for p in axis.phases],
            "holes": axis.holes,
            "global": axis.global_,
            "window": axis.window,
            "clipped": axis.clipped,
            "local_size": axis.local_size,
            "min_size": axis.min_size,
        }
        if self.with_support:
            body["support"] = axis.support
        return body

    def remarks(self) -> tuple[str, ...]:
        """Sentences that stand below the table."""
        found, notes = self.input_range, []
        if found is None:
            return ()
        if found.smallest is not None:
            size = "x".join(map(str, found.smallest))
            notes.append(
                f"every layer is productive on inputs from {size} on (the last to become so: "
                f"{found.smallest_layer or 'the output'})"
            )
        if found.largest is not None and None not in found.largest:
            size = "x".join(map(str, found.largest))
            notes.append(
                f"a unit of the last map ({found.largest_layer or 'the output'}) sees all of inputs up to {size}"
            )
        return tuple(notes)

    def columns(self) -> tuple[str, ...]:
        names = ("layer", "operator", "output", "size", "stride", "start", "centre", "holes", "status", "productive")
        left = ("surviving", "share left") if self._has_surviving else ()
        return (*names, *left, *(("sees object",) if self.objects else ()))

    def records(self) -> Sequence[Sequence[Any]]:
        rows = []
        for row in self.layers:
            left = _surviving_record(row.surviving) if self._has_surviving else ()
            rows.append((*_record(row), *left, *((self.sees_object(row),) if self.objects else ())))
        return rows

    @property
    def _has_surviving(self) -> bool:
        return any(row.surviving is not None for row in self.layers)


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


def _surviving_record(left: Surviving | None) -> tuple[Any, Any]:
    if left is None:
        return (None, None)
    return (left.sizes[0] if len(set(left.sizes)) == 1 else "x".join(map(str, left.sizes)), left.share)


def _record(row: LayerField) -> tuple[Any, ...]:
    def per_axis(values: Sequence[Any]) -> Any:
        distinct = set(values)
        return values[0] if len(distinct) == 1 else "x".join("-" if v is None else f"{v:g}" for v in values)

    axes = row.axes
    size = "global" if axes and all(a.global_ for a in axes) else per_axis([a.size for a in axes])
    return (
        row.name or "(model)",
        row.op,
        "x".join(map(str, row.output_shape)),
        size,
        per_axis([a.stride for a in axes]),
        per_axis([a.start for a in axes]),
        per_axis([a.centre for a in axes]),
        per_axis([sum(length for _, length in a.holes) for a in axes]),
        row.status if row.cause is None else f"{row.status}: {row.cause}",
        row.productive,
    )
