"""The lattice's own null: how directions fall when each kernel's taps are redrawn, their number kept.

A lattice is not isotropic: of the 36 two-tap masks of a 3 x 3 kernel 9 lie along x and 9 along y, 5 on each diagonal
and 2 on each oblique line. A test against evenly spread angles therefore rejects a perfectly random layer.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rftools.weights.shapes import coordinates, inertia

Complexes = NDArray[np.complex128]
MOST_MASKS = 20_000  # enumerated up to here, sampled beyond


@dataclass(frozen=True)
class Moments:
    """The directions of all masks of one number of taps: distinct ``exp(2 i theta)`` (0 for a mask that has none)
    and each one's probability. ``exact``: enumerated, not sampled.
    """

    values: Complexes
    probabilities: NDArray[np.float64]
    exact: bool


def moments(kernel: tuple[int, ...], taps: int, step: tuple[float, ...], seed: int = 0) -> Moments:
    """The null of one kernel with ``taps`` taps.

    >>> null = moments((3, 3), 2, (1.0, 1.0))
    >>> sorted((null.probabilities * 36).round().astype(int).tolist())
    [2, 2, 2, 2, 5, 5, 9, 9]
    """
    size = math.prod(kernel)
    exact = math.comb(size, taps) <= MOST_MASKS
    masks = _all_masks(size, taps) if exact else _some_masks(size, taps, seed)
    found = inertia(masks.astype(np.float64), coordinates(kernel, step))
    angle = found.angle
    z = np.where(np.isnan(angle), 0, np.exp(2j * np.nan_to_num(angle)))
    rounded = np.round(z, 9) + 0.0
    values, counts = np.unique(rounded, return_counts=True)
    return Moments(values, counts / counts.sum(), exact)


def _all_masks(size: int, taps: int) -> NDArray[np.bool_]:
    chosen = list(itertools.combinations(range(size), taps))
    masks = np.zeros((len(chosen), size), dtype=bool)
    if taps:
        masks[np.arange(len(chosen))[:, None], np.array(chosen)] = True
    return masks


def _some_masks(size: int, taps: int, seed: int) -> NDArray[np.bool_]:
    draw = np.random.default_rng((seed, size, taps))
    order = draw.random((MOST_MASKS, size)).argsort(axis=1)
    masks: NDArray[np.bool_] = order < taps
    return masks


@dataclass(frozen=True)
class LatticeTest:
    """``p`` and its Monte-Carlo standard error; ``radius`` is the 95 % quantile of R under the null."""

    p: float
    error: float
    radius: float
    exact_masks: bool


def lattice_test(
    kernel: tuple[int, ...],
    taps: NDArray[np.int64],
    kernels: NDArray[np.int64],
    length: float,
    *,
    step: tuple[float, ...],
    draws: int = 9999,
    seed: int = 0,
) -> LatticeTest | None:
    """Is R = ``length`` longer than random taps of the same numbers would make it?

    Under the null each kernel's direction is drawn from all masks with its number of taps. Kernels of one number are
    exchangeable, so a layer is one multinomial draw a number of taps, whatever the number of kernels.
    ``p = (1 + draws at least as long) / (1 + draws)``; ties count half a unit at random, so that p is uniform on a
    lattice too.

    Args:
        taps, kernels: how many kernels (``kernels``) have how many taps (``taps``).
    """
    draw = np.random.default_rng((seed, 7))
    total = np.zeros(draws, dtype=np.complex128)
    oriented = np.zeros(draws)
    exact = True
    for count, number in zip(taps.tolist(), kernels.tolist(), strict=True):
        null = moments(kernel, count, step, seed)
        if not np.any(null.values):
            continue
        exact = exact and null.exact
        hits = draw.multinomial(number, null.probabilities, size=draws)
        total += hits @ null.values
        oriented += hits[:, null.values != 0].sum(1)
    if not oriented.any():
        return None
    lengths = np.abs(total) / np.maximum(oriented, 1)
    return _compare(lengths, length, draw, exact)


def _compare(lengths: NDArray[np.float64], length: float, draw: np.random.Generator, exact: bool) -> LatticeTest:
    near = np.abs(lengths - length) < 1e-9
    above = int((lengths > length).sum() - (near & (lengths > length)).sum())
    ties = int(near.sum())
    position = above + draw.integers(0, ties + 1)
    p = (position + 1) / (len(lengths) + 1)
    return LatticeTest(p, math.sqrt(p * (1 - p) / len(lengths)), float(np.quantile(lengths, 0.95)), exact)
