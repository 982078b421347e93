"""Directions balanced over a filter: taps exchanged for others that are nearly as good, until its kernels together
look every way alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rftools.pruning.field import sides
from rftools.weights.statistics.shapes import TOLERANCE, coordinates

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
SWEEPS = 12  # over all kernels; most filters come to rest sooner


def can_balance(kernel: tuple[int, ...]) -> bool:
    """Whether kernels of this size point somewhere in a plane."""
    return len(kernel) == 2 and min(kernel) > 1


def balanced(
    mask: Bools,
    scores: Floats,
    kernel: tuple[int, ...],
    step: tuple[float, ...],
    *,
    near: float = 0.8,
    pinned: Bools | None = None,
    spanning: bool = False,
) -> Bools:
    """``mask`` ``(out, in, taps)`` with taps exchanged so that each filter's pooled inertia is as isotropic as it gets.

    Each kernel keeps its number of taps, and at least ``near`` of its sum of scores. One exchange at a time is made, in
    every kernel in turn the one that makes the filter's ``|sum q| / sum trace`` smallest, ``q = Mxx - Myy + 2i Mxy``,
    until none makes it smaller: the anisotropy never grows, and is not always the smallest there is.

    Args:
        scores: ``(out, in, taps)``; -inf is a tap that can't be had.
        pinned: taps that stay.
        spanning: a kernel that spans its box goes on doing so.

    >>> mask = np.zeros((1, 2, 9), dtype=bool)
    >>> mask[0, :, [3, 5]] = True  # two kernels, both along x
    >>> after = balanced(mask, np.ones((1, 2, 9)), (3, 3), (1.0, 1.0))
    >>> pooled_anisotropy(mask, (3, 3), (1.0, 1.0)).tolist(), pooled_anisotropy(after, (3, 3), (1.0, 1.0)).tolist()
    ([1.0], [0.0])
    """
    search = _Search(mask.copy(), scores, kernel, step)
    search.limits(near, pinned, spanning)
    for _ in range(SWEEPS):
        if sum(search.improve(column) for column in range(mask.shape[1])) == 0:
            break
    return search.mask


def pooled_anisotropy(mask: Bools, kernel: tuple[int, ...], step: tuple[float, ...]) -> Floats:
    """Each filter's anisotropy of its kernels' inertia summed, 0 where it has no extent."""
    sums = mask.astype(float) @ _moments(kernel, step)
    q, trace = _inertia(sums)
    return _ratio(np.abs(q.sum(axis=1)), trace.sum(axis=1))


def _moments(kernel: tuple[int, ...], step: tuple[float, ...]) -> Floats:
    """``1, x, y, xx, xy, yy`` of every tap."""
    x, y = coordinates(kernel, step).T
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)


def _inertia(sums: Floats) -> tuple[NDArray[np.complex128], Floats]:
    """``Mxx - Myy + 2i Mxy`` and ``Mxx + Myy`` from sums of moments ``(..., 6)``."""
    n = np.maximum(sums[..., 0], 1)
    x, y, xx, xy, yy = (sums[..., k] / n for k in range(1, 6))
    xx, xy, yy = xx - x * x, xy - x * y, yy - y * y
    return xx - yy + 2j * xy, xx + yy


def _ratio(length: Floats, trace: Floats) -> Floats:
    return np.divide(length, trace, out=np.zeros_like(length), where=trace > TOLERANCE)


class _Search:
    """The masks of one layer on their way to balance; all filters are moved at once, one input channel at a time."""

    def __init__(self, mask: Bools, scores: Floats, kernel: tuple[int, ...], step: tuple[float, ...]) -> None:
        self.mask, self.kernel = mask, kernel
        self.scores = np.where(np.isfinite(scores), scores, 0.0)
        self.open = scores > -np.inf
        self.moments = _moments(kernel, step)
        self.exchange = self.moments[None, :, :] - self.moments[:, None, :]  # (out, in): what an exchange adds
        self.q, self.trace = _inertia(mask.astype(float) @ self.moments)

    def limits(self, near: float, pinned: Bools | None, spanning: bool) -> None:
        """What exchanges must keep to."""
        counts = self.mask.sum(axis=-1, keepdims=True)
        ordered = -np.sort(-self.scores, axis=-1)
        top = np.where(np.arange(ordered.shape[-1]) < counts, ordered, 0.0).sum(axis=-1)
        own = np.where(self.mask, self.scores, 0.0).sum(axis=-1)
        self.least = np.minimum(near * top, own)  # a kernel that is worse already gets no worse
        self.pinned = np.zeros_like(self.mask) if pinned is None else pinned
        self.on = sides(self.kernel).astype(int) if spanning else None

    def improve(self, column: int) -> bool:
        """One exchange in each filter's kernel ``column``, where one helps; whether any did."""
        mask = self.mask[:, column]
        rows = np.arange(len(mask))
        q, trace = _inertia((mask.astype(float) @ self.moments)[:, None, None, :] + self.exchange)
        rest_q = self.q.sum(axis=1) - self.q[:, column]
        rest_trace = self.trace.sum(axis=1) - self.trace[:, column]
        found = _ratio(np.abs(rest_q[:, None, None] + q), rest_trace[:, None, None] + trace)
        found = np.where(self._allowed(column), found, np.inf).reshape(len(mask), -1)
        choice = found.argmin(axis=1)
        now = _ratio(np.abs(self.q.sum(axis=1)), self.trace.sum(axis=1))
        better = found[rows, choice] < now - TOLERANCE
        out, into = np.divmod(choice[better], mask.shape[1])
        moved = rows[better]
        self.mask[moved, column, out] = False
        self.mask[moved, column, into] = True
        self.q[moved, column] = q.reshape(len(mask), -1)[moved, choice[better]]
        self.trace[moved, column] = trace.reshape(len(mask), -1)[moved, choice[better]]
        return bool(better.any())

    def _allowed(self, column: int) -> Bools:
        """``(filters, out, in)``: exchanges of a tap that is there for one that is not, good enough, the box kept."""
        mask, scores = self.mask[:, column], self.scores[:, column]
        goes = mask & ~self.pinned[:, column]
        comes = ~mask & self.open[:, column]
        sums = np.where(mask, scores, 0.0).sum(axis=1)
        after = sums[:, None, None] - scores[:, :, None] + scores[:, None, :]
        allowed: Bools = goes[:, :, None] & comes[:, None, :] & (after >= self.least[:, column, None, None] - 1e-12)
        if self.on is not None:
            counts = mask.astype(int) @ self.on
            left = counts[:, None, None, :] - self.on[None, :, None, :] + self.on[None, None, :, :]
            spans = (counts > 0).all(axis=1)
            allowed &= (left > 0).all(axis=-1) | ~spans[:, None, None]
        return allowed
