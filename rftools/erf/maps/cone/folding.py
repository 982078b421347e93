"""How operators work behind a dimension of images: each with its own dimensions counted one further on."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import fx

from rftools.capture import Graph, op_name
from rftools.capture.operators import COPIES, DROPOUTS, SAME_ELEMENTS, SHAPE_ONLY, UNARY
from rftools.capture.shapes import shape_of
from rftools.erf.maps.cone.base import out_of_place
from rftools.erf.maps.cone.images import Axes, Laid, NotFolded, Unfolded, Writer, plain

Handler = Callable[[Writer, fx.Node, "Given"], Laid]
HANDLERS: dict[str, Handler] = {}
PARTS = ("chunk", "split", "split_with_sizes", "unbind")


class Given:
    """An operator's arguments by their names in the schema."""

    def __init__(self, node: fx.Node) -> None:
        self.values: dict[str, Any] = {}
        for position, slot in enumerate(cast(Any, node.target)._schema.arguments):
            if position < len(node.args):
                self.values[slot.name] = node.args[position]
            elif slot.name in node.kwargs:
                self.values[slot.name] = node.kwargs[slot.name]
            elif slot.has_default_value():
                self.values[slot.name] = slot.default_value

    def __call__(self, name: str) -> Any:
        if name not in self.values:
            raise NotFolded
        return self.values[name]


def unfolded(graph: Graph) -> Unfolded | None:
    """The graph with the images first; None where an operator stands in the way."""
    writer = Writer(graph)
    image = writer.constant(graph.inputs[0])
    axes = plain(shape_of(graph.inputs[0]))
    if axes is None:
        return None
    # A copy: what only turns the input's shape is a unit as well, and units are operators.
    copied = writer.emit(graph.inputs[0], torch.ops.aten.alias.default, (image,), shape_of(graph.inputs[0]))
    writer.found[graph.inputs[0]] = Laid(copied, axes)
    try:
        for node in graph.nodes:
            writer.found[node] = _written(writer, node)
    except NotFolded:
        return None
    nodes = tuple(node for node in writer.new.nodes if node.op == "call_function")
    return Unfolded(Graph(nodes, (image,), (), writer.constants, (), graph.method), writer.found)


def _written(writer: Writer, node: fx.Node) -> Any:
    """What an operator becomes: a tensor behind images, a constant, or several tensors."""
    if node.target is operator.getitem and writer.reached(node.args[0]):
        return _element(writer, node)
    if not any(writer.reached(n) for n in node.all_input_nodes):
        return writer.copy(node)
    name = op_name(node)
    if name in SHAPE_ONLY:
        return writer.filled(node)
    if not node.meta.get("gradient", True) or name == "detach":
        raise NotFolded
    if name in PARTS:
        return (node,)
    handler = HANDLERS.get(name)
    if handler is not None:
        return handler(writer, node, Given(node))
    return _as_it_was(writer, node)


def _as_it_was(writer: Writer, node: fx.Node) -> Any:
    """An operator without a way of its own, where images come first before and after it."""
    found = writer.copy(node)
    if not isinstance(node.meta.get("val"), torch.Tensor):
        return (found,)
    axes = plain(shape_of(node))
    if axes is None:
        raise NotFolded
    return Laid(found, axes)


def _element(writer: Writer, node: fx.Node) -> Laid:
    """One of several tensors: a part of what was split, or an output of the operator as it was."""
    source, number = cast(fx.Node, node.args[0]), cast(int, node.args[1])
    (held,) = writer.found[source]
    if held is not source:
        found = writer.new.call_function(operator.getitem, (held, number))
        found.meta = dict(node.meta)
        axes = plain(shape_of(node))
        if axes is None:
            raise NotFolded
        return Laid(found, axes)
    given = Given(source)
    x = writer.laid(given("self"))
    dim = int(given("dim")) % len(x.axes)
    if op_name(source) == "unbind":
        return _chosen(writer, node, x, dim, number)
    before = sum(int(v.shape[dim]) for v in source.meta["val"][:number])
    return _sliced(writer, node, x, dim, (before, before + int(node.meta["val"].shape[dim]), 1))


def behind(*names: str) -> Callable[[Handler], Handler]:
    """Register how operators work behind a dimension of images."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(names, handler))
        return handler

    return register


@behind(*COPIES, *DROPOUTS)
def _same(writer: Writer, node: fx.Node, given: Given) -> Laid:
    if op_name(node) in DROPOUTS and given("train") is not False:
        raise NotFolded
    return writer.laid(cast(fx.Node, node.args[0]))


@behind(*(name for name in UNARY if name != "rrelu"))
def _unary(writer: Writer, node: fx.Node, given: Given) -> Laid:
    x = writer.laid(cast(fx.Node, node.args[0]))
    if [n for n in node.all_input_nodes if writer.reached(n)] != [node.args[0]] or len(node.all_input_nodes) > 1:
        raise NotFolded
    target = out_of_place(node.target)
    if target is None:
        raise NotFolded
    return Laid(writer.emit(node, target, (x.node, *node.args[1:]), x.shape, **node.kwargs), x.axes)


@behind(*SAME_ELEMENTS)
def _reshaped(writer: Writer, node: fx.Node, given: Given) -> Laid:
    x, shape = writer.laid(cast(fx.Node, node.args[0])), shape_of(node)
    axes = dealt([n for axis in x.axes for n in axis if n != 1], shape)
    return writer.as_axes(x, axes or tuple((n,) for n in shape))


def dealt(pieces: list[int], shape: Sequence[int]) -> Axes | None:
    """Pieces in order, given to dimensions whose product they make, split where one holds several; None: they cross.

    >>> dealt([8, 8, 7, 7, 96], (64, 49, 96)), dealt([56, 56, 96], (1, 8, 7, 8, 7, 96))
    (((8, 8), (7, 7), (96,)), ((), (8,), (7,), (8,), (7,), (96,)))
    """
    left = list(reversed(pieces))
    found = []
    for size in shape:
        own: list[int] = []
        while size > 1:
            piece = left.pop()
            if size % piece == 0:
                own.append(piece)
                size //= piece
            elif piece % size == 0:
                own.append(size)
                left.append(piece // size)
                size = 1
            else:
                return None
        found.append(tuple(own))
    return tuple(found)


@behind("permute", "transpose", "t")
def _permuted(writer: Writer, node: fx.Node, given: Given) -> Laid:
    x = writer.laid(given("self"))
    order = list(range(len(x.axes)))
    if op_name(node) == "permute":
        order = [int(d) % len(order) for d in given("dims")]
    else:
        a, b = (0, 1) if op_name(node) == "t" else (given("dim0") % len(order), given("dim1") % len(order))
        order[a], order[b] = order[b], order[a]
    axes = tuple(x.axes[d] for d in order)
    dims = [0, *(at for d in order for at in x.at(d))]
    if dims == sorted(dims):
        return Laid(x.node, axes)
    shape = [x.shape[d] for d in dims]
    return Laid(writer.emit(node, torch.ops.aten.permute.default, (x.node, dims), shape), axes)


@behind("select")
def _select(writer: Writer, node: fx.Node, given: Given) -> Laid:
    x = writer.laid(given("self"))
    return _chosen(writer, node, x, int(given("dim")) % len(x.axes), int(given("index")))


def _chosen(writer: Writer, node: fx.Node, x: Laid, dim: int, place: int) -> Laid:
    if x.axes[dim]:
        x = writer.whole(x, dim)
        axes, (at,) = (*x.axes[:dim], *x.axes[dim + 1 :]), x.at(dim)
        shape = (*x.shape[:at], *x.shape[at + 1 :])
        return Laid(writer.emit(node, torch.ops.aten.select.int, (x.node, at, place), shape), axes)
    return Laid(x.node, (*x.axes[:dim], *x.axes[dim + 1 :]))


@behind("slice")
def _slice(writer: Writer, node: fx.Node, given: Given) -> Laid:
    x = writer.laid(given("self"))
    dim = int(given("dim")) % len(x.axes)
    n = shape_of(given("self"))[dim]
    return _sliced(writer, node, x, dim, slice(given("start"), given("end"), given("step")).indices(n))


def _sliced(writer: Writer, node: fx.Node, x: Laid, dim: int, part: tuple[int, int, int]) -> Laid:
    length = shape_of(node)[dim]
    if not x.axes[dim] or shape_of(node) == tuple(sizes_of(x)):
        if length != sizes_of(x)[dim]:
            raise NotFolded
        return x
    x = writer.whole(x, dim)
    (at,) = x.at(dim)
    shape = (*x.shape[:at], length, *x.shape[at + 1 :])
    found = writer.emit(node, torch.ops.aten.slice.Tensor, (x.node, at, *part), shape)
    return Laid(found, (*x.axes[:dim], (length,), *x.axes[dim + 1 :]))


def sizes_of(x: Laid) -> list[int]:
    found = []
    for axis in x.axes:
        size = 1
        for n in axis:
            size *= n
        found.append(size)
    return found


@behind("roll")
def _roll(writer: Writer, node: fx.Node, given: Given) -> Laid:
    x, dims = writer.laid(given("self")), given("dims")
    if not dims:
        raise NotFolded
    moves = [(int(d) % len(x.axes), int(by)) for d, by in zip(dims, given("shifts"), strict=True)]
    moves = [(d, by) for d, by in moves if x.axes[d]]
    x = writer.whole(x, *(d for d, _ in moves))
    args = (x.node, [by for _, by in moves], [at for d, _ in moves for at in x.at(d)])
    return Laid(writer.emit(node, node.target, args, x.shape), x.axes) if moves else x


@behind("pad", "constant_pad_nd")
def _pad(writer: Writer, node: fx.Node, given: Given) -> Laid:
    x, pads = writer.laid(given("self")), [int(n) for n in given("pad")]
    return x if not any(pads) else cast(Laid, _as_it_was(writer, node))


@behind("expand")
def _expand(writer: Writer, node: fx.Node, given: Given) -> Laid:
    x = writer.laid(given("self"))
    if shape_of(node) != shape_of(given("self")):
        raise NotFolded
    return x
