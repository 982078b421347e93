"""Operators that move elements without changing them, and joins along a dimension."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rftools.capture.operators import SAME_ELEMENTS, SPLITS, aten
from rftools.capture.shapes import shape_of
from rftools.trf.field import Field
from rftools.trf.joins import concatenate_fields
from rftools.trf.rules.padding import pad_with_constant
from rftools.trf.rules.registry import Answer, Call, NoRule, rule


@rule(*aten(SAME_ELEMENTS))
def reshape(call: Call) -> Answer:
    return call.main("self").reshape(call.shape)


@rule("aten.type_as", "aten.to", "aten.view_as", "aten.reshape_as", "aten.expand_as")
def formed_like(call: Call) -> Answer:
    """Of ``other`` only the type or the shape is taken."""
    field = call.field("self")
    if field is None or field.shape == call.shape:
        return field
    return field.expand(call.shape) if "expand" in str(call.node.target) else field.reshape(call.shape)


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


@rule("aten.expand", "aten.expand_copy", "aten.broadcast_to")
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


@rule(*aten(SPLITS))
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


@rule("aten.copy")
def copy(call: Call) -> Answer:
    """``self.copy_(src)``: nothing is left of what was there."""
    source = call.field("src")
    return None if source is None else source.expand(call.shape)


@rule("aten.fill", "aten.zero")
def fill(call: Call) -> Answer:
    value = call.field_of(call.arguments.get("value"))
    return None if value is None else value.expand(call.shape)


@rule("aten.slice_scatter", "aten.select_scatter")
def slice_scatter(call: Call) -> Answer:
    """A copy of ``self`` with a slice replaced by ``src``."""
    base, source, dim = call.field("self"), call.field("src"), call.get("dim", 0)
    shape = call.shape
    dim, size = dim % len(shape), shape[dim]
    if "index" in call.arguments:
        index = call["index"] % size
        rows = range(index, index + 1)
        source = None if source is None else source.reshape((*shape[:dim], 1, *shape[dim + 1 :]))
    else:
        rows = range(size)[slice(call["start"], call["end"], call["step"])]
    if len(rows) == size:
        return source
    if base is None and source is not None and rows.step == 1:
        return pad_with_constant(source, dim, rows.start, size - rows.stop)
    return _replaced(base, source, rows, dim, shape)


def _replaced(base: Field | None, source: Field | None, rows: range, dim: int, shape: tuple[int, ...]) -> Answer:
    """``base`` with ``source`` at ``rows`` of ``dim``, run by run."""
    pieces: list[Field | None] = []
    lengths: list[int] = []
    done = 0
    runs = [(rows.start, len(rows))] if rows.step == 1 else [(row, 1) for row in rows]
    for number, (start, length) in enumerate(runs):
        if start > done:
            pieces.append(None if base is None else base.take(dim, range(done, start)))
            lengths.append(start - done)
        pieces.append(None if source is None else source.take(dim, range(number, number + length)))
        lengths.append(length)
        done = start + length
    if done < shape[dim]:
        pieces.append(None if base is None else base.take(dim, range(done, shape[dim])))
        lengths.append(shape[dim] - done)
    return concatenate_fields(pieces, lengths, dim, shape)
