"""The theoretical field of a tensor: for each output index, the set of input indices that can reach it.

Two descriptions travel side by side. The *law* holds for every unit and knows no border:
``S[o mod P] + (o div P) * jump``, from which size, stride, start, centre, phases and holes are read. The *table*
lists the set of each concrete output index, cut at every border that the data meets on its way; it also serves
where no law is true for every unit (tokens, windows, reshapes that mix axes).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from rftools.trf.axis import Axis, Part, blank_part, join_parts
from rftools.trf.law import Law, worst
from rftools.trf.reshapes import kept_dims, reshape_lazily
from rftools.trf.sets import (
    Table,
    choose,
)
from rftools.trf.taps import Taps


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

    def merged(self, apart: Container[int] = ()) -> Part:
        """The union over all channels: the field that is reported; not over dimensions of units that are kept apart."""
        labelled = [d for d, n in enumerate(self.labels.shape) if n > 1]
        if not any(self.carries(d) or d in apart for d in labelled):
            used = np.unique(self.labels)
            return join_parts([self.parts[i] for i in used])
        # The parts change along space too: only the channels of one position are united.
        channels = [d for d in labelled if not self.carries(d) and d not in apart]
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
        mixed = self.reduce(*dims)._repeated(self.shape)
        laws = {tuple(axis.law for axis in part) for part in self.parts}
        if len(laws) > 1:
            return mixed
        (own,) = laws  # a unit that sees everything still has its place
        parts = tuple(tuple(axis.placed(law) for axis, law in zip(part, own, strict=True)) for part in mixed.parts)
        return replace(mixed, parts=parts)

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
        return self._repeated((*self.shape[:dim], length, *self.shape[dim + 1 :]))

    def expand(self, shape: Sequence[int]) -> Field:
        """Broadcast to ``shape``, new dimensions in front."""
        extra = len(shape) - len(self.shape)
        return self.reshape([1] * extra + list(self.shape))._repeated(tuple(shape))

    def _repeated(self, shape: tuple[int, ...]) -> Field:
        """Under a larger shape; what was one position and is many now sees the same from all of them."""
        grown = {d for d, (old, new) in enumerate(zip(self.shape, shape, strict=True)) if old == 1 < new}
        if any(axis.law is not None and axis.law.dim in grown for part in self.parts for axis in part):
            return self.each(lambda axis: axis.pinned(grown), shape)
        return replace(self, shape=shape)

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
        kept = kept_dims(old, new)
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

    def closed(self, places: torch.Tensor) -> Field:
        """Where ``places`` is true (it broadcasts) elements see nothing: a constant closes the path to them."""
        there = np.asarray(places.reshape([1] * (len(self.shape) - places.ndim) + list(places.shape)))
        for dim, length in enumerate(there.shape):
            if length > 1 and (there == (first := there.take([0], axis=dim))).all():
                there = first
        there = there & self._sees(there.shape)
        if not there.any():
            return self
        blank = blank_part(self.parts[0], len(self.shape))
        labels = np.where(there, len(self.parts), self.labels)
        field = replace(self, parts=(*self.parts, blank), labels=labels).tidy()
        in_space = any(length > 1 for length in there.shape[2:])  # not channel by channel: each place for itself
        return field.settled() if in_space else field

    def _sees(self, shape: Sequence[int]) -> NDArray[np.bool_]:
        """Which elements of an array that broadcasts to the tensor see anything."""
        found = np.zeros([1] * len(self.shape), dtype=bool)
        for label, part in enumerate(self.parts):
            for axis in part:
                found = np.asarray(found | ((self.labels == label) & ~axis.table.empty()))
        for dim, (own, other) in enumerate(zip(found.shape, shape, strict=True)):
            if other == 1 < own:
                found = np.asarray(found.any(dim, keepdims=True))
        return found

    def contract(self, dim: int, reads: NDArray[np.bool_]) -> Field:
        """After a sum over ``dim`` in which output index ``o`` reads index ``i`` where ``reads[o, i]``."""
        dim %= len(self.shape)
        length = len(reads)
        if reads.all():
            return self.reduce(dim).expand_dim(dim, length)
        if self.labels.shape[dim] > 1:
            return self._contract_labels(dim, reads)
        shape = (*self.shape[:dim], length, *self.shape[dim + 1 :])
        return self.each(lambda axis: axis.contract(dim, reads), shape)

    def _contract_labels(self, dim: int, reads: NDArray[np.bool_]) -> Field:
        if self.carries(dim):
            return self.settled().contract(dim, reads)
        rows = np.moveaxis(self.labels, dim, -1)
        parts: list[Part] = [blank_part(self.parts[0], len(self.shape))]
        known: dict[tuple[int, ...], int] = {(): 0}
        labels = np.zeros((*rows.shape[:-1], len(reads)), dtype=np.int64)
        for place in np.ndindex(labels.shape):
            group = tuple(sorted(set(rows[place[:-1]][reads[place[-1]]].tolist())))
            if group not in known:
                known[group] = len(parts)
                parts.append(join_parts([self.parts[i] for i in group]))
            labels[place] = known[group]
        shape = (*self.shape[:dim], len(reads), *self.shape[dim + 1 :])
        return Field(shape, tuple(parts), np.moveaxis(labels, -1, dim), self.cause).tidy()

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
