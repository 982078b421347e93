"""Convolutions, pools and what else reads a window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F

from rftools.capture import qualified_name
from rftools.capture.operators import GENERAL, TRANSPOSED, WINDOWED, aten
from rftools.trf.field import Field
from rftools.trf.flow import Flow
from rftools.trf.joins import join_fields
from rftools.trf.rules.kernels import TapsOf, through_kernels
from rftools.trf.rules.registry import Answer, Call, NoRule, rule
from rftools.trf.taps import Taps


def spread(value: Sequence[int] | int | None, rank: int, default: int) -> list[int]:
    """One number an axis from what an operator accepts: a number, one for all, one each, or nothing."""
    if value is None or (not isinstance(value, int) and len(value) == 0):
        return [default] * rank
    values = [value] if isinstance(value, int) else list(value)
    return values * rank if len(values) == 1 else values


@rule(*aten(WINDOWED))
def convolution(call: Call) -> Answer:
    weight = call.shape_of("weight")
    rank = len(weight) - 2
    field = _batched(call.main("input"), rank)
    stride = spread(call["stride"], rank, 1)
    dilation = spread(call["dilation"], rank, 1)
    size = field.shape[-rank:]
    padding = call.get("padding", 0)
    if padding == "same":
        before = [(dilation[a] * (weight[2 + a] - 1)) // 2 for a in range(rank)]
    elif padding == "valid":
        before = [0] * rank
    else:
        before = spread(padding, rank, 0)
    length = call.shape[-rank:]
    zeros = call.zeros(call["weight"])
    if zeros is not None and call.carrier is Flow:
        return _driven(call, _through(call, field, ~zeros, stride, padding, dilation))

    def taps_of(a: int, positions: Sequence[int]) -> Taps:
        offsets = [k * dilation[a] - before[a] for k in positions]
        return Taps.periodic(1, stride[a], [offsets], length[a], size[a])

    answer = _read(call, field, None if zeros is None else ~zeros, weight, taps_of)
    return _driven(call, answer)


def _driven(call: Call, field: Field) -> Field:
    """With kernels or biases that the data make: each output channel sees all of its own, but for a kernel that has
    nothing but padding and zeros to weigh. A bound where the kernel's weights differ in what they see, since those
    beyond the border are not read.
    """
    fields, loose = [field], False
    for name in ("weight", "bias"):
        own = call.field(name)
        if own is not None:
            loose = loose or any(own.carries(dim) for dim in range(1, len(own.shape)))
            whole = own.reduce(*range(1, len(own.shape)))
            whole = whole.reshape((own.shape[0], *[1] * (len(call.shape_of("weight")) - 2)))
            fields.append(whole if name == "bias" else whole.expand(field.shape).closed(_nothing_to_weigh(call)))
    answer = join_fields(fields, field.shape) if len(fields) > 1 else field
    return answer.bounded() if loose else answer


def _nothing_to_weigh(call: Call) -> torch.Tensor:
    """Where a convolution's windows hold only padding and zeros; alike in all channels."""
    weight, rank = call.shape_of("weight"), len(call.shape_of("weight")) - 2
    zeros = call.zeros(call["input"])
    shape = call.shape_of("input")[-rank:]
    there = torch.ones(shape) if zeros is None else (~zeros).flatten(0, -rank - 1).any(0).float()
    function = (F.conv1d, F.conv2d, F.conv3d)[rank - 1]
    options = [call[name] for name in ("stride", "padding", "dilation")]
    return function(there[None, None], torch.ones(1, 1, *weight[2:]), None, *options) == 0


def _read(call: Call, field: Field, reads: torch.Tensor | None, weight: Sequence[int], taps_of: TapsOf) -> Field:
    """What kernels ``(out, in/groups, *kernel)`` read; ``reads`` says where they are not zero by construction."""
    if reads is not None and call.carrier is Field:
        return through_kernels(field, reads, taps_of, call["groups"]).reshape(call.shape)
    kernel = weight[2:]
    for a, size in enumerate(kernel):
        field = field.window(a - len(kernel), taps_of(a, range(size)))
    return field.channels(-len(kernel) - 1, weight[0], call["groups"]).reshape(call.shape)


def _through(
    call: Call, field: Field, reads: torch.Tensor, stride: list[int], padding: Any, dilation: list[int]
) -> Field:
    """The convolution itself, with ones for the taps that are read."""
    tensor = cast(Flow, field).tensor
    function = (F.conv1d, F.conv2d, F.conv3d)[reads.ndim - 3]
    return cast(Field, Flow(function(tensor, reads.to(tensor), None, stride, padding, dilation, call["groups"])))


def _batched(field: Field, rank: int) -> Field:
    """With a batch dimension in front where the operator was called without one."""
    return field if len(field.shape) == rank + 2 else field.reshape((1, *field.shape))


@rule(*aten(TRANSPOSED))
def transposed_convolution(call: Call) -> Answer:
    return _transposed(call, call.shape_of("weight"), call["groups"])


def _transposed(call: Call, weight: tuple[int, ...], groups: int) -> Answer:
    rank = len(weight) - 2
    field = _batched(call.only("input"), rank)
    stride, dilation = spread(call["stride"], rank, 1), spread(call["dilation"], rank, 1)
    padding = spread(call["padding"], rank, 0)
    size, length = field.shape[-rank:], call.shape[-rank:]
    zeros = call.zeros(call["weight"])
    if zeros is not None and call.carrier is Flow:
        return _back_through(field, ~zeros, call)

    def taps_of(a: int, positions: Sequence[int]) -> Taps:
        return Taps.transposed(
            positions, size[a], length[a], stride=stride[a], padding=padding[a], dilation=dilation[a]
        )

    deep = (groups, weight[0] // groups, *weight[1:])
    reads = None if zeros is None else (~zeros).reshape(deep).transpose(1, 2).flatten(0, 1)
    return _read(call, field, reads, (weight[1] * groups, deep[1], *weight[2:]), taps_of)


def _back_through(field: Field, reads: torch.Tensor, call: Call) -> Answer:
    """The transposed convolution itself, with ones for the taps that are read."""
    tensor = cast(Flow, field).tensor
    function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[reads.ndim - 3]
    options = [call[name] for name in ("stride", "padding", "output_padding", "groups", "dilation")]
    return cast(Field, Flow(function(tensor, reads.to(tensor), None, *options)))


@rule(*aten(GENERAL))
def general_convolution(call: Call) -> Answer:
    if call["transposed"]:
        return _transposed(call, call.shape_of("weight"), call["groups"])
    return convolution(call)


@rule(
    "aten.max_pool1d",
    "aten.max_pool2d",
    "aten.max_pool3d",
    "aten.max_pool1d_with_indices",
    "aten.max_pool2d_with_indices",
    "aten.max_pool3d_with_indices",
    "aten.avg_pool1d",
    "aten.avg_pool2d",
    "aten.avg_pool3d",
)
def pool(call: Call) -> Answer:
    length = call.shape
    rank = int(qualified_name(call.node).partition("_pool")[2][0])
    field = call.main("self")
    kernel = spread(call["kernel_size"], rank, 1)
    stride = spread(call["stride"], rank, 0)
    padding = spread(call["padding"], rank, 0)
    dilation = spread(call.get("dilation", 1), rank, 1)
    for a in range(rank):
        taps = Taps.window(
            kernel[a],
            field.shape[a - rank],
            length[a - rank],
            stride=stride[a] or kernel[a],
            padding=padding[a],
            dilation=dilation[a],
        )
        field = field.window(a - rank, taps)
    return call.every(field)


@rule(
    "aten.adaptive_avg_pool1d",
    "aten.adaptive_avg_pool2d",
    "aten.adaptive_avg_pool3d",
    "aten._adaptive_avg_pool2d",
    "aten._adaptive_avg_pool3d",
    "aten.adaptive_max_pool1d",
    "aten.adaptive_max_pool2d",
    "aten.adaptive_max_pool3d",
)
def adaptive_pool(call: Call) -> Answer:
    field = call.main("self")
    length = call.shape
    rank = len(spread(call["output_size"], 1, 1))
    for dim in range(-rank, 0):
        if length[dim] == 1:
            field = field.reduce(dim)
        else:
            field = field.window(dim, Taps.adaptive(field.shape[dim], length[dim]))
    return call.every(field)


@rule("aten.fractional_max_pool2d", "aten.fractional_max_pool3d")
def fractional_pool(call: Call) -> Answer:
    """The windows are drawn at random: each output may see any window that some draw gives it."""
    field, length = call.main("self"), call.shape
    rank = len(spread(call["output_size"], 1, 1))
    kernel = spread(call["kernel_size"], rank, 1)
    for a in range(rank):
        size, out = field.shape[a - rank], length[a - rank]
        field = field.window(a - rank, _fractional(size, out, kernel[a]))
    return call.every(field.bounded())


def _fractional(size: int, length: int, kernel: int) -> Taps:
    """Window o starts at ``int((o + u)*alpha) - int(u*alpha)`` for a random u in [0, 1); the last at the end."""
    alpha = (size - kernel) / (length - 1) if length > 1 else 0.0
    rows = []
    for o in range(length):
        first = size - kernel if o == length - 1 else int(o * alpha)
        last = first if o == length - 1 else min(int(o * alpha) + 1, size - kernel)
        rows.append(list(range(max(first, 0), min(last + kernel, size))))
    return Taps.listed(rows, None)


@rule("aten.im2col")
def unfold_windows(call: Call) -> Answer:
    """``F.unfold``: (N, C, H, W) to (N, C*kh*kw, L); every window becomes a column of L."""
    field = call.main("self")
    if len(field.shape) != 4:
        raise NoRule("unfold of an input without a batch")
    kernel, dilation = spread(call["kernel_size"], 2, 1), spread(call["dilation"], 2, 1)
    padding, stride = spread(call["padding"], 2, 0), spread(call["stride"], 2, 1)
    counts = []
    for a in range(2):
        size = field.shape[2 + 2 * a]
        count = (size + 2 * padding[a] - dilation[a] * (kernel[a] - 1) - 1) // stride[a] + 1
        counts.append(count)
        index = np.arange(kernel[a])[:, None] * dilation[a] + np.arange(count)[None, :] * stride[a] - padding[a]
        rows = [[i] if 0 <= i < size else [] for i in index.reshape(-1).tolist()]
        field = field.window(2 + 2 * a, Taps.listed(rows, None)).split_dim(2 + 2 * a, (kernel[a], count))
    # (N, C, kh, oh, kw, ow) -> (N, C*kh*kw, oh*ow)
    n, c = field.shape[:2]
    return field.permute([0, 1, 2, 4, 3, 5]).reshape((n, c * kernel[0] * kernel[1], counts[0] * counts[1]))


@rule("aten.col2im")
def fold_windows(call: Call) -> Answer:
    """``F.fold``: the inverse of unfold, overlaps summed."""
    field = call.main("self")
    kernel, dilation = spread(call["kernel_size"], 2, 1), spread(call["dilation"], 2, 1)
    padding, stride = spread(call["padding"], 2, 0), spread(call["stride"], 2, 1)
    size = list(call["output_size"])
    counts = [(size[a] + 2 * padding[a] - dilation[a] * (kernel[a] - 1) - 1) // stride[a] + 1 for a in range(2)]
    n, channels = field.shape[0], field.shape[1] // (kernel[0] * kernel[1])
    field = field.reshape((n, channels, kernel[0], kernel[1], counts[0], counts[1])).permute([0, 1, 2, 4, 3, 5])
    for a in range(2):
        field = _fold_axis(field, 2 + a, kernel[a], counts[a], size[a], stride[a], padding[a], dilation[a])
    return field


def _fold_axis(
    field: Field, dim: int, kernel: int, count: int, size: int, stride: int, padding: int, dilation: int
) -> Field:
    """Dimensions (kernel, count) at ``dim`` become one of ``size``; a position gathers all that land on it."""
    shape = (*field.shape[:dim], kernel * count, *field.shape[dim + 2 :])
    rows = []
    for p in range(size):
        hits = [(k, p + padding - k * dilation) for k in range(kernel)]
        rows.append([k * count + q // stride for k, q in hits if q % stride == 0 and 0 <= q // stride < count])
    return field.reshape(shape).window(dim, Taps.listed(rows, None))
