"""Contours that hold a share of a map's sum: the smallest regions in which that much of the gradient lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    Floats = NDArray[np.float64]

SMOOTH = 0.05  # width of the smoothing kernel, as a share of the side that the map fills
SHARES = (0.5, 0.95)
BORDER = 2  # pixels around a map, so that what reaches its edge is closed there
BELOW = 0.999  # a level just below a pixel's value, so that the pixel lies inside


def contours(values: NDArray[np.float64], shares: Sequence[float] = SHARES) -> list[str]:
    """For each share ``p`` the path, as SVG has it, around the smallest region that holds ``p`` of the map's sum.

    Of few images a map is grainy: the regions are those of the map smoothed by a Gaussian of 5 % of the side that it
    fills, so that a contour is one line; what it holds is counted in the map as it is. Pixel ``i`` spans ``i`` to
    ``i + 1``. Of an even Gaussian the contour is the circle of radius ``sigma sqrt(-2 ln(1 - p))``.

    >>> contours(np.zeros((4, 4)))
    ['', '']
    """
    flat = np.abs(np.atleast_2d(np.asarray(values, dtype=np.float64)))
    while flat.ndim > 2:
        flat = flat.sum(axis=0)
    if not flat.any():
        return ["" for _ in shares]
    smooth = _smoothed(flat)
    return [_path(smooth, level(smooth, np.pad(flat, BORDER), share)) for share in shares]


def strips(values: NDArray[np.float64], height: int, shares: Sequence[float] = SHARES) -> list[str]:
    """The same of a sequence's map: upright strips of ``height`` over the samples of the smallest sets that hold each
    share.

    >>> strips(np.array([0.0, 1.0, 1.0, 0.0]), 8, shares=(0.9,))
    ['M1 0H3V8H1Z']
    """
    flat = np.abs(np.asarray(values, dtype=np.float64))[None]
    if not flat.any():
        return ["" for _ in shares]
    smooth = _smoothed(flat)
    return [_strips(smooth[BORDER] >= level(smooth, np.pad(flat, BORDER), share), height) for share in shares]


def _strips(held: NDArray[np.bool_], height: int) -> str:
    ends = np.flatnonzero(np.diff(np.r_[False, held, False].astype(int))) - BORDER
    return "".join(f"M{begin} 0H{end}V{height}H{begin}Z" for begin, end in zip(ends[::2], ends[1::2], strict=True))


def _smoothed(flat: Floats) -> Floats:
    """The map, no wider than it was, with a border around it."""
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


def _path(padded: Floats, threshold: float) -> str:
    from contourpy import contour_generator

    lines = contour_generator(z=padded).lines(threshold)
    return "".join(_line(np.asarray(line) - BORDER + 0.5) for line in lines if len(line) > 3)


def _line(points: Floats) -> str:
    """A closed line in whole and tenth pixels."""
    shown = np.round(points, 1)
    kept = shown[np.r_[True, (np.diff(shown, axis=0) != 0).any(axis=1)]]
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in kept) + "Z"
