"""Bootstrap over kernels: sums of resamples, and the intervals that they give."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

BOOTSTRAPS = 1000
NORMAL_FROM = 300  # kernels whose bootstrap sums are normal
SPARSE = 8  # kernels a distinct one, from which on numbers are drawn and not kernels
Floats = NDArray[np.float64]


def resampled_sums(parts: Floats, counts: NDArray[np.int64], draw: np.random.Generator) -> Floats:
    """Bootstrap: sums of ``parts`` ``(distinct, quantities)`` over kernels resampled with replacement.

    From 300 kernels on the sums are drawn from the normal distribution that they tend to.
    """
    total = int(counts.sum())
    if total < NORMAL_FROM:
        resamples: Floats = _resamples(counts, total, draw) @ parts
        return resamples
    mean = counts @ parts / total
    centred = parts - mean
    covariance = (counts[:, None] * centred).T @ centred  # of the sum: total times that of one kernel
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    sums: Floats = total * mean + draw.standard_normal((BOOTSTRAPS, parts.shape[1])) @ root.T
    return sums


def _resamples(counts: NDArray[np.int64], total: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """How often each distinct kernel is drawn ``(resamples, distinct)``: number by number, or kernel by kernel where
    nearly all are distinct.
    """
    if SPARSE * len(counts) < total:
        return draw.multinomial(total, counts / total, size=BOOTSTRAPS)
    blocks = (draw.integers(0, total, (BOOTSTRAPS // 4, total), dtype=np.int32) for _ in range(4))
    if len(counts) == total:
        return np.concatenate([counts_by_row(block, total) for block in blocks])
    kernels = np.repeat(np.arange(len(counts)), counts)
    return np.concatenate([counts_by_row(kernels[block], len(counts)) for block in blocks])


def counts_by_row(index: NDArray[Any], number: int) -> NDArray[np.int64]:
    """How often each of ``number`` values stands in each row."""
    apart = index + np.arange(len(index), dtype=np.int64)[:, None] * number
    return np.bincount(apart.reshape(-1), minlength=len(index) * number).reshape(len(index), number)


def unbiased_interval(lengths: Floats, found: float) -> tuple[float, float]:
    """The 95 % bootstrap interval of a length in [0, 1] (R, an anisotropy).

    The length of a noisy vector is too long: ``E[R*^2] = R^2 + variance``. The variance is taken off each resample's
    square, or an interval near 0 would lie wholly above the length that it is for.

    >>> unbiased_interval(np.array([0.3, 0.3, 0.3]), 0.0)
    (0.0, 0.0)
    """
    squares = lengths**2 - np.mean(lengths**2) + found**2
    low, high = (math.sqrt(min(max(end, 0.0), 1.0)) for end in ends(squares))
    return low, high


def ends(values: Floats) -> tuple[float, float]:
    """The 2.5 and 97.5 % quantiles, as `numpy.quantile` has them, in a tenth of its time.

    >>> ends(np.arange(101.0))
    (2.5, 97.5)
    """
    order = np.sort(values)
    found = []
    for share in (0.025, 0.975):
        place = share * (len(order) - 1)
        low = int(place)
        high = min(low + 1, len(order) - 1)
        found.append(float(order[low] + (place - low) * (order[high] - order[low])))
    return found[0], found[1]
