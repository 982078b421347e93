"""The same net with the images first in every tensor, where its own code folds positions into the batch.

Windows of tokens and heads of attention often lie in the first dimension, and the images elsewhere. Then no rule knows
which elements belong to one image. The graph was captured with one image: with a dimension for images put before
everything, each operator works beside it, and a first dimension of size one is the image itself and falls away.

Positions that a net joins (windows down times windows across) stay dimensions of their own as long as nothing needs
them as one: a box over two of them would otherwise hold all that lies between in one row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

from rftools.capture import Graph
from rftools.capture.operators import SHAPE_ONLY
from rftools.capture.shapes import shape_of

Axes = tuple[tuple[int, ...], ...]
RESHAPE = torch.ops.aten.reshape.default
FILLED = {"zeros_like": 0, "new_zeros": 0, "ones_like": 1, "new_ones": 1}


class NotFolded(Exception):
    """An operator that can't be put behind a dimension of images in a way that is sure."""


@dataclass(frozen=True)
class Laid:
    """A tensor of the net behind images: ``axes`` has, for each of its own dimensions, the sizes that make it up."""

    node: fx.Node
    axes: Axes

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, *(n for axis in self.axes for n in axis))

    def at(self, dim: int) -> list[int]:
        """Where a dimension of the net's own tensor lies."""
        first = 1 + sum(len(axis) for axis in self.axes[:dim])
        return list(range(first, first + len(self.axes[dim])))


def plain(shape: Sequence[int]) -> Axes | None:
    """How a tensor lies whose first dimension is the image; None for one that has no such dimension."""
    return ((), *((n,) for n in shape[1:])) if len(shape) > 0 and shape[0] == 1 else None


def placed(laid: Laid, dims: Sequence[int], place: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A unit's dimensions and place in the net's own tensor, as they are behind images."""
    found: list[tuple[int, int]] = []
    for dim, position in zip(dims, place, strict=True):
        for at, n in reversed(list(zip(laid.at(dim), laid.axes[dim], strict=True))):
            found.append((at, position % n))
            position //= n
    found.sort()
    return tuple(at for at, _ in found), tuple(position for _, position in found)


class Writer:
    """The new graph while it is written."""

    def __init__(self, graph: Graph) -> None:
        self.old = graph
        self.new = fx.Graph()
        self.found: dict[fx.Node, Any] = {}
        self.constants: dict[str, torch.Tensor] = {}

    def reached(self, value: Any) -> bool:
        return isinstance(value, fx.Node) and isinstance(self.found.get(value), (Laid, tuple))

    def emit(self, like: fx.Node, target: Any, args: Sequence[Any], shape: Sequence[int], **kwargs: Any) -> fx.Node:
        """An operator on nodes of the new graph; everything but its shape is known from the old node."""
        node = self.new.call_function(target, tuple(args), kwargs)
        value = like.meta["val"]
        node.meta = dict(like.meta, val=torch.empty(tuple(shape), dtype=value.dtype, device="meta"))
        return node

    def constant(self, node: fx.Node) -> fx.Node:
        """A node that no image reaches, as it is."""
        if node not in self.found:
            if node.op == "call_function":
                raise NotFolded
            mine = self.new.placeholder(node.name)
            mine.meta = dict(node.meta)
            if node.name in self.old.constants:
                self.constants[mine.name] = self.old.constants[node.name]
            self.found[node] = mine
        found: fx.Node = self.found[node]
        return found

    def copy(self, node: fx.Node, target: Any = None, args: Any = None, kwargs: Any = None) -> fx.Node:
        """The operator as it was, on nodes of the new graph."""

        def mine(value: fx.Node) -> fx.Node:
            return self.settled(value).node if self.reached(value) else self.constant(value)

        given = fx.map_arg(node.args if args is None else args, mine)
        named = fx.map_arg(dict(node.kwargs) if kwargs is None else kwargs, mine)
        found = self.new.call_function(target or node.target, given, named)  # type: ignore[arg-type]
        found.meta = dict(node.meta)
        return found

    def laid(self, node: fx.Node) -> Laid:
        found = self.found[node]
        if not isinstance(found, Laid):
            raise NotFolded
        return found

    def settled(self, node: fx.Node) -> Laid:
        """A tensor with the images as its own first dimension and every other one whole."""
        axes = plain(shape_of(node))
        if axes is None:
            raise NotFolded
        return self.as_axes(self.laid(node), axes)

    def as_axes(self, laid: Laid, axes: Axes) -> Laid:
        shape = (1, *(n for axis in axes for n in axis))
        if shape == laid.shape:
            return Laid(laid.node, axes)
        return Laid(self.emit(laid.node, RESHAPE, (laid.node, list(shape)), shape), axes)

    def whole(self, laid: Laid, *dims: int) -> Laid:
        """With dimensions of the net's own tensor in one piece each."""
        axes = list(laid.axes)
        for dim in dims:
            size = 1
            for n in axes[dim]:
                size *= n
            axes[dim] = (size,)
        return self.as_axes(laid, tuple(axes))

    def filled(self, node: fx.Node) -> fx.Node:
        """A tensor that takes no more than its shape from the image."""
        name = str(node.target._schema.name).rpartition("::")[2]  # type: ignore[union-attr]
        if name not in FILLED:
            raise NotFolded
        value = node.meta["val"]
        full = torch.ops.aten.full.default
        found = self.new.call_function(full, (list(value.shape), FILLED[name]), {"dtype": value.dtype})
        found.meta = dict(node.meta)
        return found


@dataclass(frozen=True)
class Unfolded:
    """A graph with the images first, and where each of the old nodes is in it."""

    graph: Graph
    found: Mapping[fx.Node, Any]

    def unit(self, node: fx.Node, dims: Sequence[int], place: Sequence[int]) -> tuple[fx.Node, Any, Any, int]:
        """A unit of the old graph in this one, and how many of its dimensions lay in the first beside the image."""
        laid = self.found[node]
        if not isinstance(laid, Laid):
            return node, tuple(dims), tuple(place), 0
        return (laid.node, *placed(laid, dims, place), 0 if 0 in dims else len(laid.axes[0]))


def folds(graph: Graph) -> bool:
    """Whether something other than the image lies first in a tensor that one image reaches."""
    follow = set(graph.inputs[:1])
    if shape_of(graph.inputs[0])[:1] != (1,):
        return False
    for node in graph.nodes:
        if str(getattr(node.target, "_schema", None) and node.target._schema.name).rpartition("::")[2] in SHAPE_ONLY:  # type: ignore[union-attr]
            continue
        if any(n in follow for n in node.all_input_nodes):
            follow.add(node)
            value = node.meta.get("val")
            if isinstance(value, torch.Tensor) and value.shape[:1] != (1,):
                return True
    return False
