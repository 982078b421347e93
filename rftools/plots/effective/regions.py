"""The smallest regions that hold a share of a map's sum, and the lines around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    Floats = NDArray[np.float64]

SMOOTH = 0.05  # width of the smoothing kernel, as a share of the side that the map fills
BORDER = 2  # pixels around a map, so that what reaches its edge is closed there
BELOW = 0.999  # a level just below a pixel's value, so that the pixel lies inside
RAGGED = 1.3  # lines longer than this many times the outline of their box show the map's grain, not a region


def smoothed(flat: NDArray[np.float64]) -> NDArray[np.float64]:
    """A map smoothed by a Gaussian of 5 % of the side that it fills, no wider than it was, with a border around it."""
    from scipy.ndimage import gaussian_filter

    rows, columns = (np.flatnonzero(flat.any(axis)) for axis in (1, 0))
    sides = [float(np.ptp(found)) + 1 for found in (rows, columns)]
    sigma = [SMOOTH * side if extent > 1 else 0.0 for side, extent in zip(sides, flat.shape, strict=True)]
    soft = np.zeros_like(flat)
    hull = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    soft[hull] = gaussian_filter(flat[hull], sigma, mode="nearest")
    return np.pad(soft, BORDER)


def level(order: NDArray[np.float64], values: NDArray[np.float64], share: float) -> float:
    """The level of ``order`` such that the pixels at or above it hold ``share`` of the sum of ``values``.

    >>> level(np.array([4.0, 3.0, 2.0, 1.0]), np.array([4.0, 3.0, 2.0, 1.0]), 0.5)
    2.997
    """
    falling = np.argsort(order, axis=None)[::-1]
    held = np.cumsum(values.ravel()[falling])
    return BELOW * float(order.ravel()[falling[np.searchsorted(held, share * held[-1])]])


def rings(flat: NDArray[np.float64], shares: Sequence[float]) -> list[list[NDArray[np.float64]]]:
    """For each share ``p`` the closed lines ``(points, 2)``, x before y, around the smallest region that holds ``p``.

    Of few images a map is grainy: regions are those of the map smoothed by a Gaussian of 5 % of the side that it
    fills; what they hold is counted in the map as it is. Pixel ``i`` spans ``i`` to ``i + 1``. Where the region is
    scattered all the same (a flat map of noise), its lines would show the grain alone: there are none then.

    >>> [len(lines) for lines in rings(np.ones((8, 8)), (0.5, 1.0))], rings(np.zeros((4, 4)), (0.5,))
    ([1, 1], [[]])
    """
    from contourpy import contour_generator

    if not flat.any():
        return [[] for _ in shares]
    smooth = smoothed(flat)
    found = []
    for share in shares:
        threshold = level(smooth, np.pad(flat, BORDER), share)
        lines = [np.asarray(line) - BORDER + 0.5 for line in contour_generator(z=smooth).lines(threshold)]
        found.append([] if _ragged(lines) else [one for one in lines if len(one) > 3])
    return found


def _ragged(lines: Sequence[Floats]) -> bool:
    length = sum(float(np.hypot(*np.diff(line, axis=0).T).sum()) for line in lines)
    return bool(lines) and length > RAGGED * 2 * float(np.ptp(np.concatenate(lines), axis=0).sum())
