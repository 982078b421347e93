"""Contours that hold a share of a map's sum: the smallest regions in which that much of the gradient lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.plots.effective.regions import BORDER, level, rings, smoothed

if TYPE_CHECKING:
    Floats = NDArray[np.float64]

SHARES = (0.5, 0.95)


def contours(values: NDArray[np.float64], shares: Sequence[float] = SHARES) -> list[str]:
    """For each share ``p`` the path, as SVG has it, around the smallest region that holds ``p`` of the map's sum.

    Pixel ``i`` spans ``i`` to ``i + 1``. Of an even Gaussian the contour is the circle of radius
    ``sigma sqrt(-2 ln(1 - p))``. A region that is scattered all over the map has none (`rings`).

    >>> contours(np.zeros((4, 4)))
    ['', '']
    """
    flat = np.abs(np.atleast_2d(np.asarray(values, dtype=np.float64)))
    while flat.ndim > 2:
        flat = flat.sum(axis=0)
    return ["".join(_line(line) for line in lines) for lines in rings(flat, shares)]


def strips(values: NDArray[np.float64], height: int, shares: Sequence[float] = SHARES) -> list[str]:
    """The same of a sequence's map: upright strips of ``height`` over the samples of the smallest sets that hold each
    share.

    >>> strips(np.array([0.0, 1.0, 1.0, 0.0]), 8, shares=(0.9,))
    ['M1 0H3V8H1Z']
    """
    flat = np.abs(np.asarray(values, dtype=np.float64))[None]
    if not flat.any():
        return ["" for _ in shares]
    smooth = smoothed(flat)
    return [_strips(smooth[BORDER] >= level(smooth, np.pad(flat, BORDER), share), height) for share in shares]


def _strips(held: NDArray[np.bool_], height: int) -> str:
    ends = np.flatnonzero(np.diff(np.r_[False, held, False].astype(int))) - BORDER
    return "".join(f"M{begin} 0H{end}V{height}H{begin}Z" for begin, end in zip(ends[::2], ends[1::2], strict=True))


def _line(points: Floats) -> str:
    """A closed line in whole and tenth pixels."""
    shown = np.round(points, 1)
    kept = shown[np.r_[True, (np.diff(shown, axis=0) != 0).any(axis=1)]]
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in kept) + "Z"
