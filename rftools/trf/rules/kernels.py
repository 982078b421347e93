"""Kernels of which constants make some weights zero: what each output channel still reads, tap by tap."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from rftools.trf.axis import Axis, Part, blank_part, join_parts
from rftools.trf.field import Field
from rftools.trf.sets import Table, join
from rftools.trf.taps import Taps

MOST_KERNELS = 64  # that differ
MOST_TAPS = 128  # of a kernel that is no box
Reads = NDArray[np.bool_]
Index = NDArray[np.int64]
#: the taps of an axis (the first of the map's is 0) that reads only these positions of the kernel
TapsOf = Callable[[int, Sequence[int]], Taps]


def through_kernels(field: Field, reads: torch.Tensor, taps_of: TapsOf, groups: int) -> Field:
    """The field ``(N, C, *spatial)`` after kernels ``(out, C/groups, *kernel)`` that read where ``reads`` is true.

    Output channels whose kernels read alike share a part. Where channels can't be told apart the field is a bound.
    """
    rank = reads.ndim - 2
    in_space = any(n > 1 for d, n in enumerate(field.labels.shape) if d != 1)
    if in_space or field.carries(1):
        return together(field.settled(), reads, taps_of, groups).bounded()
    kernels = _kernels(field, np.asarray(reads), groups)
    if len(set(kernels)) > MOST_KERNELS:
        return together(field, reads, taps_of, groups).bounded()
    numbers = {kernel: number for number, kernel in enumerate(dict.fromkeys(kernels))}
    parts = tuple(_read(field, kernel, reads.shape[2:], taps_of) for kernel in numbers)
    labels = np.array([numbers[kernel] for kernel in kernels]).reshape((1, -1, *[1] * rank))
    shape = (field.shape[0], len(reads), *(taps_of(a, [0]).length for a in range(rank)))
    return Field(shape, parts, labels, field.cause).tidy()


#: what an output channel reads: of which of the input's parts (by label) at which positions
Kernel = tuple[tuple[int, bytes], ...]


def _kernels(field: Field, reads: Reads, groups: int) -> list[Kernel]:
    out, deep = reads.shape[:2]
    labels = np.broadcast_to(field.labels.reshape(-1), (groups * deep,)).reshape(groups, deep)
    kernels: list[Kernel] = []
    for group, own in enumerate(reads.reshape(groups, out // groups, *reads.shape[1:])):
        by_label = [(int(n), own[:, labels[group] == n].any(1)) for n in np.unique(labels[group])]
        for channel in range(out // groups):
            read = ((n, np.ascontiguousarray(taps[channel])) for n, taps in by_label)
            kernels.append(tuple((n, taps.tobytes()) for n, taps in read if taps.any()))
    return kernels


def _read(field: Field, kernel: Kernel, size: Sequence[int], taps_of: TapsOf) -> Part:
    if not kernel:
        return blank_part(field.parts[0], len(field.shape))
    patterns = ((label, np.frombuffer(taps, dtype=bool).reshape(size)) for label, taps in kernel)
    return join_parts([_windowed(field.parts[label], pattern, taps_of) for label, pattern in patterns])


def together(field: Field, reads: torch.Tensor, taps_of: TapsOf, groups: int) -> Field:
    """As if all kernels were one."""
    whole = np.asarray(reads.flatten(0, 1).any(0))
    for a in range(whole.ndim):
        field = field.window(a - whole.ndim, taps_of(a, _along(whole, a)))
    return field.channels(-whole.ndim - 1, len(reads), groups)


def _windowed(part: Part, pattern: Reads, taps_of: TapsOf) -> Part:
    """A part behind one kernel: its law axis by axis; its table tap by tap where the kernel is no box."""
    along = [_along(pattern, a) for a in range(pattern.ndim)]
    done = part
    for a, own in enumerate(along):
        taps = taps_of(a, own)
        done = tuple(axis.window(2 + a, taps) for axis in done)
    if pattern.sum() == math.prod(map(len, along)):
        return done
    if pattern.sum() > MOST_TAPS:
        return tuple(axis.worsen("bound") for axis in done)
    single = [{k: taps_of(a, [k]).table[0] for k in own} for a, own in enumerate(along)]
    places = np.argwhere(pattern)
    return tuple(_tap_by_tap(axis, before.table, places, single) for axis, before in zip(done, part, strict=True))


def _tap_by_tap(axis: Axis, table: Table, places: Index, single: Sequence[Mapping[int, Index]]) -> Axis:
    """The axis with the union of what each tap reads, which one beyond the border along any axis does not."""
    read = []
    for place in places.tolist():
        own = table
        for a, k in enumerate(place):
            own = own.take(2 + a, single[a][k])
        read.append(own)
    return replace(axis, table=join(read).compress())


def _along(pattern: Reads, a: int) -> list[int]:
    return [int(k) for k in np.flatnonzero(np.moveaxis(pattern, a, 0).reshape(pattern.shape[a], -1).any(1))]
