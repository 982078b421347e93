"""Reading at places that are worked out: sampling grids, un-pooling, scattered values, strides of memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

from rftools.trf.field import Field
from rftools.trf.joins import concatenate_fields, join_fields
from rftools.trf.rules.indexing import MOST_ELEMENTS
from rftools.trf.rules.registry import Answer, Call, NoRule, rule
from rftools.trf.taps import Taps

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")
NOTHING = 1e-9  # a weight that is rounding


@rule("aten.grid_sampler", "aten.grid_sampler_2d", "aten.grid_sampler_3d")
def grid_sample(call: Call) -> Answer:
    """A constant grid reads the pixels around each of its points; where it is data, any pixel may be read."""
    image, grid = call.field("input"), call.field("grid")
    points = call.fixed(call.arguments["grid"])
    if image is not None and points is not None and len(points) == 1:
        flat = image.reshape((*image.shape[:2], math.prod(image.shape[2:])))
        return flat.window(2, _read_at(call, points)).reshape(call.shape)
    shape = call.shape
    rank = len(shape) - 2
    parts = []
    if image is not None:
        wide = image.couple(*range(2, 2 + rank))
        parts.append(wide.reduce(*range(2, 2 + rank)).expand(shape).bounded())
    if grid is not None:
        flat = grid.reduce(-1).reshape((shape[0], 1, *shape[2:]))
        parts.append(flat.expand(shape))
    return join_fields(parts, shape)


def _read_at(call: Call, points: torch.Tensor) -> Taps:
    """The numbers of the pixels with a weight that is not zero, for each point of ``(1, *space, axes)``; x is first."""
    size = call.shape_of("input")[2:]
    axes = points[0].double().flatten(0, -2).flip(-1)
    along = [_along(call, axes[:, a], length) for a, length in enumerate(size)]
    rows = [[_number(pixel, size) for pixel in itertools.product(*one)] for one in zip(*along, strict=True)]
    return Taps.listed(rows, None)


def _along(call: Call, places: torch.Tensor, length: int) -> list[list[int]]:
    """The pixels of one axis that each place reads: the sampling itself is asked about unit pulses."""
    mode = MODES[int(call["interpolation_mode"])]
    padding = PADDINGS[int(call["padding_mode"])]
    pulses = torch.eye(length, dtype=torch.float64).reshape(1, length, 1, length)
    grid = torch.stack([places, torch.zeros_like(places)], -1).reshape(1, 1, -1, 2)
    weights = F.grid_sample(pulses, grid, mode=mode, padding_mode=padding, align_corners=bool(call["align_corners"]))
    seen = (weights.reshape(length, -1).abs() > NOTHING).T
    return [row.nonzero().flatten().tolist() for row in seen]


def _number(pixel: Sequence[int], size: Sequence[int]) -> int:
    number = 0
    for i, length in zip(pixel, size, strict=True):
        number = number * length + i
    return number


@rule("aten.max_unpool2d", "aten.max_unpool3d")
def unpooled(call: Call) -> Answer:
    """Each value goes to where its maximum was, which is data: any place may hold any value of its channel."""
    parts = [field for name in ("self", "indices") if (field := call.field(name)) is not None]
    space = range(2 if len(call.shape) > 3 else 1, len(call.shape))
    whole = [field.reduce(*(d for d in range(len(field.shape)) if d in space)) for field in parts]
    return join_fields([field.expand(call.shape).bounded() for field in whole], call.shape)


@rule("aten.masked_scatter")
def masked_scatter(call: Call) -> Answer:
    """Places under a constant mask hold the source's elements, one after the other."""
    if call.field("mask") is not None:
        raise NoRule("where the source's elements go depends on the data")
    mask = call.constant("mask").expand(call.shape)
    return _put(call, "source", lambda own, given: own.masked_scatter(mask, given))


@rule("aten.diagonal_scatter")
def diagonal_scatter(call: Call) -> Answer:
    """A copy of ``self`` with a diagonal replaced by ``src``."""
    options = {name: call.get(name, default) for name, default in (("offset", 0), ("dim1", 0), ("dim2", 1))}
    return _put(call, "src", lambda own, given: own.diagonal_scatter(given, **options))


def _put(call: Call, name: str, move: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Answer:
    """``self`` with elements of another tensor in places that follow from moving numbers."""
    shape, given = call.shape, call.shape_of(name)
    count, amount = math.prod(shape), math.prod(given)
    _check_count(count + amount)
    numbers = move(torch.arange(count).reshape(shape), torch.arange(count, count + amount).reshape(given))
    parts = ((call.field("self"), count), (call.field(name), amount))
    flat = [None if field is None else field.reshape((n,)) for field, n in parts]
    both = concatenate_fields(flat, [count, amount], 0, (count + amount,))
    return both.take(0, numbers.flatten().tolist()).reshape(shape)


@rule("aten.diag_embed")
def diagonal_of(call: Call) -> Answer:
    """The input's last dimension along a diagonal; what lies beside it is zero and sees nothing."""
    field = call.main("self")
    count = math.prod(field.shape)
    _check_count(count + math.prod(call.shape))
    options = {name: call.get(name, default) for name, default in (("offset", 0), ("dim1", -2), ("dim2", -1))}
    numbers = torch.arange(1, count + 1).reshape(field.shape).diag_embed(**options)
    both = concatenate_fields([None, field.reshape((count,))], [1, count], 0, (count + 1,))
    return both.take(0, numbers.flatten().tolist()).reshape(call.shape)


@rule("aten.as_strided")
def by_memory(call: Call) -> Answer:
    """Reads by places in memory, where the tensor's own elements lie by its strides."""
    value = call.arguments["self"].meta["val"]
    offset = value.storage_offset()
    memory = value.untyped_storage().nbytes() // value.element_size()
    _check_count(max(memory, math.prod(call.shape)))
    places = torch.arange(memory)
    numbers = torch.full((memory,), -1)
    numbers[places.as_strided(value.shape, value.stride(), offset)] = torch.arange(value.numel()).reshape(value.shape)
    own = call.get("storage_offset")
    read = numbers[places.as_strided(call["size"], call["stride"], offset if own is None else own)]
    if bool((read < 0).any()):
        raise NoRule("it reads memory beside the tensor that it is given")
    field: Field = call.main("self").reshape((value.numel(),))
    return field.take(0, read.flatten().tolist()).reshape(call.shape)


def _check_count(count: int) -> None:
    if count > MOST_ELEMENTS:
        raise NoRule(f"single elements of a tensor of {count:,} are told apart up to {MOST_ELEMENTS:,}")
