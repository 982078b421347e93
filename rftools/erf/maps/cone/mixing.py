"""Operators of several tensors, matrices, norms and attention behind a dimension of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import fx

from rftools.capture.operators import ARITHMETIC
from rftools.capture.shapes import shape_of
from rftools.erf.maps.cone.base import out_of_place
from rftools.erf.maps.cone.folding import Given, behind, sizes_of
from rftools.erf.maps.cone.images import RESHAPE, Axes, Laid, NotFolded, Writer


@behind(*ARITHMETIC)
def _arithmetic(writer: Writer, node: fx.Node, given: Given) -> Laid:
    sides = list(node.args[:2])
    axes = shared(writer, sides, shape_of(node))
    args = [spread(writer, side, axes, shape_of(node)) for side in sides]
    shape = (1, *(n for axis in axes for n in axis))
    target = out_of_place(node.target)
    if target is None:
        raise NotFolded
    return Laid(writer.emit(node, target, (*args, *node.args[2:]), shape, **node.kwargs), axes)


def shared(writer: Writer, sides: Sequence[Any], shape: Sequence[int]) -> Axes:
    """The pieces of each dimension of a shape to which all sides are spread: those that they agree on, or one."""
    found: list[tuple[int, ...]] = []
    for dim, size in enumerate(shape):
        own = set()
        for side in sides:
            if writer.reached(side):
                x = writer.laid(side)
                at = dim - len(shape) + len(x.axes)
                if at >= 0 and sizes_of(x)[at] == size:
                    own.add(tuple(n for n in x.axes[at] if n != 1))
        found.append(own.pop() if len(own) == 1 else (size,) if size > 1 else ())
    return tuple(found)


def spread(writer: Writer, side: Any, axes: Axes, shape: Sequence[int]) -> Any:
    """One side of an operator that spreads its sides, with its dimensions in the pieces of the result."""
    if not isinstance(side, fx.Node):
        return side
    own = shape_of(side)
    missing = len(shape) - len(own)
    found = [tuple(1 for _ in axis) for axis in axes[:missing]]
    for n, size, axis in zip(own, shape[missing:], axes[missing:], strict=True):
        found.append(axis if n == size else tuple(1 for _ in axis))
    if writer.reached(side):
        return writer.as_axes(writer.laid(side), tuple(found)).node
    constant, wanted = writer.constant(side), [n for axis in found for n in axis]
    if _bare(own) == _bare(wanted) and len(own) <= 1 + len(wanted):
        return constant
    return writer.emit(side, RESHAPE, (constant, _bare(wanted)), _bare(wanted))


def _bare(shape: Sequence[int]) -> list[int]:
    """Without the ones in front, which spreading adds."""
    first = next((i for i, n in enumerate(shape) if n != 1), len(shape))
    return list(shape[first:])


@behind("cat", "concat")
def _cat(writer: Writer, node: fx.Node, given: Given) -> Laid:
    parts, shape = cast(Sequence[fx.Node], given("tensors")), shape_of(node)
    dim = int(given("dim")) % len(shape)
    if any(len(shape_of(part)) != len(shape) for part in parts):
        raise NotFolded
    axes = list(shared(writer, parts, shape))
    args = []
    for part in parts:
        axes[dim] = (shape_of(part)[dim],)
        wanted = [1, *(n for axis in axes for n in axis)]
        if writer.reached(part):
            args.append(writer.as_axes(writer.laid(part), tuple(axes)).node)
        else:
            args.append(writer.emit(part, RESHAPE, (writer.constant(part), wanted), wanted))
    axes[dim] = (shape[dim],)
    found = Laid(args[0], tuple(axes))
    return Laid(writer.emit(node, node.target, (args, *found.at(dim)), found.shape), found.axes)


@behind("linear")
def _linear(writer: Writer, node: fx.Node, given: Given) -> Laid:
    if any(writer.reached(given(name)) for name in ("weight", "bias")):
        raise NotFolded
    x = writer.laid(given("input"))
    x = writer.whole(x, len(x.axes) - 1)
    axes = (*x.axes[:-1], (shape_of(node)[-1],))
    constants = [writer.constant(c) if isinstance(c, fx.Node) else c for c in (given("weight"), given("bias"))]
    return Laid(writer.emit(node, node.target, (x.node, *constants), (*x.shape[:-1], axes[-1][0])), axes)


@behind("layer_norm")
def _layer_norm(writer: Writer, node: fx.Node, given: Given) -> Laid:
    x, count = writer.laid(given("input")), len(given("normalized_shape"))
    if [n for n in node.all_input_nodes if writer.reached(n)] != [given("input")]:
        raise NotFolded
    x = writer.whole(x, *range(len(x.axes) - count, len(x.axes)))
    constants = [writer.constant(c) if isinstance(c, fx.Node) else c for c in (given("weight"), given("bias"))]
    args = (x.node, given("normalized_shape"), *constants, given("eps"))
    return Laid(writer.emit(node, node.target, args, x.shape), x.axes)


@behind("softmax", "_softmax", "log_softmax")
def _softmax(writer: Writer, node: fx.Node, given: Given) -> Laid:
    x = writer.laid(given("self"))
    dim = int(given("dim")) % len(x.axes)
    x = writer.whole(x, dim)
    return Laid(writer.emit(node, node.target, (x.node, *x.at(dim), *node.args[2:]), x.shape, **node.kwargs), x.axes)


@behind("mean", "sum")
def _mean(writer: Writer, node: fx.Node, given: Given) -> Laid:
    x, dims = writer.laid(given("self")), given("dim")
    if not dims or given("dtype") is not None:
        raise NotFolded
    chosen = {int(d) % len(x.axes) for d in (dims if isinstance(dims, (list, tuple)) else [dims])}
    at = [place for d in sorted(chosen) for place in x.at(d)]
    kept = bool(given("keepdim"))
    axes = tuple(() if d in chosen else axis for d, axis in enumerate(x.axes) if kept or d not in chosen)
    if not at:
        return Laid(x.node, axes)
    shape = [n for d, n in enumerate(x.shape) if d not in at]
    return Laid(writer.emit(node, node.target, (x.node, at, False), shape), axes)


@behind("matmul", "bmm")
def _matmul(writer: Writer, node: fx.Node, given: Given) -> Laid:
    sides = [node.args[0], node.args[1]]
    shapes, shape = [shape_of(side) for side in sides], shape_of(node)
    if any(len(own) < 2 for own in shapes):
        raise NotFolded
    lead = shared(writer, [side for side in sides if writer.reached(side)], shape)[:-2]
    args = []
    for side, own in zip(sides, shapes, strict=True):
        if not writer.reached(side):
            if len(own) != 2:
                raise NotFolded
            args.append(writer.constant(cast(fx.Node, side)))
            continue
        inner = tuple((n,) for n in own[-2:])
        args.append(spread(writer, side, (*lead, *inner), (*shape[:-2], *own[-2:])))
    axes = (*lead, *((n,) for n in shape[-2:]))
    whole = (1, *(n for axis in axes for n in axis))
    return Laid(writer.emit(node, torch.ops.aten.matmul.default, args, whole), axes)


@behind("scaled_dot_product_attention")
def _attention(writer: Writer, node: fx.Node, given: Given) -> Laid:
    inputs, shape = [given(name) for name in ("query", "key", "value")], shape_of(node)
    if any(not writer.reached(side) or shape_of(side)[:-2] != shape[:-2] for side in inputs):
        raise NotFolded
    lead = shared(writer, inputs, shape)[:-2]
    args = [spread(writer, side, (*lead, *((n,) for n in shape_of(side)[-2:])), shape_of(side)) for side in inputs]
    mask = given("attn_mask")
    if isinstance(mask, fx.Node):
        if writer.reached(mask):
            raise NotFolded
        tokens = (shape[-2], shape_of(inputs[1])[-2])
        mask = spread(writer, mask, (*lead, *((n,) for n in tokens)), (*shape[:-2], *tokens))
    axes = (*lead, *((n,) for n in shape[-2:]))
    whole = (1, *(n for axis in axes for n in axis))
    return Laid(writer.emit(node, node.target, (*args, mask, *node.args[4:]), whole, **_rest(node)), axes)


def _rest(node: fx.Node) -> dict[str, Any]:
    return {name: value for name, value in node.kwargs.items() if name != "attn_mask"}
