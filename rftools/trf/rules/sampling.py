"""Reading at places that are worked out: sampling grids, un-pooling, scattered values, strides of memory."""

from __future__ import annotations

import itertools
import math

import torch

from rftools.trf.field import Field
from rftools.trf.joins import concatenate_fields, join_fields
from rftools.trf.rules.indexing import MOST_ELEMENTS
from rftools.trf.rules.registry import Answer, Call, NoRule, rule
from rftools.trf.taps import Taps

BILINEAR, NEAREST = 0, 1


@rule("aten.grid_sampler", "aten.grid_sampler_2d", "aten.grid_sampler_3d")
def grid_sample(call: Call) -> Answer:
    """A constant grid reads the pixels around each of its points; where it is data, any pixel may be read."""
    image, grid = call.field("input"), call.field("grid")
    points = call.fixed(call.arguments["grid"])
    if image is not None and points is not None and len(points) == 1 and (taps := _read_at(call, points)) is not None:
        return image.reshape((*image.shape[:2], math.prod(image.shape[2:]))).window(2, taps).reshape(call.shape)
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


def _read_at(call: Call, points: torch.Tensor) -> Taps | None:
    """The numbers of the pixels with a weight that is not zero, for each point of ``(1, *space, axes)``; x is first.

    None for bicubic sampling and for points whose padding repeats the border or mirrors it.
    """
    size = call.shape_of("input")[2:]
    mode, padding = int(call["interpolation_mode"]), int(call["padding_mode"])
    if mode not in (BILINEAR, NEAREST) or padding != 0:
        return None
    axes = points[0].double().flatten(0, -2).flip(-1)
    corners = call["align_corners"]
    scale = torch.tensor(size, dtype=torch.float64)
    places = (axes + 1) / 2 * (scale - 1) if corners else ((axes + 1) * scale - 1) / 2
    rows = [_pixels(place, size, mode) for place in places.tolist()]
    return Taps.listed(rows, None)


def _pixels(place: list[float], size: tuple[int, ...], mode: int) -> list[int]:
    along = []
    for at, length in zip(place, size, strict=True):
        low = math.floor(at) if mode == BILINEAR else round(at)
        near = [low] if mode == NEAREST or at == low else [low, low + 1]
        along.append([i for i in near if 0 <= i < length])
    numbers = []
    for pixel in itertools.product(*along):
        number = 0
        for i, length in zip(pixel, size, strict=True):
            number = number * length + i
        numbers.append(number)
    return numbers


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
    shape = call.shape
    mask = call.constant("mask").expand(shape).flatten()
    base, source = call.field("self"), call.field("source")
    count, amount = math.prod(shape), math.prod(call.shape_of("source"))
    _check_count(count + amount)
    numbers = torch.arange(count)
    numbers[mask] = torch.arange(count, count + int(mask.sum()))
    flat = [None if field is None else field.reshape((n,)) for field, n in ((base, count), (source, amount))]
    return concatenate_fields(flat, [count, amount], 0, (count + amount,)).take(0, numbers.tolist()).reshape(shape)


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
    """Reads by places in memory: known where the tensor lies there as a whole, in order."""
    value = call.arguments["self"].meta["val"]
    whole = value.untyped_storage().nbytes() == value.numel() * value.element_size()
    if not (value.is_contiguous() and whole):
        raise NoRule("what it reads depends on how the tensor lies in memory")
    _check_count(max(value.numel(), math.prod(call.shape)))
    numbers = torch.arange(value.numel()).as_strided(call["size"], call["stride"], call.get("storage_offset") or 0)
    field: Field = call.main("self").reshape((value.numel(),))
    return field.take(0, numbers.flatten().tolist()).reshape(call.shape)


def _check_count(count: int) -> None:
    if count > MOST_ELEMENTS:
        raise NoRule(f"single elements of a tensor of {count:,} are told apart up to {MOST_ELEMENTS:,}")
