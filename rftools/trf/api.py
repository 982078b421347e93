"""`theoretical`: from a model to the field of every layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx

from rftools.capture import Graph, Inputs, Layer, capture
from rftools.capture.operators import KERNELS
from rftools.capture.shapes import shape_of
from rftools.errors import RequestError, no_layer
from rftools.loading import Model, as_model
from rftools.trf.engine import walk
from rftools.trf.field import Axis, Field, Part, worst
from rftools.trf.result import AxisField, LayerField, Phase, Surviving, TheoreticalResult, input_range_of
from rftools.trf.reverse import Reverse, unit_place
from rftools.trf.rules import Answer, Rule
from rftools.trf.sets import EMPTY, holes, hull
from rftools.trf.tokens import Tokens, token_layers

if TYPE_CHECKING:
    from torch import nn

Unit = tuple[int, ...]
CLASS = "class"  # what stands for a unit's index where the class token is asked for
Where = Unit | str


def theoretical(
    model: Model | nn.Module,
    input_size: tuple[int, ...] | None = None,
    *,
    unit: Where | Mapping[str, Where] | None = None,
    surviving: bool = False,
    rules: Mapping[str, Rule] | None = None,
    inputs: Inputs | None = None,
    of: int | str = 0,
    paths: Sequence[str] = (),
    graph: Graph | None = None,
) -> TheoreticalResult:
    """The theoretical receptive field of every layer, per input axis, exact or said not to be.

    For output index ``o`` an axis's field is ``[start + o*stride, start + o*stride + size - 1]`` in input pixels,
    index 0 being the first pixel; what no path reaches inside it are its holes.

    Args:
        model: a loaded model or any module.
        input_size: ``(C, *spatial)``, without the batch; needed where the model does not know its own.
        unit: the output index that windows speak of: ``(i, j)`` for every layer whose map holds it, or one for
            each named layer. The default is the centre, ``n // 2``, of each layer's own map. Of layers of tokens it is
            a place on the grid that these make of the image, or ``"class"``.
        surviving: also walk back from the unit of every layer that holds weights, through the weights that are not
            zero, channel by channel: what pruning left of its field (inside the image).
        rules: rules for operators, by name (``"mylib.blur"``), which go before the registered ones.
        inputs: all inputs of a model that takes several, in order or by name: sizes ``(C, *spatial)`` or tensors with
            their batch. Fields are in the pixels of the input ``of``; the others are taken as constants.
        paths: layers of which the unit's paths are counted pixel by pixel (``.paths``, shares of all of them): the
            field of a linear net whose weights are all alike.
        graph: the module's captured graph, where the caller has it already.

    Raises:
        RequestError: the model does not take the input, or no layer's map holds the unit.

    >>> import torch, rftools as rf
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 8, 3, stride=2, padding=1))
    >>> axis = rf.theoretical(net, input_size=(3, 32, 32))["1"].axes[0]
    >>> axis.size, axis.stride, axis.start, axis.centre
    (5, 2.0, -2, 0.0)

    Source: Araujo, Norris, Sim, "Computing receptive fields of convolutional neural networks", Distill 2019,
    doi:10.23915/distill.00021; holes, phases and tables are this project's own.
    """
    subject = as_model(model, input_size)
    if inputs is None:
        inputs = [subject.require_input_size(), *subject.other_inputs]
    graph = graph or capture(subject.module, inputs=inputs, of=of)
    size = shape_of(graph.inputs[0])[1:]
    own = _own_rules(rules)
    net = explore(subject.module, graph, own)
    fields, rows = net.fields, net.rows(unit)
    if surviving:
        rows = _with_surviving(rows, graph, fields, own)
    if paths:
        rows = _with_paths(rows, paths, graph, fields, own)
    return TheoreticalResult(
        model=subject.info(),
        input_size=tuple(size),
        layers=tuple(rows),
        capture=graph.method,
        input_range=input_range_of(rows),
    )


def _own_rules(rules: Mapping[str, Rule] | None) -> dict[str, Rule]:
    return {name.replace("::", "."): function for name, function in (rules or {}).items()}


def _with_surviving(
    rows: Sequence[LayerField], graph: Graph, fields: Mapping[fx.Node, Answer], rules: Mapping[str, Rule]
) -> list[LayerField]:
    """The rows of layers with kernels or matrices, each with what its weights left of its field."""
    nodes = {layer.name: layer.node for layer in graph.layers}
    whole, left = Reverse(graph, fields, rules), Reverse(graph, fields, rules, surviving=True)
    done = []
    for row in rows:
        if row.op not in KERNELS or row.unit is None or row.status == "unknown":
            done.append(row)
            continue
        field = fields[nodes[row.name]]
        assert isinstance(field, Field)
        place = unit_place(field, row.unit_dims, row.place)
        all_of_it, rest = (walk.support(nodes[row.name], place).any(0) for walk in (whole, left))
        left_of_it = replace(_what_is_left(all_of_it, rest), smallest_mask=_smallest_mask(nodes[row.name], row.op))
        done.append(replace(row, surviving=left_of_it))
    return done


def _smallest_mask(node: fx.Node, op: str) -> tuple[tuple[int, ...], ...] | None:
    """The first and the last tap along all axes at once: between them they reach what the whole kernel reaches."""
    if not op.startswith("conv") or "transpose" in op or (op == "convolution" and node.args[6]):
        return None
    kernel = shape_of(node.args[1])[2:]
    corners = (tuple(0 for _ in kernel), tuple(k - 1 for k in kernel))
    return corners[:1] if corners[0] == corners[1] else corners


def _with_paths(
    rows: Sequence[LayerField],
    wanted: Sequence[str],
    graph: Graph,
    fields: Mapping[fx.Node, Answer],
    rules: Mapping[str, Rule],
) -> list[LayerField]:
    """The rows named in ``wanted`` with the counts of their unit's paths."""
    nodes = {layer.name: layer.node for layer in graph.layers}
    for name in wanted:
        if name not in nodes:
            raise no_layer(name, list(nodes))
    walk = Reverse(graph, fields, rules)
    done = []
    for row in rows:
        field = fields[nodes[row.name]]
        if row.name in wanted and row.unit is not None and row.status != "unknown" and isinstance(field, Field):
            counts = walk.counts(nodes[row.name], unit_place(field, row.unit_dims, row.place)).sum(0)
            row = replace(row, paths=counts.numpy())
        done.append(row)
    return done


def _what_is_left(whole: torch.Tensor, rest: torch.Tensor) -> Surviving:
    clipped: list[tuple[int, int] | None] = []
    for axis in range(rest.ndim):
        seen = rest.movedim(axis, 0).reshape(rest.shape[axis], -1).any(1).nonzero()
        clipped.append((int(seen[0]), int(seen[-1])) if len(seen) else None)
    sizes = tuple(0 if c is None else c[1] - c[0] + 1 for c in clipped)
    return Surviving(sizes, tuple(clipped), float(rest.sum()) / max(float(whole.sum()), 1.0), support=rest.numpy())


@dataclass(frozen=True)
class Spot:
    """A unit of a layer: as it is asked for, and its ``place`` along the tensor dimensions ``dims``. ``token`` names
    one that has no place in the image, ``centre`` is where it lies (px) where the layer's law does not say it.
    """

    unit: Unit
    dims: tuple[int, ...]
    place: Unit
    token: str | None = None
    centre: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Walked:
    """A captured net with the field of each of its tensors, and the grids of those whose units are tokens."""

    graph: Graph
    fields: Mapping[fx.Node, Answer]
    tokens: Mapping[fx.Node, Tokens]
    registers: int = 0

    def rows(self, unit: Where | Mapping[str, Where] | None = None) -> list[LayerField]:
        """The rows of all layers that an input reaches.

        Raises:
            RequestError: a layer that there is not, or a unit that none has.
        """
        names = [layer.name for layer in self.graph.layers]
        for name in unit if isinstance(unit, Mapping) else ():
            if name not in names:
                raise no_layer(name, names)
        rows = [
            self.row(layer, unit.get(layer.name) if isinstance(unit, Mapping) else unit)
            for layer in self.graph.layers
            if isinstance(self.fields.get(layer.node), Field)  # what no input reaches has no field
        ]
        _check_any(unit, rows)
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
    return Walked(graph, fields, token_layers(graph, fields, own), _registers(module))


def _registers(module: nn.Module) -> int:
    """How many tokens without a place are registers (Darcet et al., arXiv:2309.16588): timm's nets say so."""
    count = getattr(module, "num_reg_tokens", 0)
    return count if isinstance(count, int) else 0


def _spot(part: Part, shape: Sequence[int], wanted: Where | None, tokens: Tokens | None, registers: int) -> Spot | None:
    """The unit that is asked for; None where the layer does not have it."""
    if tokens is not None:
        return _token(tokens, wanted, registers)
    dims = tuple(spatial_dims(part))
    if wanted is None:
        centre = _centre(part, shape, dims)
        return Spot(centre, dims, centre)
    if isinstance(wanted, str) or not _inside(wanted, [shape[d] for d in dims]):
        return None
    return Spot(tuple(wanted), dims, tuple(wanted))


def _token(tokens: Tokens, wanted: Where | None, registers: int) -> Spot | None:
    if isinstance(wanted, str):
        loose = tokens.loose
        return Spot((), tokens.dims, loose[0], token=wanted) if wanted == CLASS and len(loose) > registers else None
    unit = tuple(n // 2 for n in tokens.grid) if wanted is None else tuple(wanted)
    if not _inside(unit, tokens.grid):
        return None
    place = tuple(int(i) for i in tokens.where[unit])
    return Spot(unit, tokens.dims, place, centre=tokens.centre(unit))


def _inside(unit: Sequence[int], sizes: Sequence[int]) -> bool:
    return len(unit) == len(sizes) and all(0 <= i < n for i, n in zip(unit, sizes, strict=True))


def _check_any(asked: Where | Mapping[str, Where] | None, rows: Sequence[LayerField]) -> None:
    if asked is None:
        return
    if isinstance(asked, Mapping):
        for row in rows:
            if row.name in asked and row.unit is None:
                raise RequestError(outside(asked[row.name], row))
    elif all(row.unit is None for row in rows):
        if asked == CLASS:
            raise RequestError("no layer has a class token; give a unit by its index, such as 3,4")
        among = [row for row in rows if row.module] or rows
        raise RequestError(outside(asked, max(among, key=lambda row: math.prod(row.output_shape[1:]))))


def outside(unit: Where, row: LayerField) -> str:
    """The line that says that a layer does not have this unit."""
    name = row.name or "the model"
    if isinstance(unit, str):
        if unit != CLASS:
            return f"unit {unit!r} is neither an index such as 3,4 nor 'class', the class token"
        return f"{name} has no class token; give a unit of it by its index"
    given = ",".join(map(str, unit))
    if row.grid is not None:
        grid = "x".join(map(str, row.grid))
        return f"unit {given} lies outside the map of {name}, whose tokens are a grid of {grid}; count from 0"
    shape = "x".join(map(str, row.output_shape))
    return f"unit {given} lies outside the map of {name}, whose output is {shape}; count from 0"


def spatial_dims(part: Part) -> list[int]:
    """The tensor dimensions along which some axis's field moves."""
    return sorted({dim for axis in part for dim in axis.dims})


def _centre(part: Part, shape: Sequence[int], dims: Sequence[int]) -> Unit:
    unit = []
    for dim in dims:
        carried = [axis for axis in part if dim in axis.moves_with]
        if len(carried) <= 1:
            unit.append(shape[dim] // 2)
        else:
            unit.append(_most_central(carried, dim, shape[dim] // 2))
    return tuple(unit)


def _most_central(axes: Sequence[Axis], dim: int, fallback: int) -> int:
    """Where several axes share a dimension (tokens): the index whose field lies nearest to the image's centre."""
    distance: NDArray[np.float64] | None = None
    for axis in axes:
        if axis.table.low.ndim - sum(n == 1 for n in axis.table.shape) != 1:
            return fallback
        low = axis.table.low.reshape(-1).astype(np.float64)
        width = np.array([mask.bit_length() for mask in axis.table.mask.reshape(-1)], dtype=np.float64)
        off = np.abs(low + (width - 1) / 2 - axis.length / 2) / axis.length
        distance = off if distance is None else np.maximum(distance, off)
    assert distance is not None
    return int(np.flatnonzero(distance <= distance.min() + 1e-9)[-1])


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
    part = field.merged()
    spot = _spot(part, shape, wanted, tokens, registers)
    dims = tuple(spatial_dims(part)) if tokens is None else tokens.dims
    if tokens is not None:
        part = _over(part, dims)
    needs = _needs(layer, fields)
    axes = tuple(_axis(axis, None if spot is None else spot.place, dims) for axis in part)
    if spot is not None and spot.centre is not None:
        axes = tuple(replace(a, local_centre=c) for a, c in zip(axes, spot.centre, strict=True))
    return LayerField(
        **head,
        axes=axes,
        status=worst(axis.status for axis in part),
        cause=None,
        aligned=all(axis.aligned for axis in part),
        productive=None if needs is None else any(n <= axis.length for n, axis in zip(needs, part, strict=True)),
        needs=needs,
        unit=None if spot is None else spot.unit,
        unit_dims=dims,
        at=None if spot is None or tokens is None else spot.place,
        grid=None if tokens is None or tokens.is_map else tokens.grid,
        token=None if spot is None else spot.token,
    )


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


def _axis(axis: Axis, unit: Unit | None, dims: Sequence[int]) -> AxisField:
    place = [0] * len(axis.table.shape)
    for dim, index in zip(dims, unit or [0] * len(dims), strict=True):
        place[dim] = index
    seen = axis.table.at(place)
    ends = hull(seen)
    if axis.law is not None and not axis.global_:
        return _lawful(axis, unit, dims, seen)
    law = axis.law
    around = hull(law.phases[0]) if law is not None else None
    own = None
    if law is not None and unit is not None:
        own = hull(law.at(unit[list(dims).index(law.dim)] if law.dim is not None else 0))
    known = unit is not None
    return AxisField(
        size=None if axis.global_ or ends is None else ends[1] - ends[0] + 1,
        stride=None if law is None else law.stride,
        start=None,
        centre=None if around is None else (around[0] + around[1]) / 2,
        phases=None,
        holes=holes(seen),
        global_=axis.global_,
        window=ends if known else None,
        clipped=ends if known else None,
        local_size=None if law is None else max(map(hull_size, law.phases)),
        min_size=_least(axis),
        local_centre=None if own is None else (own[0] + own[1]) / 2,
        bits=seen if known else None,
    )


def _lawful(axis: Axis, unit: Unit | None, dims: Sequence[int], seen: tuple[int, int]) -> AxisField:
    law = axis.law
    assert law is not None
    at_zero = hull(law.phases[0])
    index = 0
    if unit is not None and law.dim is not None:
        index = unit[list(dims).index(law.dim)]
    widest = max(law.phases, key=hull_size)
    return AxisField(
        size=hull_size(widest),
        stride=law.stride,
        start=None if at_zero is None else at_zero[0],
        centre=None if at_zero is None else (at_zero[0] + at_zero[1]) / 2,
        phases=tuple(Phase(bits[0], hull_size(bits), holes(bits)) for bits in law.phases),
        holes=holes(widest),
        global_=False,
        window=hull(law.at(index)) if unit is not None else None,
        clipped=hull(seen) if unit is not None else None,
        local_size=hull_size(widest),
        min_size=_least(axis),
        bits=(seen if seen[1] else EMPTY) if unit is not None else None,
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
