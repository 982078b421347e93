"""Statistics of axial directions (modulo 180 degrees)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def resultant(angles: Floats, counts: Floats | None = None) -> tuple[float, float | None]:
    """The length ``R`` and the direction (radians, in [0, pi)) of ``mean(exp(2 i theta))``.

    >>> length, mean = resultant(np.radians([10.0, 170.0]))
    >>> round(length, 4), round(math.degrees(mean), 4) % 180
    (0.9397, 0.0)
    """
    weights = np.ones_like(angles) if counts is None else counts
    total = float(weights.sum())
    if total <= 0:
        return math.nan, None
    z = complex((weights * np.exp(2j * angles)).sum()) / total
    if abs(z) < 1e-12:
        return abs(z), None
    mean = (math.atan2(z.imag, z.real) / 2) % math.pi
    return abs(z), 0.0 if mean > math.pi - 1e-12 else mean


def rayleigh(n: float, length: float) -> float:
    """The Rayleigh test's p: ``exp(sqrt(1 + 4n + 4 n^2 (1 - R^2)) - (1 + 2n))`` (Zar, Biostatistical Analysis).

    >>> round(rayleigh(50, 0.2), 4)
    0.1353
    """
    return float(min(1.0, math.exp(math.sqrt(1 + 4 * n + 4 * n * n * max(0.0, 1 - length * length)) - (1 + 2 * n))))


def benjamini_hochberg(p_values: list[float | None]) -> list[float | None]:
    """False-discovery-adjusted p-values; None stays None and does not count.

    >>> benjamini_hochberg([0.01, None, 0.04])
    [0.02, None, 0.04]
    """
    from scipy.stats import false_discovery_control

    known = [p for p in p_values if p is not None]
    if not known:
        return list(p_values)
    adjusted = iter(false_discovery_control(known).tolist())
    return [None if p is None else float(next(adjusted)) for p in p_values]
