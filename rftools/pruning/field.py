"""Sets of taps that still span their kernel's box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
CHUNK = 1 << 9  # kernels at a time


def sides(kernel: tuple[int, ...]) -> Bools:
    """``(taps, 2 rank)``: which taps lie on which side of the box, the low and the high one of each axis.

    >>> sides((1, 3)).astype(int).tolist()
    [[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 0, 1]]
    """
    index = np.indices(kernel).reshape(len(kernel), -1).T
    ends = np.array(kernel) - 1
    return np.stack([index == 0, index == ends], axis=2).reshape(len(index), -1)


def best_spanning(scores: Floats, counts: NDArray[np.int64], kernel: tuple[int, ...]) -> Bools:
    """Of each kernel's tap sets of the size ``counts`` that span the box, the one with the largest sum of scores.

    ``scores`` ``(kernels, taps)``; -inf is a tap that can't be had. All False where there is no such set.
    Exact: taps are taken or left one after the other, for every number of taps and every set of sides touched.

    >>> scores = np.array([[5.0, 9, 1, 0, 8, 0, 2, 0, 6]])
    >>> best_spanning(scores, np.array([2]), (3, 3)).astype(int).tolist()
    [[1, 0, 0, 0, 0, 0, 0, 0, 1]]
    """
    found = np.zeros(scores.shape, dtype=bool)
    for count in np.unique(counts[counts > 0]):
        rows = np.flatnonzero(counts == count)
        for first in range(0, len(rows), CHUNK):
            part = rows[first : first + CHUNK]
            found[part] = _best(scores[part], int(count), sides(kernel))
    return found


def _best(scores: Floats, count: int, on: Bools) -> Bools:
    rows, taps = scores.shape
    codes = (on @ (1 << np.arange(on.shape[1]))).tolist()
    states = 1 << on.shape[1]
    best = np.full((count + 1, states, rows), -np.inf)
    best[0, 0] = 0
    came = np.full((taps, count + 1, states, rows), -1, dtype=np.int8)  # the sides touched before, where a tap is taken
    for tap, code in enumerate(codes):
        before = best.copy()
        for state in range(states):
            taken = before[:-1, state] + scores[:, tap]
            better = taken > best[1:, state | code]
            best[1:, state | code][better] = taken[better]
            came[tap, 1:, state | code][better] = state
    return _walk_back(best[count, -1], came, count)


def _walk_back(best: Floats, came: NDArray[np.int8], count: int) -> Bools:
    taps, _, states, rows = came.shape
    every = np.arange(rows)
    state, left = np.full(rows, states - 1), np.full(rows, count)
    mask = np.zeros((rows, taps), dtype=bool)
    for tap in reversed(range(taps)):
        previous = came[tap, left, state, every]
        mask[:, tap] = previous >= 0
        state = np.where(mask[:, tap], previous, state)
        left = left - mask[:, tap]
    mask[~np.isfinite(best)] = False
    return mask


def spanning_counts(counts: NDArray[np.int64], strength: Floats) -> NDArray[np.int64]:
    """Numbers of taps of which none is 1: of the kernels with one tap the stronger half get another, the rest none.

    >>> spanning_counts(np.array([1, 3, 1, 0, 1]), np.array([5.0, 9, 7, 0, 6])).tolist()
    [0, 3, 2, 0, 0]
    """
    single = np.flatnonzero(counts == 1)
    order = single[np.argsort(-strength[single], kind="stable")]
    half = len(order) // 2
    found = counts.copy()
    found[order[:half]], found[order[half:]] = 2, 0
    return found
