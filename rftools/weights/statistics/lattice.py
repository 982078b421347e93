"""Tests of a layer's directions against its lattice's own null: is R, or the order of axes, longer than by chance?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rftools.weights.statistics.null import Moments, Null, SphereNull
from rftools.weights.statistics.sphere import symmetric

Floats = NDArray[np.float64]
NORMAL_FROM = {True: 64, False: 5000}  # kernels that make a layer's sum normal; True: symmetric lattices
SPHERE_NORMAL_FROM = 1000  # of 3-D kernels
SAME = 1e-8  # lengths closer than this are the same
COARSE = 0.1  # a share of ties above this decides nothing


@dataclass(frozen=True)
class LatticeTest:
    """``p`` and its standard error, by the number of draws and by that of sampled masks; ``radius`` is the 95 %
    quantile of R under the null. ``exact_masks``: the directions that kernels can have were enumerated, not sampled.
    """

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
    null: Null | None = None,
) -> LatticeTest | None:
    """Is R = ``length`` longer than random taps of the same numbers would make it?

    Under the null each kernel's direction is drawn from all masks with its number of taps, and R is worked out anew;
    ``p = (1 + draws at least as long) / (1 + draws)``. Draws exactly as long as ``length`` come before or after it at
    random, so that p is uniform on a lattice too; where they are more than a tenth (a handful of kernels) they all
    count, since so little can decide nothing.

    From 64 kernels on (5,000 on a lattice that a quarter turn changes) the layer's sums are drawn from the normal
    distribution with their exact mean and covariance: with no skewness the error of p = 0.05 is about 0.05 / n, a third
    of what the draws' own number leaves open.

    Args:
        taps, kernels: how many kernels (``kernels``) have how many taps (``taps``).
        null: that of the lattice, if it is at hand.

    >>> test = lattice_test((3, 3), np.array([2]), np.array([100]), 0.05, step=(1.0, 1.0))
    >>> bool(abs(test.p - np.exp(-100 * 0.05**2)) < 0.05), test.exact_masks  # Rayleigh's, roughly
    (True, True)
    """
    null = null or Null(kernel, step, seed)
    draw = np.random.default_rng((seed, 7))
    groups = _groups(null, taps, kernels)
    if not groups:
        return None
    if sum(n for _, n in groups) >= NORMAL_FROM[null.symmetric]:
        sums = _normal_sums(groups, null.normals(seed, draws, 3))
    else:
        sums = _drawn(groups, draws, draw)
    lengths = np.sqrt(sums[:, 0] ** 2 + sums[:, 1] ** 2) / np.maximum(sums[:, 2], 1)
    return _compare(lengths, length, draw, all(group.exact for group, _ in groups), _shift(groups, 2))


def sphere_test(
    null: SphereNull,
    taps: NDArray[np.int64],
    kernels: NDArray[np.int64],
    order: float,
    *,
    draws: int = 9999,
    seed: int | None = None,
) -> LatticeTest | None:
    """The same for axes on the sphere: is ``order = (3 l1 - 1) / 2``, l1 the largest eigenvalue of the mean ``u u^T``,
    larger than random taps of the same numbers would make it? ``radius`` is the 95 % quantile of the order.

    >>> test = sphere_test(SphereNull((3, 3, 3), (1.0,) * 3), np.array([2]), np.array([50]), 0.9, draws=999)
    >>> test.p
    0.001
    """
    seed = null.seed if seed is None else seed
    draw = np.random.default_rng((seed, 7))
    groups = _groups(null, taps, kernels)
    if not groups:
        return None
    if sum(n for _, n in groups) >= SPHERE_NORMAL_FROM:
        sums = _normal_sums(groups, null.normals(seed, draws, 7))
    else:
        sums = _drawn(groups, draws, draw)
    means = symmetric(sums[:, :6] / np.maximum(sums[:, 6:], 1))
    orders = (3 * np.linalg.eigvalsh(means)[:, 2] - 1) / 2
    return _compare(orders, order, draw, all(group.exact for group, _ in groups), 1.5 * _shift(groups, 6))


def _groups(null: Null, taps: NDArray[np.int64], kernels: NDArray[np.int64]) -> list[tuple[Moments, int]]:
    """The nulls of the numbers of taps that occur and have directions, with how many kernels have them."""
    groups = [(null.moments(t, n), n) for t, n in zip(taps.tolist(), kernels.tolist(), strict=True) if n and t]
    return [(group, n) for group, n in groups if group.directed]


def _drawn(groups: list[tuple[Moments, int]], draws: int, draw: np.random.Generator) -> Floats:
    """Layers' sums under the null ``(draws, parts)``, drawn kernel by kernel."""
    width = groups[0][0].parts.shape[1]
    sums = sum((_drawn_sums(group, n, draws, draw) for group, n in groups), np.zeros((draws, width)))
    doubt = _doubt(groups)
    if not doubt.any():
        return sums
    mean = np.sum([n * group.correction for group, n in groups], axis=0)
    return sums + mean + draw.standard_normal((draws, width)) @ _root(doubt).T


def _doubt(groups: list[tuple[Moments, int]]) -> Floats:
    """The covariance of the sum's mean, which is not known exactly where masks were sampled."""
    doubt: Floats = np.sum([n * n * group.doubt for group, n in groups], axis=0)
    return doubt


def _root(covariance: Floats) -> Floats:
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = vectors * np.sqrt(np.maximum(values, 0))
    return root


def _normal_sums(groups: list[tuple[Moments, int]], normals: Floats) -> Floats:
    """The same from the normal distribution that has the sums' exact mean and covariance."""
    both = [group.mean_and_covariance for group, _ in groups]
    mean = np.sum([n * m for (m, _), (_, n) in zip(both, groups, strict=True)], axis=0)
    covariance = np.sum([n * c for (_, c), (_, n) in zip(both, groups, strict=True)], axis=0) + _doubt(groups)
    sums: Floats = mean + normals @ _root(covariance).T
    return sums


def _drawn_sums(group: Moments, number: int, draws: int, draw: np.random.Generator) -> Floats:
    """Sums over ``number`` kernels: kernel by kernel, or, where that is less, how many have each direction."""
    if number > len(group.parts):
        return np.asarray(draw.multinomial(number, group.probabilities, size=draws) @ group.parts, dtype=np.float64)
    parts = np.asarray(group.parts)
    total = np.zeros((draws, parts.shape[1]))
    edges = np.cumsum(group.probabilities)[:-1]
    for _ in range(number):
        which = (
            np.searchsorted(edges, draw.random(draws), side="right")
            if group.exact
            else draw.integers(0, len(parts), draws)
        )
        total += np.asarray(parts[which], dtype=np.float64)
    return total


def _shift(groups: list[tuple[Moments, int]], entries: int) -> float:
    """How far the sampling of masks may have moved the layer's mean, one standard deviation."""
    directed = sum(n * float(group.mean_and_covariance[0][-1]) for group, n in groups)
    largest = float(np.linalg.eigvalsh(_doubt(groups)[:entries, :entries])[-1])
    return math.sqrt(max(largest, 0.0)) / max(directed, 1.0)


def _high_end(lengths: Floats) -> float:
    """The 95 % quantile, without a full sort."""
    place = 0.95 * (len(lengths) - 1)
    low = int(place)
    part = np.partition(lengths, (low, min(low + 1, len(lengths) - 1)))
    return float(part[low] + (place - low) * (part[min(low + 1, len(lengths) - 1)] - part[low]))


def _compare(lengths: Floats, length: float, draw: np.random.Generator, exact: bool, shift: float) -> LatticeTest:
    ties = int((np.abs(lengths - length) < SAME).sum())
    longer = int((lengths >= length + SAME).sum())
    position = longer + (ties if ties > COARSE * len(lengths) else int(draw.integers(0, ties + 1)))
    p = (position + 1) / (len(lengths) + 1)
    moved = 0.0 if shift == 0 else float((np.abs(lengths - length) < shift).mean()) / 2
    return LatticeTest(p, math.hypot(math.sqrt(p * (1 - p) / len(lengths)), moved), _high_end(lengths), exact)
