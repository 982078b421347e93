"""Tests of axial angles against a *continuous* uniform distribution: Kuiper's and Rao's.

They belong to angles that can take any value. Kernels on a lattice can't: both reject a perfectly random layer of small
kernels nearly always (``benchmarks/calibration.py`` prints how often). They are here to be compared with, beside the
lattice's own null.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NORMAL_FROM = 64  # angles from which on Rao's statistic is taken as normal
DRAWS = 9999
BLOCK = 909  # an eleventh of them


def kuiper(angles: Floats, counts: NDArray[np.int64]) -> tuple[float, float]:
    """Kuiper's ``V = max(i/n - F) + max(F - (i-1)/n)`` of axial angles (radians, each ``counts`` times), and its p.

    ``p = 2 sum_j (4 j^2 t^2 - 1) exp(-2 j^2 t^2)``, ``t = V (sqrt n + 0.155 + 0.24 / sqrt n)`` (Stephens 1970,
    doi:10.1111/j.2517-6161.1970.tb00821.x).

    >>> v, p = kuiper(np.radians([10.0, 70.0, 130.0]), np.array([1, 1, 1]))
    >>> round(v, 4), p > 0.9
    (0.3333, True)
    """
    order = np.argsort(angles)
    share, number = np.mod(angles[order], np.pi) / np.pi, counts[order]
    n = int(number.sum())
    below = np.cumsum(number)
    v = float((below / n - share).max() + (share - (below - number) / n).max())
    t = v * (math.sqrt(n) + 0.155 + 0.24 / math.sqrt(n))
    if t < 0.6:  # the series is 1 to ten digits
        return v, 1.0
    j = np.arange(1, 60)
    p = 2 * ((4 * j**2 * t**2 - 1) * np.exp(-2 * j**2 * t**2)).sum()
    return v, float(np.clip(p, 0.0, 1.0))


def rao(angles: Floats, counts: NDArray[np.int64], seed: int = 0) -> tuple[float, float]:
    """Rao's ``U = sum |spacing - 360/n| / 2`` in degrees of the doubled axial angles, and its p (large U rejects).

    Under uniformity spacings are those of n random points on a circle. From 64 angles on, U is normal with its exact
    mean and variance (Sherman 1950, doi:10.1214/aoms/1177729802); below, seeded draws.

    >>> round(rao(np.radians([0.0, 45.0, 90.0, 135.0]), np.array([1, 1, 1, 1]))[0], 6)
    0.0
    """
    share = np.sort(np.mod(angles, np.pi)) / np.pi
    n = int(counts.sum())
    spacings = np.diff(np.append(share, share[0] + 1))
    u = float(np.abs(spacings - 1 / n).sum() + (n - len(share)) / n) / 2  # the rest are ties: spacings of 0
    if n < 2:
        return 360 * u, 1.0
    if n < NORMAL_FROM:
        return 360 * u, _by_draws(u, n, seed)
    mean, deviation = spacing_moments(n)
    return 360 * u, float(math.erfc((u - mean) / deviation / math.sqrt(2)) / 2)


def spacing_moments(n: int) -> tuple[float, float]:
    """Mean and standard deviation of ``sum |spacing - 1/n| / 2`` for n random points on a circle of length 1."""
    mean = math.exp(n * math.log1p(-1 / n))
    first = 2 * math.exp((n + 1) * math.log1p(-1 / n))
    second = (n - 1) * math.exp((n + 1) * math.log1p(-2 / n)) if n > 2 else 0.0
    return mean, math.sqrt(max((first + second) / (n + 1) - mean**2, 0.0))


def _by_draws(u: float, n: int, seed: int) -> float:
    draw, longer = np.random.default_rng((seed, 5, n)), 0
    for _ in range(DRAWS // BLOCK):  # a block at a time: little memory
        spacings = draw.standard_exponential((BLOCK, n))
        spacings /= spacings.sum(axis=1, keepdims=True)
        spacings -= 1 / n
        drawn = np.abs(spacings, out=spacings).sum(axis=1) / 2
        longer += int((drawn >= u - 1e-12).sum())
    return (1 + longer) / (DRAWS + 1)
