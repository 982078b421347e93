"""Rows of layers: the unit that is asked for, and what the fields of a walked net say of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from rftools.capture import Graph, Layer
from rftools.capture.shapes import shape_of
from rftools.errors import no_layer
from rftools.trf.asked import check_any, check_index, mapped_unit, spatial_dims, token_unit
from rftools.trf.axis import Axis, Part
from rftools.trf.engine import walk
from rftools.trf.field import Field
from rftools.trf.law import STATUSES, worst
from rftools.trf.layer_field import AxisField, LayerField, Phase
from rftools.trf.rules import Answer, Rule
from rftools.trf.sets import EMPTY, holes, hull
from rftools.trf.tokens import Tokens, token_layers
from rftools.units import Where

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Walked:
    """A captured net with the field of each of its tensors, and the grids of those whose units are tokens."""

    graph: Graph
    fields: Mapping[fx.Node, Answer]
    tokens: Mapping[fx.Node, Tokens]
    registers: int = 0
    modules: frozenset[str] = frozenset()

    def rows(self, unit: Where | Mapping[str, Where] | None = None) -> list[LayerField]:
        """The rows of all layers that an input reaches.

        Raises:
            RequestError: a layer that there is not, or a unit that none has.
        """
        names = [layer.name for layer in self.graph.layers]
        for name in unit if isinstance(unit, Mapping) else ():
            if name not in names:
                raise no_layer(name, names, self.modules)
        for wanted in unit.values() if isinstance(unit, Mapping) else (unit,):
            check_index(wanted)
        rows = [
            self.row(layer, unit.get(layer.name) if isinstance(unit, Mapping) else unit)
            for layer in self.graph.layers
            if isinstance(self.fields.get(layer.node), Field)  # what no input reaches has no field
        ]
        check_any(unit, rows)
        return rows

    def units(self, row: LayerField) -> tuple[int, ...]:
        """How many units a layer has along each of their dimensions."""
        layer = self.layer(row.name)
        tokens = self.tokens.get(layer.node)
        return tuple(shape_of(layer.node)[d] for d in row.unit_dims) if tokens is None else tokens.grid

    def layer(self, name: str) -> Layer:
        return next(layer for layer in self.graph.layers if layer.name == name)

    def row(self, layer: Layer, unit: Where | None) -> LayerField:
        """A layer's row; None stands for its central unit."""
        field = self.fields[layer.node]
        assert isinstance(field, Field)
        return _row(layer, field, self.fields, unit, self.tokens.get(layer.node), self.registers)


def explore(module: nn.Module, graph: Graph, rules: Mapping[str, Rule] | None = None) -> Walked:
    """The fields of a captured module, of which rows can be asked for any unit."""
    own = rules or {}
    fields = walk(graph, own)
    names = frozenset(path for path, _ in module.named_modules())
    return Walked(graph, fields, token_layers(graph, fields, own), _registers(module), names)


def _registers(module: nn.Module) -> int:
    """How many tokens without a place are registers (Darcet et al., arXiv:2309.16588): timm's nets say so."""
    count = getattr(module, "num_reg_tokens", 0)
    return count if isinstance(count, int) else 0


def _row(
    layer: Layer,
    field: Field,
    fields: Mapping[fx.Node, Answer],
    wanted: Where | None,
    tokens: Tokens | None,
    registers: int,
) -> LayerField:
    shape = tuple(int(n) for n in layer.node.meta["val"].shape)
    head: dict[str, Any] = {
        "name": layer.name,
        "op": layer.op,
        "module": layer.module,
        "output_shape": _without_batch(shape),
    }
    if field.cause:
        blank = tuple(_blank_axis() for _ in field.parts[0])
        return LayerField(
            **head, axes=blank, status="unknown", cause=field.cause, aligned=True, productive=None, unit=None
        )
    apart = () if tokens is None else tokens.dims
    part = tuple(_stated(axis) for axis in field.merged(apart))
    name = layer.name
    unit = token_unit(name, tokens, wanted, registers) if tokens else mapped_unit(name, part, shape, wanted)
    dims = tuple(spatial_dims(part)) if tokens is None else tokens.dims
    if tokens is not None:
        part = _over(part, dims)
    needs = _needs(layer, fields)
    axes = tuple(_axis(axis, None if unit is None else unit.place, dims) for axis in part)
    if unit is not None and unit.centre is not None:
        axes = tuple(replace(a, local_centre=c) for a, c in zip(axes, unit.centre, strict=True))
    return LayerField(
        **head,
        axes=axes,
        status=worst(axis.status for axis in part) if part else STATUSES[0],  # of no axis nothing is claimed
        cause=None,
        aligned=all(axis.aligned for axis in part),
        productive=None if needs is None else any(n <= axis.length for n, axis in zip(needs, part, strict=True)),
        needs=needs,
        unit=None if unit is None else unit.index,
        unit_dims=dims,
        at=None if unit is None or tokens is None else unit.place,
        grid=None if tokens is None or tokens.is_map else tokens.grid,
        token=None if unit is None else unit.token,
    )


def _stated(axis: Axis) -> Axis:
    """An axis along which not all units see the whole extent says so unit by unit."""
    return axis.worsen("unit") if axis.global_ and not axis.everywhere() else axis


def _over(part: Part, dims: Sequence[int]) -> Part:
    """The fields united along what is no dimension of the units: a token's heads, keys and channels."""
    found = []
    for axis in part:
        for dim in sorted(axis.dims - set(dims)):
            law = None if axis.law is not None and axis.law.dim == dim else axis.law
            axis = replace(axis, table=axis.table.reduce(dim), law=law)
        found.append(axis)
    return tuple(found)


def _without_batch(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[1:] if shape[:1] == (1,) else shape


def _blank_axis() -> AxisField:
    return AxisField(
        size=None, stride=None, start=None, centre=None, phases=None, holes=(), global_=False, window=None, clipped=None
    )


def _axis(axis: Axis, at: tuple[int, ...] | None, dims: Sequence[int]) -> AxisField:
    place = [0] * len(axis.table.shape)
    for dim, index in zip(dims, at or [0] * len(dims), strict=True):
        place[dim] = index
    seen = axis.table.at(place)
    ends = hull(seen)
    everywhere = axis.global_ and axis.spans(seen)
    if axis.law is not None and not axis.global_:
        return _lawful(axis, at, dims, seen)
    law = axis.law
    around = hull(law.phases[0]) if law is not None else None
    own = None
    if law is not None and at is not None:
        own = hull(law.at(at[list(dims).index(law.dim)] if law.dim is not None else 0))
    known = at is not None
    return AxisField(
        size=None if everywhere or ends is None else ends[1] - ends[0] + 1,
        stride=None if law is None else law.stride,
        start=None,
        centre=None if around is None else (around[0] + around[1]) / 2,
        phases=None,
        holes=holes(seen),
        global_=everywhere,
        window=ends if known else None,
        clipped=ends if known else None,
        local_size=None if law is None else max(map(hull_size, law.phases)),
        min_size=_least(axis),
        local_centre=None if own is None else (own[0] + own[1]) / 2,
        bits=seen if known else None,
    )


def _lawful(axis: Axis, at: tuple[int, ...] | None, dims: Sequence[int], seen: tuple[int, int]) -> AxisField:
    law = axis.law
    assert law is not None
    at_zero = hull(law.phases[0])
    index = 0
    if at is not None and law.dim is not None:
        index = at[list(dims).index(law.dim)]
    widest = max(law.phases, key=hull_size)
    return AxisField(
        size=hull_size(widest),
        stride=law.stride,
        start=None if at_zero is None else at_zero[0],
        centre=None if at_zero is None else (at_zero[0] + at_zero[1]) / 2,
        phases=tuple(Phase(bits[0], hull_size(bits), holes(bits)) for bits in law.phases),
        holes=holes(widest),
        global_=False,
        window=hull(law.at(index)) if at is not None else None,
        clipped=hull(seen) if at is not None else None,
        local_size=hull_size(widest),
        min_size=_least(axis),
        bits=(seen if seen[1] else EMPTY) if at is not None else None,
    )


def hull_size(bits: tuple[int, int]) -> int:
    """How many pixels a set spans."""
    return bits[1].bit_length()


def _least(axis: Axis) -> int | None:
    return None if axis.least is None or math.isinf(axis.least) else math.ceil(axis.least)


def _needs(layer: Layer, fields: Mapping[fx.Node, Answer]) -> tuple[int, ...] | None:
    """Per axis the smallest field of a layer's inputs: an image that size or larger gives it context to gain."""
    inputs = [fields[node] for node in layer.node.all_input_nodes if isinstance(fields.get(node), Field)]
    parts = [part for field in inputs if isinstance(field, Field) for part in field.parts]
    if not parts or not isinstance(layer.node.meta.get("val"), torch.Tensor):
        return None
    least: list[int] = []
    for axes in zip(*parts, strict=True):
        known = [axis.least for axis in axes if axis.least is not None]
        if len(known) < len(axes) or any(math.isinf(value) for value in known):
            return None
        least.append(math.ceil(min(known)))
    return tuple(least)
