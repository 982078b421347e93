"""Which directions random masks of the same numbers of taps have: the lattice's own histogram and its envelope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rftools.weights.statistics.null import Moments, Null

Floats = NDArray[np.float64]
EXACT_UP_TO = 400  # kernels whose counts are convolved; beyond, a sum of so many is normal
TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class Expected:
    """Of each bin of directions, the mean count under the null and the 2.5 and 97.5 % quantiles."""

    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def expected_histogram(
    null: Null, taps: NDArray[np.int64], kernels: NDArray[np.int64], edges: Sequence[float]
) -> Expected:
    """How many kernels have a direction in each bin if each mask is redrawn with its number of taps kept.

    A kernel of t taps falls into a bin with the probability ``p_t`` that a random mask of t taps has its direction
    there; a bin's count is a sum of binomial numbers ``B(n_t, p_t)``.

    Args:
        taps: the numbers of taps that there are.
        kernels: how many kernels have each of them.
        edges: of the bins, degrees, 180 apart from end to end.

    >>> found = expected_histogram(Null((3, 3), (1.0, 1.0)), np.array([2]), np.array([36]), np.arange(-7.5, 180, 15.0))
    >>> [round(n) for n in found.mean]  # along x, oblique, a diagonal, oblique, along y, ...
    [9, 0, 2, 5, 2, 0, 9, 0, 2, 5, 2, 0]
    """
    from scipy import stats

    shares = np.array([_kept(null, t, tuple(edges)) for t in taps.tolist()])
    mean = kernels @ shares
    if kernels.sum() > EXACT_UP_TO:
        spread = np.sqrt(kernels @ (shares * (1 - shares)))
        low, high = (np.maximum(mean + stats.norm.ppf(tail) * spread, 0.0) for tail in TAILS)
    else:
        low, high = _quantiles(kernels, shares).T
    return Expected(*(tuple(map(float, values)) for values in (mean, low, high)))


def _kept(null: Null, taps: int, edges: tuple[float, ...]) -> Floats:
    return null.kept((taps, *edges), lambda: _shares(null[taps], np.asarray(edges)))


def _shares(moments: Moments, edges: Floats) -> Floats:
    """Of each bin, the probability that a random mask has its direction there; a mask may have none."""
    has = moments.parts[:, -1] > 0
    angles = np.degrees(np.angle(moments.values[has])) / 2
    wrapped = np.round((angles - edges[0]) % 180.0 + edges[0], 9)
    place = np.clip(np.searchsorted(edges, wrapped, side="right") - 1, 0, len(edges) - 2)
    found = np.bincount(place, weights=moments.probabilities[has], minlength=len(edges) - 1)
    return np.minimum(found.astype(np.float64), 1.0)


def _quantiles(kernels: NDArray[np.int64], shares: Floats) -> Floats:
    """The 2.5 and 97.5 % quantiles ``(bins, 2)`` of sums of binomial numbers, ``shares`` ``(terms, bins)``."""
    found = []
    for terms in zip(*(_binomial(int(number), own) for number, own in zip(kernels, shares, strict=True)), strict=True):
        pmf = np.ones(1)
        for term in terms:
            pmf = np.convolve(pmf, term)
        found.append(np.minimum(np.searchsorted(pmf.cumsum(), TAILS), len(pmf) - 1))
    return np.array(found, dtype=np.float64)


def _binomial(number: int, shares: Floats) -> Floats:
    """The probabilities ``(shares, number + 1)`` of 0, 1, ... ``number``."""
    from scipy.special import gammaln, xlog1py, xlogy

    k = np.arange(number + 1)
    ways = gammaln(number + 1) - gammaln(k + 1) - gammaln(number - k + 1)
    found: Floats = np.exp(ways + xlogy(k, shares[:, None]) + xlog1py(number - k, -shares[:, None]))
    return found
