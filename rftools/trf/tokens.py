"""Where each element of a tensor lies in the image: the grid of places behind a list of tokens.

Attention lets every token see the whole image, and a reshape makes one dimension of two: from the fields alone it can't
be told where a token stands. So the same rules are worked out a third time, on positions. An element keeps its place
through attention (the query's), norms and additions; windows and contractions take the mean of what they read.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx

from rftools.capture import Graph, qualified_name
from rftools.capture.shapes import shape_of
from rftools.trf.axis import Axis, Part
from rftools.trf.engine import NO_FIELD, Evaluator
from rftools.trf.field import Field
from rftools.trf.positions import NEAR, Position
from rftools.trf.rules import Answer, NoRule, Rule, find_rule, make_call
from rftools.trf.shortcuts import narrow


@dataclass(frozen=True)
class Tokens:
    """The places of a tensor's units. ``where[i, j]`` is the index, along the tensor dimensions ``dims``, of the unit
    at place ``(i, j)`` of the grid, ``centres`` are the grid's lines in input pixels, axis by axis, and ``loose`` lists
    the units that have no place, such as the class token.
    """

    dims: tuple[int, ...]
    where: NDArray[np.int64]
    centres: tuple[tuple[float, ...], ...]
    loose: tuple[tuple[int, ...], ...]

    @property
    def grid(self) -> tuple[int, ...]:
        return tuple(self.where.shape[:-1])

    @property
    def is_map(self) -> bool:
        """Whether the grid is the tensor's own last dimensions, as of a map ``(N, C, *spatial)``, and all of it."""
        own = np.moveaxis(np.indices(self.grid), 0, -1)
        return not self.loose and self.dims == tuple(range(2, 2 + len(self.grid))) and np.array_equal(self.where, own)

    def centre(self, unit: Sequence[int]) -> tuple[float, ...]:
        """Where a unit lies in the image."""
        return tuple(lines[i] for lines, i in zip(self.centres, unit, strict=True))


def token_layers(graph: Graph, fields: Mapping[fx.Node, Answer], rules: Mapping[str, Rule]) -> dict[fx.Node, Tokens]:
    """The grid behind the units of every named layer whose own dimensions do not say where its units lie."""
    odd = [n for n in {layer.node for layer in graph.layers} if isinstance(f := fields.get(n), Field) and _is_odd(f)]
    if not odd:
        return {}
    places = _positions(graph, fields, rules, frozenset(odd))
    return {node: found for node, p in places.items() if (found := _grid_of(p)) is not None}


def _is_odd(field: Field) -> bool:
    """Whether a tensor has several units, and neither a law nor its layout says where they lie."""
    if field.cause or sum(n > 1 for n in field.shape) < 2:
        return False
    part = field.merged()
    spatial = list(range(2, 2 + len(part)))
    moving = sorted({dim for axis in part for dim in axis.dims})
    own = [dim for axis in part for dim in axis.dims]  # a map without channels, of which each axis has one dimension
    a_map = own == moving and len(own) == len(part)
    return _lawful(part) is None and not a_map and not (len(field.shape) == 2 + len(part) and moving == spatial)


def _lawful(part: Part) -> tuple[int, ...] | None:
    """The dimension along which each axis' field moves by a law."""
    dims = [axis.law.dim for axis in part if axis.law is not None and axis.law.dim is not None]
    return tuple(dims) if len(dims) == len(part) == len(set(dims)) else None


def _positions(
    graph: Graph, fields: Mapping[fx.Node, Answer], rules: Mapping[str, Rule], wanted: frozenset[fx.Node]
) -> dict[fx.Node, Position]:
    """The places of the wanted nodes' elements, as far as they are known."""
    known: dict[fx.Node, Any] = {}
    evaluate = Evaluator(graph)
    last = {origin: node for node in graph.nodes for origin in node.all_input_nodes}
    ends: dict[fx.Node, list[fx.Node]] = {}
    for origin, node in last.items():
        ends.setdefault(node, []).append(origin)
    for node in (*graph.inputs[:1], *graph.nodes):
        if fields.get(node) is not None:
            known[node] = _of_node(node, fields[node], known, rules, evaluate)
        for done in ends.get(node, ()):
            if done not in wanted:
                known.pop(done, None)
    return {node: place for node in wanted if isinstance(place := known.get(node), Position)}


def _of_node(
    node: fx.Node, field: Answer, known: Mapping[fx.Node, Any], rules: Mapping[str, Rule], evaluate: Evaluator
) -> Any:
    if isinstance(field, Field) and not field.cause:
        part = field.merged()
        dims = _lawful(part)
        if dims is not None:
            return _by_law(part, dims, field.shape)
    if node.target is operator.getitem:
        source = known.get(node.args[0])  # type: ignore[arg-type]
        return source[node.args[1]] if isinstance(source, (list, tuple)) else source  # type: ignore[index]
    rule = find_rule(node, rules)
    placed = any(known.get(origin) is not None for origin in node.all_input_nodes)
    if rule is None or not placed or qualified_name(node) in NO_FIELD:
        return None
    try:
        answer: Any = rule(make_call(node, known, evaluate, Position))
    except (NoRule, NotImplementedError, AttributeError):
        return None  # a rule that says no, or asks more of a field than a carrier has, leaves its tensor without places
    return _checked(answer, node)


def _checked(answer: Any, node: fx.Node) -> Any:
    if isinstance(answer, (list, tuple)):
        return list(answer)
    right = isinstance(answer, Position) and answer.shape == shape_of(node)
    return Position(_slim(answer.tensor)) if right else None


def _slim(tensor: torch.Tensor) -> torch.Tensor:
    """The same places without the memory of a dimension along which all are alike: the channels, mostly."""
    for dim in range(1, tensor.ndim):
        if tensor.shape[dim] > 1 and tensor.stride(dim) != 0:
            slim = narrow(tensor)
            first = slim.narrow(dim, 0, 1)
            if not _differ(slim, first):
                tensor = first.clone().expand(tensor.shape)
    return tensor


def _differ(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool(((one - other).abs() > NEAR).any() or (one.isnan() != other.isnan()).any())


def _by_law(part: Part, dims: Sequence[int], shape: Sequence[int]) -> Position:
    places = []
    wide = [n if d in dims else 1 for d, n in enumerate(shape)]
    for axis, dim in zip(part, dims, strict=True):
        steps = torch.arange(shape[dim], dtype=torch.float32) * _stride(axis) + _start(axis)
        places.append(steps.reshape([-1 if d == dim else 1 for d in range(len(shape))]).expand(wide))
    return Position(torch.stack(places).expand((len(part), *shape)))


def _stride(axis: Axis) -> float:
    return axis.law.stride if axis.law is not None else 0.0


def _start(axis: Axis) -> float:
    centre = None if axis.law is None else axis.law.mean_centre
    return 0.0 if centre is None else centre


def _grid_of(position: Position) -> Tokens | None:
    """As `_tokens`; channels from neighbouring places (merged patches) lie between these."""
    return _tokens(position) or _tokens(position.reduce(-1)) or _tokens(position.reduce(1))


def _tokens(position: Position) -> Tokens | None:
    """The grid, where the units' places are all the crossings of lines along the axes, each once."""
    slim = narrow(position.tensor)
    dims = [d for d in range(1, slim.ndim) if slim.shape[d] > 1 and _differ(slim, slim.narrow(d, 0, 1))]
    if not dims:
        return None
    units = slim[tuple(slice(None) if d == 0 or d in dims else 0 for d in range(slim.ndim))]
    flat = units.flatten(1).double().numpy()
    index = np.stack(np.unravel_index(np.arange(flat.shape[1]), units.shape[1:]), axis=-1)
    there = ~np.isnan(flat).any(0)
    lines, cells = [], []
    for row in flat[:, there]:
        line, cell = np.unique(np.round(row / NEAR).astype(np.int64), return_inverse=True)
        lines.append(tuple(float(value) for value in line * NEAR))
        cells.append(cell)
    grid = tuple(map(len, lines))
    numbers = np.ravel_multi_index(cells, grid) if there.any() else np.zeros(0, dtype=np.int64)
    if len(numbers) < 2 or not np.array_equal(np.sort(numbers), np.arange(np.prod(grid))):
        return None
    where = index[there][np.argsort(numbers)].reshape((*grid, len(dims)))
    loose = tuple(tuple(int(i) for i in row) for row in index[~there])
    return Tokens(tuple(d - 1 for d in dims), where, tuple(lines), loose)
