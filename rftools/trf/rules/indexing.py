"""Reading and writing at indices: exact where they are constants, a bound where they are data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from rftools.trf.field import Field
from rftools.trf.joins import concatenate_fields, join_fields
from rftools.trf.rules.registry import Answer, Call, NoRule, rule
from rftools.trf.taps import Taps

MOST_ELEMENTS = 1 << 20  # where single elements are told apart


@rule("aten.index_select")
def index_select(call: Call) -> Answer:
    index = call.arguments["index"]
    if call.field_of(index) is not None:
        return _anywhere(call, [call["dim"]], [index])
    return call.main("self").take(call["dim"], call.constant("index").flatten().tolist())


@rule("aten.index")
def index(call: Call) -> Answer:
    """Advanced indexing: constants one by one, other dimensions whole; data may read any place."""
    indices: list[Any] = list(call["indices"])
    used = [d for d, value in enumerate(indices) if value is not None]
    moving = [indices[d] for d in used if call.field_of(indices[d]) is not None]
    if moving:
        if any(_dtype(value) == torch.bool for value in moving):
            raise NoRule("the output's shape depends on the data")
        return _anywhere(call, used, moving)
    if len(used) != 1:
        return _index_many(call, indices, used)
    values = _known(call, indices[used[0]])
    if values.dtype == torch.bool:
        return _masked(call, values, used[0])
    field, dim = call.main("self"), used[0]
    taken = field.take(dim, (values.flatten() % field.shape[dim]).tolist())
    return taken.reshape((*taken.shape[:dim], *values.shape, *taken.shape[dim + 1 :]))


def _dtype(node: fx.Node) -> torch.dtype:
    return node.meta["val"].dtype


def _known(call: Call, value: Any) -> torch.Tensor:
    found = call.evaluate(value)
    if not isinstance(found, torch.Tensor):
        raise NoRule("indices whose values are not known")
    return found


def _masked(call: Call, mask: torch.Tensor, dim: int) -> Answer:
    """A constant mask over the dimensions from ``dim`` on."""
    field = call.main("self")
    last = dim + mask.ndim
    flat = field.reshape((*field.shape[:dim], math.prod(field.shape[dim:last]), *field.shape[last:]))
    return flat.take(dim, mask.flatten().nonzero().flatten().tolist())


def _index_many(call: Call, indices: list[Any], used: list[int]) -> Answer:
    """Constant index tensors in neighbouring dimensions: those dimensions are flattened first."""
    values = torch.broadcast_tensors(*[_known(call, indices[d]) for d in used])
    if values[0].dtype == torch.bool:
        raise NoRule("masks in several dimensions")
    if used != list(range(used[0], used[-1] + 1)):
        return _elements(call, call.main("self"), lambda x: x[tuple(_slots(indices, used, values))])
    field = call.main("self")
    first, last = used[0], used[-1] + 1
    flat = torch.zeros_like(values[0])
    for d, value in zip(used, values, strict=True):
        flat = flat * field.shape[d] + value % field.shape[d]
    merged = field.reshape((*field.shape[:first], math.prod(field.shape[first:last]), *field.shape[last:]))
    return merged.take(first, flat.flatten().tolist()).reshape(call.shape)


def _slots(indices: Sequence[Any], used: Sequence[int], values: Sequence[torch.Tensor]) -> list[Any]:
    slots: list[Any] = [slice(None)] * len(indices)
    for d, value in zip(used, values, strict=True):
        slots[d] = value
    return slots


def _anywhere(call: Call, dims: Sequence[int], moving: Sequence[fx.Node]) -> Answer:
    """Indices that depend on the data: the whole of ``dims`` may be read, and the indices' own fields are seen."""
    shape, fields = call.shape, []
    field = call.field("self")
    if field is not None:
        everything = field.reduce(*range(len(field.shape))) if len(dims) > 1 or len(shape) != len(field.shape) else None
        whole = field.reduce(*dims) if everything is None else everything.reshape([1] * len(shape))
        fields.append(whole.expand(shape).bounded())
    for value in moving:
        own = call.field_of(value)
        assert own is not None
        own = own.reduce(*range(len(own.shape)))
        fields.append(own.reshape([1] * len(shape)).expand(shape).bounded())
    return join_fields(fields, shape)


def _elements(call: Call, field: Field, move: Any) -> Field:
    """Any move of single elements, found by moving their numbers."""
    count = math.prod(field.shape)
    if max(count, math.prod(call.shape)) > MOST_ELEMENTS:
        raise NoRule(f"single elements of a tensor of {count:,} are told apart up to {MOST_ELEMENTS:,}")
    numbers = move(torch.arange(count).reshape(field.shape))
    return field.reshape((count,)).take(0, numbers.flatten().tolist()).reshape(call.shape)


@rule("aten.diagonal", "aten.diagonal_copy")
def diagonal(call: Call) -> Answer:
    options = {name: call.get(name, default) for name, default in (("offset", 0), ("dim1", 0), ("dim2", 1))}
    return _elements(call, call.main("self"), lambda x: x.diagonal(**options))


@rule("aten.gather")
def gather(call: Call) -> Answer:
    """Constant indices element by element; along a whole dimension at once where they agree on it."""
    field, dim = call.main("self"), call["dim"] % len(call.shape)
    if call.field("index") is not None:
        return _anywhere(call, [dim], [call.arguments["index"]])
    index = call.constant("index")
    rows = index.movedim(dim, 0).flatten(1)
    whole = all(index.shape[d] == n for d, n in enumerate(field.shape) if d != dim)
    if whole and (rows == rows[:, :1]).all():
        return field.take(dim, rows[:, 0].tolist())
    return _elements(call, field, lambda x: x.gather(dim, index))


@rule("aten.take")
def take(call: Call) -> Answer:
    index = call.constant("index")
    return _elements(call, call.main("self"), lambda x: x.take(index))


@rule("aten.masked_select")
def masked_select(call: Call) -> Answer:
    if call.field("mask") is not None:
        raise NoRule("the output's shape depends on the data")
    mask = call.constant("mask")
    return _elements(call, call.main("self"), lambda x: x.masked_select(mask))


@rule("aten.nonzero", "torchvision.nms", "aten.unique_dim", "aten._unique2", "aten.bincount")
def shaped_by_data(call: Call) -> Answer:
    raise NoRule("the output's shape depends on the data")


@rule("aten.scatter", "aten.index_put", "aten._index_put_impl", "aten.index_copy")
def scatter(call: Call) -> Answer:
    """Constant indices: each place holds what was there or what was written over it."""
    if call.get("reduce") or call.get("accumulate"):
        return _accumulated(call)
    base = call.field("self")
    shape = call.shape
    source_name = next((name for name in ("src", "values", "source") if name in call.arguments), None)
    source = None if source_name is None else call.field(source_name)
    amount = () if source is None else source.shape
    numbers = _written(call, shape, math.prod(amount) if source is not None else 0, amount)
    count = math.prod(shape)
    if count + math.prod(amount) > MOST_ELEMENTS:
        raise NoRule(f"single elements of a tensor of {count:,} are told apart up to {MOST_ELEMENTS:,}")
    if source is None and base is None:
        return None
    flat = [None if base is None else base.reshape((count,))]
    lengths = [count]
    if source is not None:
        flat.append(source.reshape((math.prod(amount),)))
        lengths.append(math.prod(amount))
    both = concatenate_fields([*flat, None], [*lengths, 1], 0, (sum(lengths) + 1,))
    return both.take(0, numbers.flatten().tolist()).reshape(shape)


def _written(call: Call, shape: tuple[int, ...], extra: int, amount: Sequence[int]) -> torch.Tensor:
    """For each place of the output the number of its source: places of ``self`` first, then the source's, then one
    for constants."""
    count = math.prod(shape)
    base = torch.arange(count).reshape(shape)
    source = torch.arange(count, count + extra).reshape(tuple(amount)) if extra else torch.tensor(count)
    if "indices" in call.arguments:
        indices = tuple(slice(None) if v is None else _constant_of(call, v) for v in call["indices"])
        base[indices] = source
        return base
    index, dim = _constant_of(call, call.arguments["index"]), call["dim"]
    if "source" in call.arguments:
        return base.index_copy(dim, index, source.expand(_copied_shape(shape, dim, len(index))))
    return base.scatter(dim, index, source if extra else count)


def _copied_shape(shape: Sequence[int], dim: int, length: int) -> tuple[int, ...]:
    dim %= len(shape)
    return (*shape[:dim], length, *shape[dim + 1 :])


def _constant_of(call: Call, value: Any) -> torch.Tensor:
    if call.field_of(value) is not None:
        raise NoRule("indices that depend on the data")
    return _known(call, value)


@rule("aten.scatter_add", "aten.index_add", "aten.scatter_reduce")
def accumulate(call: Call) -> Answer:
    return _accumulated(call)


def _accumulated(call: Call) -> Answer:
    """Constant indices: each place sees what was there and all that is added to it."""
    shape, base = call.shape, call.field("self")
    source_name = next(name for name in ("src", "values", "source") if name in call.arguments)
    source = call.field(source_name)
    if source is None:
        return base
    count, extra = math.prod(shape), math.prod(source.shape)
    if count + extra > MOST_ELEMENTS >> 3:
        raise NoRule(f"single elements of a tensor of {count:,} are told apart up to {MOST_ELEMENTS >> 3:,}")
    targets = _targets(call, shape, source.shape)
    rows: list[list[int]] = [[] for _ in range(count)]
    for origin, target in enumerate(targets.flatten().tolist()):
        rows[target].append(origin)
    added = source.reshape((extra,)).window(0, Taps.listed(rows, None)).reshape(shape)
    return added if base is None else join_fields([base, added], shape)


def _targets(call: Call, shape: tuple[int, ...], amount: tuple[int, ...]) -> torch.Tensor:
    """For each element of the source the number of the place that it is added to."""
    places = torch.arange(math.prod(shape)).reshape(shape)
    if "indices" in call.arguments:
        indices = tuple(slice(None) if v is None else _constant_of(call, v) for v in call["indices"])
        return places[indices].expand(amount)
    index, dim = _constant_of(call, call.arguments["index"]), call["dim"] % len(shape)
    if index.ndim == 1 and len(shape) > 1:
        return places.index_select(dim, index)
    if tuple(index.shape) != amount:
        raise NoRule("indices for a part of the source only")
    cut = tuple(slice(None) if d == dim else slice(0, n) for d, n in enumerate(index.shape))
    return places[cut].gather(dim, index)
