"""Every sum that a few kernels can have, with its probability."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rftools.weights.statistics.shapes import Floats

MOST_SUMS = 60_000
MANY = 16  # draws of more values than that have more sums


def all_sums(
    groups: Sequence[tuple[Floats | NDArray[np.float32], Floats, int]],
) -> tuple[Floats, Floats] | None:
    """The sums of ``n`` independent draws of each group's ``parts`` ``(values, entries)`` with their ``probabilities``:
    by how many draws have each value, one row each, and its probability. None where that would be too many rows.

    >>> sums, shares = all_sums([(np.array([[1.0], [-1.0]]), np.array([0.5, 0.5]), 3)])
    >>> sums[:, 0].tolist(), shares.round(3).tolist()
    ([-3.0, -1.0, 1.0, 3.0], [0.125, 0.375, 0.375, 0.125])
    """
    if any(min(n, len(parts) - 1) >= MANY for parts, _, n in groups):
        return None
    if math.prod(math.comb(n + len(parts) - 1, n) for parts, _, n in groups) > MOST_SUMS:
        return None
    sums, shares = np.zeros((1, groups[0][0].shape[1])), np.ones(1)
    for parts, probabilities, n in groups:
        counts = _compositions(n, len(parts))
        own, share = counts @ np.asarray(parts, dtype=np.float64), _multinomial(counts, probabilities)
        sums = (sums[:, None] + own).reshape(-1, sums.shape[1])
        shares = np.multiply.outer(shares, share).reshape(-1)
    return sums, shares


def _compositions(n: int, values: int) -> NDArray[np.int64]:
    """All ways to write n as a sum of so many whole numbers from 0, one a row: bars among stars."""
    if values == 1:
        return np.array([[n]])
    rows = math.comb(n + values - 1, values - 1)
    bars = itertools.chain.from_iterable(itertools.combinations(range(n + values - 1), values - 1))
    places = np.fromiter(bars, dtype=np.int64, count=rows * (values - 1)).reshape(rows, values - 1)
    edges = np.concatenate([np.full((rows, 1), -1), places, np.full((rows, 1), n + values - 1)], axis=1)
    return np.diff(edges, axis=1) - 1


def _multinomial(counts: NDArray[np.int64], probabilities: Floats) -> Floats:
    from scipy.special import gammaln, xlogy

    logs = gammaln(counts.sum(axis=1) + 1) - gammaln(counts + 1).sum(axis=1) + xlogy(counts, probabilities).sum(axis=1)
    share: Floats = np.exp(logs)
    return share
