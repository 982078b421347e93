"""What `rftools.theoretical` returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rftools.results import Result, plain
from rftools.trf.input_range import InputRange
from rftools.trf.layer_field import AxisField, LayerField, Surviving


@dataclass(frozen=True, repr=False)
class TheoreticalResult(Result[LayerField]):
    """The theoretical receptive field of every layer, in execution order."""

    SCHEMA: ClassVar[tuple[str, int]] = ("rftools.trf", 1)

    with_support: bool = False
    capture: str = "trace"  # or "export"; "record": the operators of one forward pass, true for the path that it took
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
