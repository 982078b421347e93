"""Sets of input indices along one axis, as bit masks: one set, or an array of them.

A set is a pair ``(low, mask)``: bit ``i`` of ``mask`` stands for the index ``low + i``. Python's integers have no
width, so a field of 4,000 pixels is one integer and a union is one ``or``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rftools.trf.reshapes import reshape_lazily

Bits = tuple[int, int]


EMPTY: Bits = (0, 0)


_NOWHERE = 1 << 40  # the low end of an empty set in an array: larger than every index


def shift(bits: Bits, by: int) -> Bits:
    """The set moved by ``by``."""
    return (bits[0] + by, bits[1]) if bits[1] else EMPTY


def union(sets: Iterable[Bits]) -> Bits:
    """The union of sets.

    >>> union([(0, 0b1), (2, 0b1)])
    (0, 5)
    """
    full = [bits for bits in sets if bits[1]]
    if not full:
        return EMPTY
    low = min(bits[0] for bits in full)
    mask = 0
    for start, bits in full:
        mask |= bits << (start - low)
    return low, mask


def hull(bits: Bits) -> tuple[int, int] | None:
    """The first and the last index, inclusive; None for the empty set."""
    return (bits[0], bits[0] + bits[1].bit_length() - 1) if bits[1] else None


def holes(bits: Bits) -> tuple[tuple[int, int], ...]:
    """The runs ``(offset, length)`` between the first and the last index that are not in the set.

    >>> holes((7, 0b1001001))
    ((1, 2), (4, 2))
    """
    if bits[1] & (bits[1] + 1) == 0:
        return ()
    found, offset = [], 0
    for run in bin(bits[1])[:1:-1].replace("01", "0 1").replace("10", "1 0").split():
        if run[0] == "0":
            found.append((offset, len(run)))
        offset += len(run)
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Table:
    """An array of sets, one an output index. A dimension of length 1 stands for "the same all along"."""

    low: NDArray[np.int64]
    mask: NDArray[np.object_]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.low.shape

    @staticmethod
    def identity(length: int, dim: int, rank: int) -> Table:
        """Index ``i`` along ``dim`` sees the input's index ``i``."""
        shape = [1] * rank
        shape[dim] = length
        low = np.arange(length, dtype=np.int64).reshape(shape)
        mask = np.full(shape, 1, dtype=object)
        return Table(low, mask)

    @staticmethod
    def constant(bits: Bits, rank: int) -> Table:
        """The same set everywhere."""
        low = np.full([1] * rank, bits[0] if bits[1] else _NOWHERE, dtype=np.int64)
        mask = np.full([1] * rank, bits[1], dtype=object)
        return Table(low, mask)

    def at(self, index: Sequence[int]) -> Bits:
        """The set at one output index (one number a dimension)."""
        place = tuple(i if n > 1 else 0 for i, n in zip(index, self.shape, strict=True))
        mask = int(self.mask[place])
        return (int(self.low[place]), mask) if mask else EMPTY

    def take(self, dim: int, indices: NDArray[np.int64]) -> Table:
        """The sets at ``indices`` along ``dim``; an index of -1 gives the empty set."""
        missing = indices < 0
        if self.shape[dim] == 1:
            if not missing.any():
                return self
            present = np.zeros(len(indices), dtype=np.int64)
        else:
            present = np.where(missing, 0, indices)
        low = np.take(self.low, present, axis=dim)
        mask = np.take(self.mask, present, axis=dim)
        if missing.any():
            place = (slice(None),) * dim + (missing,)
            low[place] = _NOWHERE
            mask[place] = 0
        return Table(low, mask)

    def reduce(self, dim: int) -> Table:
        """The union along ``dim``, which keeps length 1."""
        table = self
        while (length := table.shape[dim]) > 1:
            half = length // 2
            first = table.take(dim, np.arange(half))
            second = table.take(dim, np.arange(half, 2 * half))
            merged = join([first, second])
            table = (
                merged
                if length % 2 == 0
                else _concatenate([merged, table.take(dim, np.arange(length - 1, length))], dim)
            )
        return table

    def running(self, dim: int) -> Table:
        """The running union along ``dim``: each index sees what all before it saw, itself included."""
        length = self.shape[dim]
        table = self
        step = 1
        while step < length:
            indices = np.arange(length) - step
            indices[indices < 0] = -1
            table = join([table, table.take(dim, indices)])
            step *= 2
        return table

    def contract(self, dim: int, reads: NDArray[np.bool_]) -> Table:
        """For each output index the union of the sets it reads along ``dim``: run by run, of unions over 1, 2, 4 ...
        neighbours, so that a run of any length is one union of two.
        """
        runs = [_runs(row) for row in reads]
        wide = [self]
        while 2 << (len(wide) - 1) <= reads.shape[1]:
            index = np.arange(reads.shape[1]) + (1 << (len(wide) - 1))
            index[index >= reads.shape[1]] = -1
            wide.append(join([wide[-1], wide[-1].take(dim, index)]))
        found: list[Table] = []
        for number in range(max((len(own) for own in runs), default=0) or 1):
            own = [run[number] if number < len(run) else (0, 0) for run in runs]
            found += [_of_runs(wide, dim, own)]
        return join(found)

    def permute(self, order: Sequence[int]) -> Table:
        return Table(self.low.transpose(order), self.mask.transpose(order))

    def reshape(self, old: Sequence[int], new: Sequence[int]) -> Table:
        """The table of a tensor of shape ``old`` seen as shape ``new``."""
        return Table(reshape_lazily(self.low, old, new), reshape_lazily(self.mask, old, new)).compress()

    def compress(self) -> Table:
        """Dimensions along which nothing changes get length 1."""
        low, mask = self.low, self.mask
        for dim, length in enumerate(low.shape):
            if length > 1:
                first = low.take([0], axis=dim)
                if (low == first).all() and (mask == mask.take([0], axis=dim)).all():
                    low, mask = first, mask.take([0], axis=dim)
        return Table(low, mask)

    def union_all(self) -> Bits:
        """The union over all indices."""
        table = self
        for dim in range(len(self.shape)):
            table = table.reduce(dim)
        return table.at([0] * len(self.shape))

    def empty(self) -> NDArray[np.bool_]:
        """Which indices see nothing (their windows lie in the padding)."""
        return np.asarray(self.low == _NOWHERE)


def _runs(row: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where the runs of true values begin and end, the end excluded.

    >>> _runs(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _of_runs(wide: Sequence[Table], dim: int, runs: Sequence[tuple[int, int]]) -> Table:
    """The union over one run an index (an empty one gives the empty set); ``wide[n]`` holds unions over ``2**n``."""
    levels = np.array([max((b - a).bit_length() - 1, 0) for a, b in runs])
    blank = wide[0].take(dim, np.full(len(runs), -1))
    for level in np.unique(levels):
        own = [(a, b) if n == level else (0, 0) for n, (a, b) in zip(levels, runs, strict=True)]
        for ends in ([a for a, _ in own], [b - (1 << int(level)) for _, b in own]):
            index = np.array([end if b > a else -1 for end, (a, b) in zip(ends, own, strict=True)])
            blank = join([blank, wide[level].take(dim, index)])
    return blank


def join(tables: Sequence[Table]) -> Table:
    """The union of tables, index by index, broadcast against each other."""
    if len(tables) == 1:
        return tables[0]
    if all(table.low is tables[0].low and table.mask is tables[0].mask for table in tables):
        return tables[0]
    lows = [table.low for table in tables]
    low = lows[0]
    for other in lows[1:]:
        low = np.minimum(low, other)
    mask: NDArray[np.object_] | None = None
    for table in tables:
        moved = np.left_shift(table.mask, (table.low - low).astype(object))
        mask = moved if mask is None else np.bitwise_or(mask, moved)
    assert mask is not None
    return Table(low, np.broadcast_to(mask, low.shape))


def _concatenate(tables: Sequence[Table], dim: int) -> Table:
    return Table(
        np.concatenate([table.low for table in tables], axis=dim),
        np.concatenate([table.mask for table in tables], axis=dim),
    )


def concatenate(tables: Sequence[Table], lengths: Sequence[int], dim: int) -> Table:
    """The tables of tensors of ``lengths`` along ``dim``, one after the other."""
    shape = np.broadcast_shapes(*[_without(table.shape, dim) for table in tables])
    wide = []
    for table, length in zip(tables, lengths, strict=True):
        full = list(shape)
        full[dim] = length
        wide.append(Table(np.broadcast_to(table.low, full), np.broadcast_to(table.mask, full)))
    return _concatenate(wide, dim)


def choose(tables: Sequence[Table], place: NDArray[np.int64]) -> Table:
    """Index by index the set of table ``place``."""
    shape = np.broadcast_shapes(place.shape, *[table.shape for table in tables])
    low = np.empty(shape, dtype=np.int64)
    mask = np.empty(shape, dtype=object)
    where = np.broadcast_to(place, shape)
    for number, table in enumerate(tables):
        own = where == number
        low[own] = np.broadcast_to(table.low, shape)[own]
        mask[own] = np.broadcast_to(table.mask, shape)[own]
    return Table(low, mask)


def _without(shape: tuple[int, ...], dim: int) -> tuple[int, ...]:
    return (*shape[:dim], 1, *shape[dim + 1 :])
