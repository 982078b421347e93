"""Which indices of its input an operator reads along one dimension, for each output index."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Taps:
    """Output index ``o`` reads ``offsets[o mod period] + (o div period) * step``, as far as the input goes.

    ``table`` (taps, length) lists the indices that are really read, -1 for none: it differs from the law where the
    operator pads with its own values (reflect, circular) or clamps at the border. ``span`` is how far the taps of
    one output index lie apart. Without ``offsets`` no law holds beyond the listed indices.
    """

    period: int
    step: int
    offsets: tuple[tuple[int, ...], ...]
    length: int
    table: NDArray[np.int64]

    @property
    def span(self) -> int:
        return max((max(o) - min(o) for o in self.offsets if o), default=0)

    def rows(self) -> list[NDArray[np.int64]]:
        """The table's rows, tap by tap."""
        return list(self.table)

    def blind(self) -> NDArray[np.bool_]:
        """Which output indices read nothing but padding."""
        return np.asarray((self.table < 0).all(axis=0))

    @staticmethod
    def periodic(period: int, step: int, offsets: Sequence[Iterable[int]], length: int, size: int) -> Taps:
        """Taps that follow a law; what lies outside ``[0, size)`` is padding and reads nothing."""
        rows = tuple(tuple(sorted(set(row))) for row in offsets)
        table = _tabulate(period, step, rows, length)
        table[(table < 0) | (table >= size)] = -1
        return Taps(period, step, rows, length, table)

    @staticmethod
    def window(kernel: int, size: int, length: int, *, stride: int = 1, padding: int = 0, dilation: int = 1) -> Taps:
        """A convolution's or a pool's window: ``o*stride - padding + k*dilation``, k = 0 .. kernel-1."""
        return Taps.periodic(1, stride, [[k * dilation - padding for k in range(kernel)]], length, size)

    @staticmethod
    def transposed(
        positions: Sequence[int], size: int, length: int, *, stride: int = 1, padding: int = 0, dilation: int = 1
    ) -> Taps:
        """A transposed convolution: index ``i`` reaches ``i*stride - padding + k*dilation``, k of ``positions``."""
        offsets = [
            [(r + padding - k * dilation) // stride for k in positions if (r + padding - k * dilation) % stride == 0]
            for r in range(stride)
        ]
        return Taps.periodic(stride, 1, offsets, length, size)

    @staticmethod
    def adaptive(size: int, length: int) -> Taps:
        """Adaptive pooling: ``floor(o*size/length) .. ceil((o+1)*size/length) - 1``."""
        common = math.gcd(size, length)
        period, step = length // common, size // common
        offsets = [range((r * size) // length, -(-(r + 1) * size // length)) for r in range(period)]
        return Taps.periodic(period, step, offsets, length, size)

    @staticmethod
    def explicit(indices: NDArray[np.int64]) -> Taps:
        """One input index an output index, as listed; a regular progression keeps a law."""
        length = len(indices)
        steps = np.diff(indices)
        table = indices.reshape(1, -1).copy()
        if length == 1 or (length > 1 and (steps == steps[0]).all() and steps[0] != 0):
            step = int(steps[0]) if length > 1 else 1
            return Taps(1, step, ((int(indices[0]),),), length, table)
        return Taps(1, 0, (), length, table)

    @staticmethod
    def folded(before: int, length: int, fold: Callable[[NDArray[np.int64]], NDArray[np.int64]]) -> Taps:
        """A padding that repeats the input's own values: ``fold`` maps an index outside onto one inside."""
        table = fold(np.arange(length, dtype=np.int64) - before).reshape(1, -1)
        return Taps(1, 1, ((-before,),), length, table)

    @staticmethod
    def listed(rows: Sequence[Sequence[int]], law: tuple[int, int, Sequence[Sequence[int]]] | None) -> Taps:
        """Taps given output index by output index, and the law that holds away from the border, if there is one."""
        length = len(rows)
        width = max((len(row) for row in rows), default=0)
        table = np.full((max(width, 1), length), -1, dtype=np.int64)
        for o, row in enumerate(rows):
            table[: len(row), o] = row
        period, step, offsets = law if law is not None else (1, 0, ())
        return Taps(period, step, tuple(tuple(row) for row in offsets), length, table)


def _tabulate(period: int, step: int, offsets: Sequence[Sequence[int]], length: int) -> NDArray[np.int64]:
    width = max((len(row) for row in offsets), default=0)
    base = np.full((max(width, 1), period), -(1 << 40), dtype=np.int64)
    for r, row in enumerate(offsets):
        base[: len(row), r] = row
    o = np.arange(length, dtype=np.int64)
    return np.asarray(base[:, o % period] + (o // period) * step)
