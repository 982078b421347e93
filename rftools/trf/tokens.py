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
from rftools.trf.engine import NO_FIELD, Evaluator
from rftools.trf.field import Axis, Field, Part
from rftools.trf.flow import Flow
from rftools.trf.rules import Answer, Rule, find_rule, make_call
from rftools.trf.shortcuts import narrow
from rftools.trf.taps import Taps

NEAR = 1e-3  # px: places closer than that are one


@dataclass(frozen=True, eq=False)
class Position(Flow):
    """The places of one tensor's elements in input pixels, ``(input axes, *shape)``; NaN where there is none."""

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape[1:])

    def window(self, dim: int, taps: Taps) -> Position:
        dim = dim % len(self.shape) + 1
        rows = np.where(taps.table < 0, 0, taps.table)
        seen = torch.from_numpy(taps.table >= 0)
        if (self.tensor.shape[dim] > 1 and self.tensor.stride(dim) == 0) or self.tensor.shape[dim] == 1:
            taken = self.tensor.narrow(dim, 0, 1).expand(_with(self.tensor.shape, dim, taps.length))
        elif (law := self._progression(dim)) is not None and taps.offsets:
            first, step = law
            centres = torch.tensor(_mean_indices(taps), dtype=first.dtype)
            taken = first + step * centres.reshape([-1 if d == dim else 1 for d in range(first.ndim)])
            taken = taken.expand(_with(self.tensor.shape, dim, taps.length))
        else:
            parts = [self.tensor.index_select(dim, torch.from_numpy(row)) for row in rows]
            shape = [-1 if d == dim else 1 for d in range(self.tensor.ndim)]
            masked = [torch.where(s.reshape(shape), part, torch.nan) for s, part in zip(seen, parts, strict=True)]
            taken = torch.stack(masked).nanmean(0)
        if not bool(seen.any(0).all()):
            shape = [-1 if d == dim else 1 for d in range(taken.ndim)]
            taken = torch.where(seen.any(0).reshape(shape), taken, torch.nan)
        return Position(taken)

    def _progression(self, dim: int) -> tuple[torch.Tensor, torch.Tensor] | None:
        """The first place along ``dim`` and the step from one to the next; None where steps differ."""
        slim = narrow(self.tensor)
        first, step = slim.narrow(dim, 0, 1), slim.narrow(dim, 1, 1) - slim.narrow(dim, 0, 1)
        steps = slim.diff(dim=dim)
        return (first, step) if bool(((steps - step).abs() < NEAR).all()) else None

    def reduce(self, *dims: int, keepdim: bool = True) -> Position:
        if not dims:
            return self
        chosen = [d % len(self.shape) + 1 for d in dims]
        slim = narrow(self.tensor)
        mean = slim.nanmean(chosen, keepdim=True) if any(slim.shape[d] > 1 for d in chosen) else slim
        wide = mean.expand([1 if d in chosen else n for d, n in enumerate(self.tensor.shape)])
        return Position(wide if keepdim else wide.squeeze(chosen))

    def couple(self, *dims: int) -> Position:
        return self

    def running(self, dim: int) -> Position:
        return self

    def channels(self, dim: int, length: int, groups: int = 1) -> Position:
        return self.reduce(dim).expand_dim(dim % len(self.shape), length)

    def split_dim(self, dim: int, sizes: Sequence[int]) -> Position:
        return self.reshape((*self.shape[:dim], *sizes, *self.shape[dim + 1 :]))

    def expand_dim(self, dim: int, length: int) -> Position:
        return Position(self.tensor.expand(_with(self.tensor.shape, dim % len(self.shape) + 1, length)))

    def expand(self, shape: Sequence[int]) -> Position:
        extra = len(shape) - len(self.shape)
        wide = self.tensor.reshape((self.tensor.shape[0], *[1] * extra, *self.shape))
        return Position(wide.expand((self.tensor.shape[0], *shape)))

    def permute(self, order: Sequence[int]) -> Position:
        return Position(self.tensor.permute((0, *(d % len(self.shape) + 1 for d in order))))

    def reshape(self, shape: Sequence[int]) -> Position:
        return Position(self.tensor.reshape((self.tensor.shape[0], *shape)))

    def take(self, dim: int, indices: Sequence[int]) -> Position:
        index = torch.as_tensor(list(indices), dtype=torch.int64)
        dim = dim % len(self.shape) + 1
        if self.tensor.stride(dim) == 0:
            return Position(self.tensor.narrow(dim, 0, 1).expand(_with(self.tensor.shape, dim, len(index))))
        return Position(self.tensor.index_select(dim, index))

    def select(self, dim: int, index: int) -> Position:
        return Position(self.tensor.select(dim % len(self.shape) + 1, index))

    def settled(self) -> Position:
        return self

    def bounded(self) -> Position:
        return self

    @staticmethod
    def joined(flows: Sequence[Flow], shape: Sequence[int]) -> Position:
        """Of what is added up, that which tells most places apart: a gate's or a token mixer's is one for all."""
        best = flows[0] if len(flows) == 1 else max(flows, key=lambda flow: _places(flow.tensor))
        return Position(best.tensor).expand(shape)

    @staticmethod
    def concatenated(flows: Sequence[Flow | None], lengths: Sequence[int], dim: int, shape: Sequence[int]) -> Position:
        axes = next(flow for flow in flows if flow is not None).tensor.shape[0]
        pieces = [
            torch.full((axes, *_with(shape, dim, length)), torch.nan) if flow is None else flow.tensor
            for flow, length in zip(flows, lengths, strict=True)
        ]
        return Position(torch.cat(pieces, dim + 1))


def _with(shape: Sequence[int], dim: int, length: int) -> list[int]:
    return [length if d == dim else n for d, n in enumerate(shape)]


def _mean_indices(taps: Taps) -> list[float]:
    """The mean of the indices that each output index reads, had the input no end."""
    means = [sum(row) / max(len(row), 1) for row in taps.offsets]
    return [means[o % taps.period] + (o // taps.period) * taps.step for o in range(taps.length)]


def _places(tensor: torch.Tensor) -> int:
    slim = narrow(tensor).flatten(1)
    known = slim[:, ~slim.isnan().any(0)]
    return int((known / NEAR).round().unique(dim=1).shape[1]) if known.numel() else 0


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
        """Whether the grid is the tensor's own last dimensions, as of a map ``(N, C, *spatial)``."""
        own = np.moveaxis(np.indices(self.grid), 0, -1)
        return self.dims == tuple(range(2, 2 + len(self.grid))) and np.array_equal(self.where, own)

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
    return _lawful(part) is None and not (len(field.shape) == 2 + len(part) and moving == spatial)


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
    if rule is None or qualified_name(node) in NO_FIELD:
        return None
    try:
        answer: Any = rule(make_call(node, known, evaluate, Position))
    except Exception:
        return None  # a rule that can not be worked out on positions leaves its tensor without any
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
