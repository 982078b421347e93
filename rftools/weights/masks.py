"""Which taps survive, kernel by kernel: every kernel's mask as one of the distinct masks that occur.

All that survivor statistics depend on are the distinct masks, how often each occurs, and which kernel has which; so
a layer is read once, and the rest are look-ups.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 14  # kernels at a time: stays in the cache
CODED = 16  # kernels of up to so many taps are numbered by their bits


@dataclass(frozen=True)
class Masks:
    """``alive[d]`` is the d-th distinct mask ``(taps,)``, ``counts[d]`` kernels have it; ``index`` ``(out, in)`` says
    which kernel has which, ``living`` which have a survivor.
    """

    alive: NDArray[np.bool_]
    counts: NDArray[np.int64]
    index: NDArray[Any]
    living: NDArray[np.bool_]
    codes: NDArray[np.int64] | None = (
        None  # the distinct masks as numbers, the n-th tap being bit n; None for large ones
    )

    @cached_property
    def taps(self) -> NDArray[np.int64]:
        """Survivors of each distinct mask."""
        return self.alive.sum(1)


def masks_of(weight: NDArray[np.float32]) -> Masks:
    """The survivor masks of a weight ``(out, in per group, *kernel)``; a matrix has kernels of one tap.

    >>> found = masks_of(np.array([[[1.0, 0.0]], [[2.0, 0.0]], [[0.0, 3.0]]], dtype=np.float32))
    >>> found.alive.tolist(), found.counts.tolist(), found.index.tolist()
    ([[True, False], [False, True]], [2, 1], [[0], [0], [1]])
    """
    filters, inputs = weight.shape[:2]
    taps = math.prod(weight.shape[2:])
    flat = weight.reshape(-1, taps)
    if taps > CODED:
        return _by_sorting(flat, (filters, inputs))
    if taps == 1:
        return _of_single_taps(flat, (filters, inputs))
    powers = (2.0 ** np.arange(taps)).astype(np.float32)
    codes = np.empty(len(flat), dtype=np.uint16)
    found = np.zeros(1 << taps, dtype=np.int64)
    for first in range(0, len(flat), CHUNK):
        part = codes[first : first + CHUNK]
        part[:] = (flat[first : first + CHUNK] != 0).astype(np.float32) @ powers  # exact: below 2^16
        found += np.bincount(part, minlength=1 << taps)
    present = np.flatnonzero(found)
    place = np.zeros(1 << taps, dtype=np.uint16)
    place[present] = np.arange(len(present))
    living = (codes != 0).reshape(filters, inputs)
    return Masks(bits(present, taps), found[present], place[codes].reshape(filters, inputs), living, present)


def bits(codes: NDArray[np.int64], taps: int) -> NDArray[np.bool_]:
    """Masks ``(codes, taps)`` from their numbers, the n-th tap being bit n.

    >>> bits(np.array([5]), 3).tolist()
    [[True, False, True]]
    """
    return ((codes[:, None] >> np.arange(taps)) & 1).astype(bool)


def _of_single_taps(flat: NDArray[np.float32], shape: tuple[int, int]) -> Masks:
    alive = flat[:, 0] != 0
    living = int(np.count_nonzero(alive))
    counts = np.array([len(alive) - living, living])
    alive = alive.reshape(shape)
    return Masks(np.array([[False], [True]]), counts, alive.view(np.uint8), alive)


def _by_sorting(flat: NDArray[np.float32], shape: tuple[int, int]) -> Masks:
    packed = np.packbits(flat != 0, axis=1)
    rows = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).reshape(-1)
    distinct, index, counts = np.unique(rows, return_inverse=True, return_counts=True)
    alive = np.unpackbits(distinct.view(np.uint8).reshape(len(distinct), -1), axis=1, count=flat.shape[1])
    distinct_alive, index = alive.astype(bool), index.reshape(shape)
    return Masks(distinct_alive, counts, index, np.asarray(distinct_alive.any(axis=1))[index])
