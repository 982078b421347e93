"""Operators that move elements without changing them, and joins along a dimension."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from rftools.trf.field import Field, concatenate_fields, join_fields
from rftools.trf.rules.registry import Answer, Call, NoRule, rule, shape_of

SAME_ELEMENTS = [
    "view",
    "_unsafe_view",
    "reshape",
    "view_copy",
    "flatten",
    "unflatten",
    "squeeze",
    "unsqueeze",
    "squeeze_copy",
    "unsqueeze_copy",
    "view_as",
    "reshape_as",
    "unsafe_view",
    "_reshape_alias",
    "ravel",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
]


@rule(*(f"aten.{name}" for name in SAME_ELEMENTS))
def reshape(call: Call) -> Answer:
    return call.main("self").reshape(call.shape)


@rule("aten.permute", "aten.permute_copy")
def permute(call: Call) -> Answer:
    return call.main("self").permute(call["dims"])


@rule("aten.transpose", "aten.transpose_copy", "aten.swapaxes", "aten.swapdims")
def transpose(call: Call) -> Answer:
    field = call.main("self")
    first, second = (value for name, value in call.arguments.items() if name != "self")
    order = list(range(len(field.shape)))
    order[first], order[second] = order[second], order[first]
    return field.permute(order)


@rule("aten.t", "aten.numpy_T", "aten.mT")
def flip_dims(call: Call) -> Answer:
    field = call.main("self")
    order = list(range(len(field.shape)))
    return field.permute(order[:-2] + order[-2:][::-1])


@rule("aten.movedim", "aten.moveaxis")
def movedim(call: Call) -> Answer:
    field = call.main("self")
    rank = len(field.shape)
    source, target = (_many(call[name], rank) for name in ("source", "destination"))
    order = [d for d in range(rank) if d not in source]
    for to, origin in sorted(zip(target, source, strict=True)):
        order.insert(to, origin)
    return field.permute(order)


def _many(value: Sequence[int] | int, rank: int) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return [d % rank for d in values]


@rule("aten.expand", "aten.expand_copy", "aten.expand_as", "aten.broadcast_to")
def expand(call: Call) -> Answer:
    return call.main("self").expand(call.shape)


@rule("aten.repeat", "aten.tile")
def repeat(call: Call) -> Answer:
    field, shape = call.main("self"), call.shape
    field = field.reshape([1] * (len(shape) - len(field.shape)) + list(field.shape))
    for dim, (old, new) in enumerate(zip(field.shape, shape, strict=True)):
        if new != old:
            field = field.take(dim, [i % old for i in range(new)])
    return field


@rule("aten.repeat_interleave")
def repeat_interleave(call: Call) -> Answer:
    times = call["repeats"]
    if not isinstance(times, int) or call["dim"] is None:
        raise NoRule("repeat_interleave with a tensor of counts or without a dimension")
    field = call.main("self")
    return field.take(call["dim"], [i // times for i in range(field.shape[call["dim"]] * times)])


@rule("aten.slice", "aten.slice_copy")
def slice_dim(call: Call) -> Answer:
    field = call.main("self")
    dim = call["dim"] or 0
    rows = range(field.shape[dim])[slice(call["start"], call["end"], call["step"])]
    return field.take(dim, rows)


@rule("aten.narrow", "aten.narrow_copy")
def narrow(call: Call) -> Answer:
    field, dim = call.main("self"), call["dim"]
    start = call["start"] % max(field.shape[dim], 1)
    return field.take(dim, range(start, start + call["length"]))


@rule("aten.select", "aten.select_copy")
def select(call: Call) -> Answer:
    return call.main("self").select(call["dim"], call["index"])


@rule("aten.flip")
def flip(call: Call) -> Answer:
    field = call.main("self")
    for dim in call["dims"]:
        field = field.take(dim, range(field.shape[dim])[::-1])
    return field


@rule("aten.roll")
def roll(call: Call) -> Answer:
    field = call.main("self")
    if not call["dims"]:
        flat = field.reshape((math.prod(field.shape),))
        return _rolled(flat, 0, call["shifts"][0]).reshape(field.shape)
    for dim, by in zip(call["dims"], call["shifts"], strict=True):
        field = _rolled(field, dim, by)
    return field


def _rolled(field: Field, dim: int, by: int) -> Field:
    size = field.shape[dim]
    return field.take(dim, [(i - by) % size for i in range(size)])


SPLITS = ("chunk", "split", "split_with_sizes", "tensor_split", "unsafe_chunk", "unsafe_split", "split_copy",
          "split_with_sizes_copy")  # fmt: skip


@rule(*(f"aten.{name}" for name in SPLITS))
def split(call: Call) -> Answer:
    field, dim = call.main("self"), call.get("dim", 0)
    start, pieces = 0, []
    for value in call.node.meta["val"]:
        length = int(value.shape[dim])
        pieces.append(field.take(dim, range(start, start + length)))
        start += length
    return pieces


@rule("aten.unbind", "aten.unbind_copy")
def unbind(call: Call) -> Answer:
    field, dim = call.main("self"), call.get("dim", 0)
    return [field.select(dim, i) for i in range(field.shape[dim])]


@rule("aten.cat", "aten.concat", "aten.concatenate")
def cat(call: Call) -> Answer:
    dim, shape = call.get("dim", 0), call.shape
    pieces = [piece for piece in call["tensors"] if shape_of(piece) != (0,)]
    lengths = [shape_of(piece)[dim] for piece in pieces]
    return concatenate_fields([call.field_of(piece) for piece in pieces], lengths, dim, shape)


@rule("aten.stack")
def stack(call: Call) -> Answer:
    shape = call.shape
    dim = call.get("dim", 0) % len(shape)
    thin = (*shape[:dim], 1, *shape[dim + 1 :])
    fields = [field.reshape(thin) if (field := call.field_of(piece)) is not None else None for piece in call["tensors"]]
    return concatenate_fields(fields, [1] * len(fields), dim, shape)


@rule("aten.channel_shuffle", "aten.native_channel_shuffle")
def channel_shuffle(call: Call) -> Answer:
    field, groups = call.main("self"), call["groups"]
    n, c, *space = field.shape
    order = [0, 2, 1, *range(3, 3 + len(space))]
    return field.reshape((n, groups, c // groups, *space)).permute(order).reshape((n, c, *space))


@rule("aten.unfold", "aten.unfold_copy")
def unfold(call: Call) -> Answer:
    """``tensor.unfold(dim, size, step)``: windows as a new last dimension."""
    field, step, size = call.main("self"), call["step"], call["size"]
    dim = call["dimension"] % len(field.shape)
    count = (field.shape[dim] - size) // step + 1
    pieces = []
    for k in range(size):
        piece = field.take(dim, range(k, k + (count - 1) * step + 1, step))
        pieces.append(piece.reshape((*piece.shape, 1)))
    return concatenate_fields(pieces, [1] * size, len(call.shape) - 1, call.shape)


@rule("aten.index_select")
def index_select(call: Call) -> Answer:
    return call.main("self").take(call["dim"], call.constant("index").flatten().tolist())


@rule("aten.index")
def index(call: Call) -> Answer:
    """Advanced indexing with constant tensors in one dimension; the other dimensions whole."""
    indices: list[Any] = list(call["indices"])
    used = [d for d, value in enumerate(indices) if value is not None]
    if len(used) != 1:
        return _index_many(call, indices)
    dim = used[0]
    values = _constant_index(call, indices[dim])
    field = call.main("self")
    if values.dtype == torch.bool:
        if values.dim() != 1:
            raise NoRule("a mask over several dimensions")
        values = values.nonzero().flatten()
    size = field.shape[dim]
    taken = field.take(dim, (values.flatten() % size).tolist())
    return taken.reshape((*taken.shape[:dim], *values.shape, *taken.shape[dim + 1 :]))


def _constant_index(call: Call, value: fx.Node) -> torch.Tensor:
    if call.fields.get(value) is not None:
        raise NoRule("indices that depend on the data")
    found = call.evaluate(value)
    if not isinstance(found, torch.Tensor):
        raise NoRule("indices whose values are not known")
    return found


def _index_many(call: Call, indices: list[Any]) -> Answer:
    """Constant index tensors in neighbouring dimensions: those dimensions are flattened first."""
    used = [d for d, value in enumerate(indices) if value is not None]
    if used != list(range(used[0], used[-1] + 1)):
        raise NoRule("index tensors in dimensions that are not neighbours")
    values = torch.broadcast_tensors(*[_constant_index(call, indices[d]) for d in used])
    if values[0].dtype == torch.bool:
        raise NoRule("masks in several dimensions")
    field = call.main("self")
    first, last = used[0], used[-1] + 1
    flat = torch.zeros_like(values[0])
    for d, value in zip(used, values, strict=True):
        flat = flat * field.shape[d] + value % field.shape[d]
    merged = field.reshape((*field.shape[:first], math.prod(field.shape[first:last]), *field.shape[last:]))
    taken = merged.take(first, flat.flatten().tolist())
    return taken.reshape(call.shape)


@rule("aten.gather")
def gather(call: Call) -> Answer:
    """Constant indices that are the same all along the other dimensions; else said to be a bound."""
    field, dim, index = call.main("self"), call["dim"], call.constant("index")
    dim %= len(field.shape)
    rows = index.movedim(dim, 0).flatten(1)
    if (rows == rows[:, :1]).all() and all(index.shape[d] == n for d, n in enumerate(field.shape) if d != dim):
        return field.take(dim, rows[:, 0].tolist())
    shape = call.shape
    if any(shape[d] != n for d, n in enumerate(field.shape) if d != dim):
        raise NoRule("gather that also crops")
    return field.reduce(dim).expand_dim(dim, shape[dim]).bounded()


@rule("aten.diagonal", "aten.diagonal_copy", "aten.as_strided", "aten.scatter", "aten.index_put", "aten.masked_select")
def irregular(call: Call) -> Answer:
    raise NoRule("elements move in a way that has no rule yet")


@rule("aten.where")
def where(call: Call) -> Answer:
    return join_fields([f for f in (call.field(n) for n in call.arguments) if f is not None], call.shape)


@rule("aten.slice_scatter", "aten.select_scatter")
def slice_scatter(call: Call) -> Answer:
    """A copy of ``self`` with a slice replaced by ``src``."""
    base, source, dim = call.field("self"), call.field("src"), call.get("dim", 0)
    shape = call.shape
    size = shape[dim]
    if "index" in call.arguments:
        rows = range(size)[call["index"] :][:1]
        source = None if source is None else source.reshape((*shape[:dim], 1, *shape[dim + 1 :]))
    else:
        rows = range(size)[slice(call["start"], call["end"], call["step"])]
    if len(rows) == size:
        return source
    place = {position: k for k, position in enumerate(rows)}
    pieces: list[Field | None] = []
    for position in range(size):
        origin, at = (source, place[position]) if position in place else (base, position)
        pieces.append(None if origin is None else origin.take(dim, [at]))
    return concatenate_fields(pieces, [1] * size, dim, shape)
