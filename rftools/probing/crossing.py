"""From answers at several sizes to the size that decides, with an interval from resampled pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from rftools.erf.result import Measure

RESAMPLES = 500
SHARE = 0.95  # of what is told beyond chance

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """What was told right of each picture at each size: ``right`` and ``asked`` are ``(pictures, sizes)``, sizes
    ascending. ``rises``: more size, more told; falls otherwise.
    """

    sizes: NDArray[np.int64]
    right: Array
    asked: Array
    chance: float
    rises: bool

    def shares(self, weights: Array) -> Array:
        """The share told right at each size, pictures weighted by ``(resamples, pictures)``; NaN where none was."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return (weights @ self.right) / (weights @ self.asked)

    def resampled(self, seed: int) -> Array:
        """Weights of as many pictures drawn anew as there are, ``RESAMPLES`` times."""
        n = len(self.right)
        return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(float)

    def size_of(self, shares: Array) -> float:
        """The size at which 95 % of what is told beyond chance is there (or up to which it is), by the monotone curve
        that fits best; NaN where nothing is.
        """
        known = np.isfinite(shares)
        counts = self.asked.sum(0)[known]
        fit = isotonic_regression(shares[known], weights=counts, increasing=self.rises).x
        best = fit[-1] if self.rises else fit[0]
        if not best > self.chance:
            return np.nan
        enough = self.sizes[known][fit >= self.chance + SHARE * (best - self.chance) - 1e-12]
        return float(enough.min() if self.rises else enough.max())


def measured(answers: Answers, seed: int, unit: str) -> tuple[Measure, Array, Array]:
    """The deciding size with its interval, and the ends of the interval of each size's share.

    Where the best share is not beyond chance in 97.5 % of the resamples there is no size.
    """
    weights = answers.resampled(seed)
    drawn = answers.shares(weights)
    low, high = np.nanquantile(drawn, (0.025, 0.975), axis=0)
    found = np.array([answers.size_of(row) for row in drawn])
    value = answers.size_of(answers.shares(np.ones((1, len(answers.right))))[0])
    if np.isnan(value) or np.isnan(found).mean() > 0.025:
        return Measure(None, None, None, unit), low, high
    ends = np.nanquantile(found, (0.025, 0.975), method="nearest")
    return Measure(value, float(ends[0]), float(ends[1]), unit), low, high
