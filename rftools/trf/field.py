"""The theoretical field of a tensor: for each output index, the set of input indices that can reach it.

Two descriptions travel side by side. The *law* holds for every unit and knows no border:
``S[o mod P] + (o div P) * jump``, from which size, stride, start, centre, phases and holes are read. The *table*
lists the set of each concrete output index, cut at every border that the data meets on its way; it also serves
where no law is true for every unit (tokens, windows, reshapes that mix axes).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from rftools.trf.flow import Flow
from rftools.trf.sets import (
    EMPTY,
    Bits,
    Table,
    choose,
    concatenate,
    hull,
    join,
    reshape_lazily,
    segments,
    shift,
    union,
)
from rftools.trf.taps import Taps

MOST_PHASES = 64
STATUSES = ("exact", "unit", "bound", "unknown")


def worst(statuses: Iterable[str]) -> str:
    """The least certain of several statuses.

    >>> worst(["exact", "bound", "unit"])
    'bound'
    """
    return max(statuses, key=STATUSES.index)


@dataclass(frozen=True)
class Law:
    """``F(o) = phases[o mod P] + (o div P) * jump`` along tensor dimension ``dim`` (None: the same for every unit)."""

    dim: int | None
    jump: int
    phases: tuple[Bits, ...]

    def at(self, index: int) -> Bits:
        if self.dim is None:
            return self.phases[0]
        turn, residue = divmod(index, len(self.phases))
        return shift(self.phases[residue], turn * self.jump)

    @property
    def stride(self) -> float:
        return self.jump / len(self.phases)

    @property
    def mean_centre(self) -> float | None:
        """The centre at index 0, averaged over the phases: what branches must agree on to be aligned."""
        centres = []
        for index, bits in enumerate(self.phases):
            ends = hull(bits)
            if ends is not None:
                centres.append((ends[0] + ends[1]) / 2 - index * self.stride)
        return sum(centres) / len(centres) if centres else None

    def through(self, taps: Taps) -> Law | None:
        """The law after an operator that reads this tensor at ``taps``; None where it has too many phases."""
        if not taps.offsets:
            return None
        period = len(self.phases)
        repeat = period // math.gcd(period, abs(taps.step)) if taps.step else 1
        new_period = taps.period * repeat
        if new_period > MOST_PHASES:
            return None
        jump = self.jump * (taps.step * repeat) // period
        phases = tuple(
            union(self.at(offset + (r // taps.period) * taps.step) for offset in taps.offsets[r % taps.period])
            for r in range(new_period)
        )
        return _shortest(Law(self.dim, jump, phases))

    def join(self, other: Law) -> Law | None:
        """The law of a sum of both; None where they move at different speeds or along different dimensions."""
        if self.dim != other.dim or self.stride != other.stride:
            return None
        period = math.lcm(len(self.phases), len(other.phases))
        if period > MOST_PHASES:
            return None
        jump = self.jump * period // len(self.phases)
        phases = tuple(union([self.at(r), other.at(r)]) for r in range(period))
        return _shortest(Law(self.dim, jump, phases))


def _shortest(law: Law) -> Law:
    """The same law with the fewest phases."""
    period = len(law.phases)
    for candidate in range(1, period):
        if period % candidate or (law.jump * candidate) % period:
            continue
        jump = law.jump * candidate // period
        turns = (divmod(r, candidate) for r in range(period))
        if all(law.phases[r] == shift(law.phases[rest], turn * jump) for r, (turn, rest) in enumerate(turns)):
            return Law(law.dim, jump, law.phases[:candidate])
    return law


@dataclass(frozen=True, eq=False)
class Axis:
    """The field along one input axis.

    ``length`` is the input's extent and ``pitch`` the step, in pixels, of the map that the field was last carried by:
    a reduction is global where it reaches both ends of the axis to within one step. ``least`` is the smallest field
    of any branch, in pixels (Richter et al.), infinite where all branches are global.
    """

    table: Table
    law: Law | None
    length: int
    pitch: float = 1
    global_: bool = False
    aligned: bool = True
    status: str = "exact"
    least: float | None = 1

    @property
    def dims(self) -> frozenset[int]:
        """The tensor dimensions that the field depends on."""
        own = {d for d, n in enumerate(self.table.shape) if n > 1}
        if self.law is not None and self.law.dim is not None:
            own.add(self.law.dim)
        return frozenset(own)

    @property
    def moves_with(self) -> frozenset[int]:
        """The tensor dimensions along which the field moves, padding that sees nothing left aside."""
        if self.law is None:
            return self.dims
        return frozenset() if self.law.dim is None else frozenset({self.law.dim})

    def worsen(self, status: str) -> Axis:
        return replace(self, status=worst([self.status, status]))

    def window(self, dim: int, taps: Taps) -> Axis:
        """After an operator that reads dimension ``dim`` at ``taps``."""
        if dim not in self.dims:
            return self._padded(dim, taps)
        table = join([self.table.take(dim, row) for row in taps.rows()])
        if self.law is None:
            return replace(self, table=table).worsen("unit")
        if self.law.dim != dim:  # the table knows units in the padding along ``dim``, which see nothing
            return replace(self, table=table.compress())
        law = self.law.through(taps)
        stride = abs(self.law.stride)
        least = None if self.least is None else self.least + taps.span * stride
        axis = replace(self, table=table, law=law, least=least, pitch=self.pitch if law is None else abs(law.stride))
        return axis if law is not None else axis.worsen("unit")

    def _padded(self, dim: int, taps: Taps) -> Axis:
        """A dimension that carries nothing of this axis: only windows that see nothing but padding matter."""
        blind = taps.blind()
        if not blind.any():
            return self
        table = self.table.take(dim, np.where(blind, -1, 0))
        return replace(self, table=table)

    def reduce(self, dim: int) -> Axis:
        """After a reduction over all of dimension ``dim``, which keeps length 1."""
        if dim not in self.dims:
            return self
        left = self.dims - {dim}
        table = self.table.reduce(dim)
        if self.law is not None and self.law.dim != dim:
            return replace(self, table=table.compress())
        if not left and self._spans(table):
            status = "exact" if self.status == "unit" else self.status
            return replace(self, table=table, law=None, global_=True, least=math.inf, status=status)
        reduced = replace(self, table=table, law=self.law if self.law and self.law.dim in left else None, least=None)
        return reduced.worsen("unit")

    def _spans(self, table: Table) -> bool:
        """Whether what is left after a reduction reaches both ends of the axis."""
        ends = hull(table.union_all())
        gap = max(self.pitch, 1)
        return ends is not None and ends[0] < gap and ends[1] >= self.length - gap

    def move(self, table: Table, dims: Callable[[int], int | None]) -> Axis:
        """After an operator that only moves elements; ``dims`` says where a whole dimension went."""
        if self.law is None:
            return replace(self, table=table)
        if self.law.dim is None:
            return replace(self, table=table)
        target = dims(self.law.dim)
        if target is not None:
            return replace(self, table=table, law=replace(self.law, dim=target))
        if self.table.shape[self.law.dim] == 1:  # one position: its field is the same for all that is left
            return replace(self, table=table, law=Law(None, 0, (self.law.at(0),)))
        return replace(self, table=table, law=None).worsen("unit")


def join_axes(axes: Sequence[Axis]) -> Axis:
    """The field of what depends on all of ``axes``: their union."""
    if all(axis is axes[0] for axis in axes):
        return axes[0]
    table = join([axis.table for axis in axes])
    status = worst(axis.status for axis in axes)
    local = [axis.law for axis in axes if axis.law is not None]
    lost = any(axis.law is None and not axis.global_ for axis in axes)
    law: Law | None = None
    aligned = all(axis.aligned for axis in axes)
    if local and not lost:
        law = local[0]
        for other in local[1:]:
            if law is None:
                break
            aligned = aligned and law.stride == other.stride and law.mean_centre == other.mean_centre
            law = law.join(other)
        if law is None:
            lost = True
    least = [axis.least for axis in axes]
    axis = Axis(
        table=table,
        law=None if lost else law,
        global_=any(axis.global_ for axis in axes),
        length=axes[0].length,
        pitch=max(axis.pitch for axis in axes),
        aligned=aligned,
        status=status,
        least=None if None in least else min(x for x in least if x is not None),
    )
    if axis.global_ and axis.status == "unit":  # every unit sees the whole extent
        return replace(axis, status="exact")
    return axis.worsen("unit") if lost and not axis.global_ else axis


Part = tuple[Axis, ...]


@dataclass(frozen=True, eq=False)
class Field:
    """The field of one tensor. ``labels`` (broadcasts to ``shape``) says which of ``parts`` holds for an element:
    channels that were concatenated keep their own fields until an operator mixes them.
    """

    shape: tuple[int, ...]
    parts: tuple[Part, ...]
    labels: NDArray[np.int64]
    cause: str | None = None

    @staticmethod
    def of_input(shape: tuple[int, ...]) -> Field:
        """The input itself, ``(N, C, *spatial)``."""
        rank = len(shape)
        part = tuple(
            Axis(Table.identity(shape[dim], dim, rank), Law(dim, 1, ((0, 1),)), shape[dim]) for dim in range(2, rank)
        )
        return Field(shape, (part,), np.zeros([1] * rank, dtype=np.int64))

    @staticmethod
    def of_unknown(like: Field, shape: tuple[int, ...], cause: str) -> Field:
        """A tensor whose field is not known, and why."""
        return Field(shape, like.parts, np.zeros([1] * len(shape), dtype=np.int64), cause)

    def merged(self) -> Part:
        """The union over all channels: the field that is reported."""
        labelled = [d for d, n in enumerate(self.labels.shape) if n > 1]
        if not any(self.carries(d) for d in labelled):
            used = np.unique(self.labels)
            return join_parts([self.parts[i] for i in used])
        # The parts change along space too: only the channels of one position are united.
        channels = [d for d in labelled if not self.carries(d)]
        part = self.settled().parts[0]
        for dim in channels:
            part = tuple(replace(axis, table=axis.table.reduce(dim)) for axis in part)
        return part

    def each(self, change: Callable[[Axis], Axis], shape: Sequence[int] | None = None) -> Field:
        """The field with every axis of every part changed alike."""
        parts = tuple(tuple(change(axis) for axis in part) for part in self.parts)
        return replace(self, parts=parts, shape=tuple(self.shape if shape is None else shape))

    def window(self, dim: int, taps: Taps) -> Field:
        """After an operator that reads dimension ``dim`` at ``taps`` (a convolution's or a pool's window)."""
        dim %= len(self.shape)
        shape = list(self.shape)
        shape[dim] = taps.length
        field = self if self.labels.shape[dim] == 1 else self.settled()
        return field.each(lambda axis: axis.window(dim, taps), shape)

    def carries(self, dim: int) -> bool:
        """Whether the field depends on where along ``dim`` an element is."""
        return any(dim in axis.dims for part in self.parts for axis in part)

    def settled(self) -> Field:
        """One part whose tables say element by element what the labels said; no law holds across parts."""
        if self.labels.size == 1:
            return self
        used = np.unique(self.labels)
        parts = [self.parts[i] for i in used]
        place = np.searchsorted(used, self.labels)
        axes = []
        for column in zip(*parts, strict=True):
            table = choose([axis.table for axis in column], place)
            status = worst(axis.status for axis in column)
            everywhere = all(axis.global_ for axis in column)
            least = None if any(axis.least is None for axis in column) else min(axis.least or 0 for axis in column)
            axis = replace(column[0], table=table, law=None, status=status, global_=everywhere, least=least)
            axes.append(axis.worsen("unit"))
        return replace(self, parts=(tuple(axes),), labels=np.zeros([1] * len(self.shape), dtype=np.int64))

    def reduce(self, *dims: int, keepdim: bool = True) -> Field:
        """After a reduction over whole dimensions (a mean, a contraction)."""
        order = sorted(d % len(self.shape) for d in dims)
        field = self
        for dim in order:
            field = field._reduce_one(dim)
        if not keepdim:
            left = tuple(n for d, n in enumerate(field.shape) if d not in order)
            field = field.reshape(left)
        return field

    def _reduce_one(self, dim: int) -> Field:
        if self.labels.shape[dim] > 1 and self.carries(dim):
            return self.settled()._reduce_one(dim)
        shape = list(self.shape)
        shape[dim] = 1
        return self._mix(dim).each(lambda axis: axis.reduce(dim), shape)

    def couple(self, *dims: int) -> Field:
        """After an operator in which every element of ``dims`` sees all others (a softmax, a norm over space)."""
        shape = self.shape
        return replace(self.reduce(*dims), shape=shape)

    def _mix(self, dim: int) -> Field:
        """The parts united along a dimension that an operator sums over."""
        if self.labels.shape[dim] == 1:
            return self
        rows = np.moveaxis(self.labels, dim, -1)
        groups, inverse = np.unique(np.sort(rows.reshape(-1, rows.shape[-1]), axis=1), axis=0, return_inverse=True)
        parts = tuple(join_parts([self.parts[i] for i in sorted(set(group.tolist()))]) for group in groups)
        labels = np.expand_dims(inverse.reshape(rows.shape[:-1]), dim).astype(np.int64)
        return Field(self.shape, parts, labels, self.cause).tidy()

    def channels(self, dim: int, length: int, groups: int = 1) -> Field:
        """After an operator that mixes dimension ``dim`` within ``groups`` and leaves ``length`` channels."""
        dim %= len(self.shape)
        if groups == 1 or (self.labels.shape[dim] == 1 and not self.carries(dim)):
            return self._reduce_one(dim).expand_dim(dim, length)
        old = self.shape[dim]
        deep = self.split_dim(dim, (groups, old // groups))._reduce_one(dim + 1)
        wide = deep.expand_dim(dim + 1, length // groups)
        shape = list(self.shape)
        shape[dim] = length
        return wide.reshape(shape)

    def split_dim(self, dim: int, sizes: Sequence[int]) -> Field:
        """One dimension seen as several."""
        return self.reshape((*self.shape[:dim], *sizes, *self.shape[dim + 1 :]))

    def expand_dim(self, dim: int, length: int) -> Field:
        """A dimension of length 1 repeated."""
        shape = list(self.shape)
        shape[dim] = length
        return replace(self, shape=tuple(shape))

    def expand(self, shape: Sequence[int]) -> Field:
        """Broadcast to ``shape``, new dimensions in front."""
        extra = len(shape) - len(self.shape)
        return replace(self.reshape([1] * extra + list(self.shape)), shape=tuple(shape))

    def permute(self, order: Sequence[int]) -> Field:
        """Dimensions in another order: new dimension ``i`` is the old ``order[i]``."""
        order = [d % len(self.shape) for d in order]
        where = {old: new for new, old in enumerate(order)}
        field = self.each(lambda axis: axis.move(axis.table.permute(order), where.get), [self.shape[d] for d in order])
        return replace(field, labels=self.labels.transpose(order))

    def reshape(self, shape: Sequence[int]) -> Field:
        """The same elements in row-major order under another shape."""
        new = tuple(shape)
        if new == self.shape:
            return self
        old = self.shape
        kept = _kept_dims(old, new)
        field = self.each(lambda axis: axis.move(axis.table.reshape(old, new), kept.get), new)
        return replace(field, labels=reshape_lazily(self.labels, old, new).astype(np.int64))

    def take(self, dim: int, indices: Sequence[int]) -> Field:
        """The elements at ``indices`` along ``dim`` (a slice, an index, a roll)."""
        dim %= len(self.shape)
        index = np.asarray(indices, dtype=np.int64)
        taps = Taps.explicit(index)
        shape = list(self.shape)
        shape[dim] = len(index)
        field = self.each(lambda axis: axis.window(dim, taps), shape)
        if self.labels.shape[dim] > 1:
            field = replace(field, labels=np.take(self.labels, index, axis=dim)).tidy()
        return field

    def select(self, dim: int, index: int) -> Field:
        """One element of dimension ``dim``, which goes."""
        dim %= len(self.shape)
        position = index % self.shape[dim]

        def choose(axis: Axis) -> Axis:
            table = axis.table.take(dim, np.array([position], dtype=np.int64))
            if axis.law is not None and axis.law.dim == dim:
                return replace(axis, table=table, law=Law(None, 0, (axis.law.at(position),)))
            return replace(axis, table=table)

        shape = list(self.shape)
        shape[dim] = 1
        field = self.each(choose, shape)
        if self.labels.shape[dim] > 1:
            field = replace(field, labels=np.take(self.labels, [position], axis=dim)).tidy()
        return field.reshape((*self.shape[:dim], *self.shape[dim + 1 :]))

    def running(self, dim: int) -> Field:
        """After a cumulative operator: each index sees all before it along ``dim``."""
        dim %= len(self.shape)

        def change(axis: Axis) -> Axis:
            if dim not in axis.dims:
                return axis
            table = axis.table.running(dim)
            return replace(axis, table=table, law=None, least=None).worsen("unit")

        field = self if self.labels.shape[dim] == 1 else self.settled()
        return field.each(change)

    def bounded(self) -> Field:
        """The field said to contain the true one, and perhaps more."""
        return self.each(lambda axis: axis.worsen("bound"))

    def tidy(self) -> Field:
        """Without parts that no element uses and labels that say nothing."""
        used, inverse = np.unique(self.labels, return_inverse=True)
        labels = inverse.reshape(self.labels.shape).astype(np.int64)
        if len(used) == 1:
            labels = np.zeros([1] * len(self.shape), dtype=np.int64)
        return replace(self, parts=tuple(self.parts[i] for i in used), labels=labels)


def _kept_dims(old: Sequence[int], new: Sequence[int]) -> dict[int, int]:
    """Where a reshape leaves a dimension whole."""
    kept = {}
    for left, right in segments(old, new):
        big_left = [d for d in left if old[d] > 1]
        big_right = [d for d in right if new[d] > 1]
        if len(big_left) == 1 and len(big_right) == 1:
            kept[big_left[0]] = big_right[0]
        elif not big_left and len(left) == len(right):
            kept.update(zip(left, right, strict=True))
    return kept


def join_parts(parts: Sequence[Part]) -> Part:
    """The union of parts, axis by axis."""
    if all(part is parts[0] for part in parts):
        return parts[0]
    joined = tuple(join_axes(axes) for axes in zip(*parts, strict=True))
    if all(_blind_alike(part) for part in parts):
        return joined
    return tuple(axis.worsen("bound") for axis in joined)


def _blind_alike(part: Part) -> bool:
    """Whether a unit that sees nothing along one axis sees nothing along all.

    Where it does not (a window in the padding of one axis only), the unit sees nothing at all, and a union of
    branches, taken axis by axis, would still show what it sees along the other axes.
    """
    empties = [axis.table.empty() for axis in part]
    if not any(empty.any() for empty in empties):
        return True
    shape = np.broadcast_shapes(*[empty.shape for empty in empties])
    return all((np.broadcast_to(empty, shape) == np.broadcast_to(empties[0], shape)).all() for empty in empties)


def join_fields(fields: Sequence[Field], shape: Sequence[int]) -> Field:
    """The field of an element-wise operator on ``fields``, broadcast to ``shape``."""
    first: object = fields[0]
    if isinstance(first, Flow):
        return cast(Field, type(first).joined(cast(Sequence[Flow], fields), shape))
    causes = [field.cause for field in fields if field.cause]
    wide = [field.expand(shape) for field in fields]
    if len(wide) == 1:
        return wide[0]
    shapes = np.broadcast_shapes(*[field.labels.shape for field in wide])
    stacked = np.stack([np.broadcast_to(field.labels, shapes) for field in wide], axis=-1)
    groups, inverse = np.unique(stacked.reshape(-1, len(wide)), axis=0, return_inverse=True)
    parts = tuple(
        join_parts([field.parts[label] for field, label in zip(wide, group, strict=True)]) for group in groups
    )
    return Field(tuple(shape), parts, inverse.reshape(shapes).astype(np.int64), causes[0] if causes else None)


def concatenate_fields(fields: Sequence[Field | None], lengths: Sequence[int], dim: int, shape: Sequence[int]) -> Field:
    """The field of tensors one after the other along ``dim``; None stands for one that no input reaches."""
    present = [field for field in fields if field is not None]
    dim %= len(shape)
    first: object = present[0]
    if isinstance(first, Flow):
        return cast(Field, type(first).concatenated(cast(Sequence[Flow | None], fields), lengths, dim, shape))
    if any(field.carries(dim) for field in present):
        return _concatenate_in_space(fields, lengths, dim, shape)
    causes = [field.cause for field in present if field.cause]
    blank = _blank(present[0])
    parts: list[Part] = []
    labels = []
    target = np.broadcast_shapes(*[_but(field.labels.shape, dim) for field in present])
    for field, length in zip(fields, lengths, strict=True):
        own = (blank,) if field is None else field.parts
        own_labels = np.zeros([1] * len(shape), dtype=np.int64) if field is None else field.labels
        full = list(target)
        full[dim] = length
        labels.append(np.broadcast_to(own_labels, full) + len(parts))
        parts.extend(own)
    field = Field(tuple(shape), tuple(parts), np.concatenate(labels, axis=dim), causes[0] if causes else None)
    return _merge_same(field)


def _merge_same(field: Field) -> Field:
    """Parts that are one and the same object under one label."""
    first: dict[int, int] = {}
    to = np.array([first.setdefault(id(part), i) for i, part in enumerate(field.parts)], dtype=np.int64)
    return replace(field, labels=to[field.labels]).tidy()


def _blank(field: Field) -> Part:
    """The part of a tensor that no input reaches."""
    rank = len(field.shape)
    return tuple(
        Axis(Table.constant(EMPTY, rank), Law(None, 0, (EMPTY,)), axis.length, least=None) for axis in field.parts[0]
    )


def _concatenate_in_space(
    fields: Sequence[Field | None], lengths: Sequence[int], dim: int, shape: Sequence[int]
) -> Field:
    present = [field.settled() for field in fields if field is not None]
    blank = _blank(present[0])
    parts = iter(field.parts[0] for field in present)
    rows = [blank if field is None else next(parts) for field in fields]
    axes = []
    for column in zip(*rows, strict=True):
        status = worst(axis.status for axis in column)
        table = concatenate([axis.table for axis in column], lengths, dim).compress()
        everywhere = all(axis.global_ for axis in column)
        axis = replace(column[0], table=table, law=None, status=status, least=None, global_=everywhere)
        axes.append(axis.worsen("unit"))
    causes = [field.cause for field in present if field.cause]
    labels = np.zeros([1] * len(shape), dtype=np.int64)
    return Field(tuple(shape), (tuple(axes),), labels, causes[0] if causes else None)


def _but(shape: tuple[int, ...], dim: int) -> tuple[int, ...]:
    return (*shape[:dim], 1, *shape[dim + 1 :])
