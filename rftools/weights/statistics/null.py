"""The lattice's own null: how directions fall when each kernel's taps are redrawn, their number kept.

A lattice is not isotropic: of the 36 two-tap masks of a 3 x 3 kernel 9 lie along x and 9 along y, 5 on each diagonal
and 2 on each oblique line. A test against evenly spread angles therefore rejects a perfectly random layer.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rftools.weights.statistics.shapes import coordinates, inertia
from rftools.weights.statistics.sphere import longest_axes, products, symmetric, tensors

Complexes = NDArray[np.complex128]
Floats = NDArray[np.float64]
MOST_MASKS = 20_000  # enumerated up to here, sampled beyond
SAMPLED = 2_000  # masks drawn for a number of taps that has more
NORMAL_FROM = {True: 64, False: 5000}  # kernels that make a layer's sum normal; True: symmetric lattices
SPHERE_NORMAL_FROM = 1000  # of 3-D kernels
SAME = 1e-8  # lengths closer than this are the same
COARSE = 0.1  # a share of ties above this decides nothing


@dataclass(frozen=True)
class Moments:
    """The directions of all masks of one number of taps and each one's probability. ``exact``: enumerated, not sampled.

    ``parts`` are what is summed over a layer: real and imaginary part of ``exp(2 i theta)`` (on the sphere six entries
    of ``u u^T``) and, last, whether there is a direction at all; ``(values, 3)`` or ``(values, 7)``.
    """

    parts: Floats | NDArray[np.float32]
    probabilities: Floats
    exact: bool

    @property
    def values(self) -> Complexes:
        """``exp(2 i theta)``, 0 for a mask without a direction."""
        return self.parts[:, 0] + 1j * self.parts[:, 1]

    @cached_property
    def directed(self) -> bool:
        """Whether any mask has a direction."""
        return bool(self.parts[:, -1].any())

    @cached_property
    def mean_and_covariance(self) -> tuple[Floats, Floats]:
        parts = self.parts.astype(np.float64)
        mean = self.probabilities @ parts
        centred = parts - mean
        covariance: Floats = (self.probabilities[:, None] * centred).T @ centred
        return mean, covariance


class Null:
    """The nulls of one lattice by number of taps, each worked out when it is first asked for.

    ``step`` is the distance of neighbouring taps along each axis. Layers with the same lattice can share one.
    """

    def __init__(self, kernel: tuple[int, ...], step: tuple[float, ...], seed: int = 0) -> None:
        self.kernel, self.step, self.seed = kernel, step, seed
        self.symmetric = len(set(kernel)) == 1 and len(set(step)) == 1
        self._known: dict[int, Moments] = {}
        self._normals: dict[tuple[int, int, int], Floats] = {}

    def __getitem__(self, taps: int) -> Moments:
        if taps not in self._known:
            self._known[taps] = self._work_out(taps)
        return self._known[taps]

    def normals(self, seed: int, draws: int, width: int) -> Floats:
        """Standard normal numbers ``(draws, width)``, the same for all layers that share the null."""
        if (seed, draws, width) not in self._normals:
            draw = np.random.default_rng((seed, 9))
            self._normals = {(seed, draws, width): draw.standard_normal((draws, width))}
        return self._normals[seed, draws, width]

    def _work_out(self, taps: int) -> Moments:
        masks, exact = self._masks(taps)
        z = inertia(masks.astype(np.float64), coordinates(self.kernel, self.step)).doubled
        if not exact:  # a lattice looks the same in a mirror, a square one after a quarter turn: no bias from sampling
            z = np.concatenate([z, z.conj()])
            z = np.concatenate([z, -z]) if self.symmetric else z
            return _alike(_planar(z))
        same = np.rint(z.real * 1e9).astype(np.int64) * 4_000_000_000 + np.rint(z.imag * 1e9).astype(np.int64)
        _, first, counts = np.unique(same, return_index=True, return_counts=True)  # to 9 digits; numbers sort fast
        return Moments(_planar(z[first]), counts / counts.sum(), exact)

    def _masks(self, taps: int) -> tuple[NDArray[np.bool_], bool]:
        """All masks with so many taps, or seeded ones where there are too many; and which of the two."""
        size = math.prod(self.kernel)
        exact = math.comb(size, taps) <= MOST_MASKS
        return (_all_masks(size, taps) if exact else self._ranks < taps), exact

    @cached_property
    def _ranks(self) -> NDArray[np.int32]:
        """Taps in random orders ``(SAMPLED, taps)``: the first t of each are a random mask of t taps."""
        size = math.prod(self.kernel)
        order = np.random.default_rng((self.seed, size)).random((SAMPLED, size), dtype=np.float32).argsort(axis=1)
        ranks = np.empty(order.shape, dtype=np.int32)
        np.put_along_axis(ranks, order, np.arange(size, dtype=np.int32)[None], axis=1)
        return ranks


def _alike(parts: Floats) -> Moments:
    """The moments of sampled masks, all as probable; many numbers of taps are held at once, so they are kept small."""
    return Moments(parts.astype(np.float32), np.broadcast_to(1 / len(parts), len(parts)), exact=False)


def _planar(z: Complexes) -> Floats:
    return np.stack([z.real, z.imag, z != 0], axis=1)


class SphereNull(Null):
    """The nulls of a 3-D lattice: how the longest axes of random masks lie."""

    def _work_out(self, taps: int) -> Moments:
        masks, exact = self._masks(taps)
        has, axis = longest_axes(tensors(masks.astype(np.float64), coordinates(self.kernel, self.step)))
        axis = np.where(has[:, None], axis, 0.0)
        if not exact:  # no bias from sampling: mirrored, and on a cube turned
            signs = np.array([[1, 1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]])
            orders = list(itertools.permutations(range(3))) if self.symmetric else [(0, 1, 2)]
            axis = np.concatenate([axis[:, order] * sign for order in orders for sign in signs])
        parts = np.concatenate([products(axis), axis.any(axis=1, keepdims=True)], axis=1)
        return Moments(parts, np.full(len(parts), 1 / len(parts)), exact) if exact else _alike(parts)


def moments(kernel: tuple[int, ...], taps: int, step: tuple[float, ...], seed: int = 0) -> Moments:
    """The null of one kernel with ``taps`` taps.

    >>> null = moments((3, 3), 2, (1.0, 1.0))
    >>> sorted((null.probabilities * 36).round().astype(int).tolist())
    [2, 2, 2, 2, 5, 5, 9, 9]
    """
    return Null(kernel, step, seed)[taps]


def _all_masks(size: int, taps: int) -> NDArray[np.bool_]:
    number = math.comb(size, taps)
    numbers = itertools.chain.from_iterable(itertools.combinations(range(size), taps))
    chosen = np.fromiter(numbers, dtype=np.int64, count=number * taps).reshape(number, taps)
    masks = np.zeros((number, size), dtype=bool)
    masks[np.arange(number)[:, None], chosen] = True
    return masks


@dataclass(frozen=True)
class LatticeTest:
    """``p`` and its Monte-Carlo standard error; ``radius`` is the 95 % quantile of R under the null.
    ``exact_masks``: the directions that kernels can have were enumerated, not sampled.
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
    return _compare(lengths, length, draw, all(group.exact for group, _ in groups))


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
    return _compare(orders, order, draw, all(group.exact for group, _ in groups))


def _groups(null: Null, taps: NDArray[np.int64], kernels: NDArray[np.int64]) -> list[tuple[Moments, int]]:
    """The nulls of the numbers of taps that occur and have directions, with how many kernels have them."""
    groups = [(null[t], n) for t, n in zip(taps.tolist(), kernels.tolist(), strict=True) if n and t]
    return [(group, n) for group, n in groups if group.directed]


def _drawn(groups: list[tuple[Moments, int]], draws: int, draw: np.random.Generator) -> Floats:
    """Layers' sums under the null ``(draws, parts)``, drawn kernel by kernel."""
    width = groups[0][0].parts.shape[1]
    return sum((_drawn_sums(group, n, draws, draw) for group, n in groups), np.zeros((draws, width)))


def _normal_sums(groups: list[tuple[Moments, int]], normals: Floats) -> Floats:
    """The same from the normal distribution that has the sums' exact mean and covariance."""
    both = [group.mean_and_covariance for group, _ in groups]
    mean = np.sum([n * m for (m, _), (_, n) in zip(both, groups, strict=True)], axis=0)
    covariance = np.sum([n * c for (_, c), (_, n) in zip(both, groups, strict=True)], axis=0)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    sums: Floats = mean + normals @ root.T
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


def _high_end(lengths: Floats) -> float:
    """The 95 % quantile, without a full sort."""
    place = 0.95 * (len(lengths) - 1)
    low = int(place)
    part = np.partition(lengths, (low, min(low + 1, len(lengths) - 1)))
    return float(part[low] + (place - low) * (part[min(low + 1, len(lengths) - 1)] - part[low]))


def _compare(lengths: Floats, length: float, draw: np.random.Generator, exact: bool) -> LatticeTest:
    ties = int((np.abs(lengths - length) < SAME).sum())
    longer = int((lengths >= length + SAME).sum())
    position = longer + (ties if ties > COARSE * len(lengths) else int(draw.integers(0, ties + 1)))
    p = (position + 1) / (len(lengths) + 1)
    return LatticeTest(p, math.sqrt(p * (1 - p) / len(lengths)), _high_end(lengths), exact)
