"""Tests of a layer's directions against its lattice's own null: is R longer than by chance?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rftools.weights.statistics.null import Moments, Null
from rftools.weights.statistics.sums import all_sums
from rftools.weights.statistics.tail import Cumulants, quantile, tail, total

Floats = NDArray[np.float64]
Groups = list[tuple[int, int]]  # numbers of taps, and how many kernels have them
EXPANDED_FROM = 16  # kernels whose sum has a density that is worth correcting
SAME = 1e-8  # lengths closer than this are the same
SMALLEST = 1e-4  # no p below: it says no more, and the expansion is not meant for it
EXACT_ENOUGH = 0.1  # of p, the most that what is not known may move it; and of chance, what it may be beside it
LEVEL = 0.05
MORE = 10  # times the draws where few of them were as long


@dataclass(frozen=True)
class LatticeTest:
    """``p``, at least 0.0001, and its ``error``; ``radius`` is the 95 % quantile of R under the null.
    ``exact_masks``: the directions that kernels can have were counted, not sampled.

    ``how``: ``counted``, every layer that there can be was (no error); ``expansion``, from the sum's cumulants (the
    error is what the fourth ones add, more than what is missing, and what sampled masks leave open); ``draws`` (one
    standard error); ``filters``, where those and not kernels are independent.
    """

    p: float
    error: float
    radius: float
    exact_masks: bool
    how: str = "draws"


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

    Under the null each kernel's direction is that of a random mask with its number of taps; p is the probability of an
    R of at least ``length``. Where layers are few enough all are counted; where the sum's density is known well enough
    from its cumulants (`tail`) it is integrated: neither draws anything. Else R is drawn, ``p = (1 + draws at least as
    long) / (1 + draws)``, ten times as often where fewer than 100 were.

    Args:
        taps: the numbers of taps that there are.
        kernels: how many kernels have each of them.
        draws: how many layers, where R is drawn.
        seed: of these, and of sampled masks.
        null: that of the lattice, if it is at hand.

    >>> test = lattice_test((3, 3), np.array([2]), np.array([100]), 0.05, step=(1.0, 1.0))
    >>> bool(abs(test.p - np.exp(-100 * 0.05**2)) < 0.05), test.how  # Rayleigh's, roughly
    (True, 'expansion')
    """
    null = null or Null(kernel, step, seed)
    groups = groups_of(null, taps, kernels)
    if not groups:
        return None
    found = _counted(null, groups, length)
    if found is None and sum(n for _, n in groups) >= EXPANDED_FROM:
        found = _expanded(null, groups, length)
    return found or _by_draws(null, groups, length, draws, np.random.default_rng((seed, 7)))


def _counted(null: Null, groups: Groups, length: float) -> LatticeTest | None:
    """By every layer that there can be, where they are few."""
    if not all(null[t].exact for t, _ in groups):
        return None
    found = all_sums([(null[t].parts, null[t].probabilities, n) for t, n in groups])
    if found is None:
        return None
    sums, shares = found
    lengths = np.hypot(sums[:, 0], sums[:, 1]) / np.maximum(sums[:, 2], 1)
    order = np.argsort(lengths)
    below = np.cumsum(shares[order])
    place = min(int(np.searchsorted(below, 1 - LEVEL - 1e-12)), len(order) - 1)
    radius = float(lengths[order][place])
    p = 1 - float(shares[lengths < length - SAME].sum())
    return LatticeTest(min(max(p, SMALLEST), 1.0), 0.0, radius, True, "counted")


def _expanded(null: Null, groups: Groups, length: float) -> LatticeTest | None:
    """By the sum's cumulants; None where they say too little of so small a p."""
    layer = _layer(null, groups)
    if min(layer.second[0, 0], layer.second[1, 1]) < 1e-3 * layer.mean[2]:
        return None  # all on one line: no density in the plane
    while True:
        p, last = tail(layer, length)
        moved = _moved(null, groups, layer, length, p)
        beside = _wavering(null, groups, 1) / math.sqrt(layer.second[0, 0])
        if not grown(null, groups, max(moved / max(p, SMALLEST), beside) / EXACT_ENOUGH):
            break
        layer = _layer(null, groups)
    if not trusted(p, last):
        return None
    exact = all(null[t].exact for t, _ in groups)
    return LatticeTest(max(p, SMALLEST), math.hypot(last, moved), quantile(layer, LEVEL), exact, "expansion")


def trusted(p: float, last: float) -> bool:
    """Whether the expansion's last part says that what follows it does not matter, or p is too small to be given."""
    return last <= EXACT_ENOUGH * p or p + last <= SMALLEST


def _layer(null: Null, groups: Groups) -> Cumulants:
    """The cumulants of the layer's sum; what sampled masks leave open of its mean counts as spread."""
    found = total([n for _, n in groups], [null[t].cumulants for t, _ in groups])
    found.second[0, 0] += sum(n * n * float(null[t].wavering[1, 1]) for t, n in groups)
    return found


def _moved(null: Null, groups: Groups, layer: Cumulants, length: float, p: float) -> float:
    """How far the sampling of masks may have moved p, one standard deviation: by the sum's mean and its shape (m_2)."""
    mean, shape = _wavering(null, groups, 1), _wavering(null, groups, 2)
    if not mean and not shape:
        return 0.0

    def moved(along: float, turned: float) -> float:
        second = layer.second + np.diag([turned / 2, -turned / 2, 0.0])
        other = Cumulants(layer.mean + np.array([along, 0.0, 0.0]), second, layer.third, layer.fourth)
        return abs(tail(other, length)[0] - p)

    by_mean = max(moved(mean, 0.0), moved(-mean, 0.0)) if mean else 0.0
    return math.hypot(by_mean, moved(0.0, shape))


def _wavering(null: Null, groups: Groups, harmonic: int) -> float:
    """The standard deviation that sampled masks leave open of the sum of a harmonic."""
    return math.sqrt(sum(n * n * float(null[t].wavering[harmonic, harmonic]) for t, n in groups))


def grown(null: Null, groups: Groups, times: float) -> bool:
    """Draw more masks where their error is so many times what it may be; whether there were more to draw."""
    if times <= 1:
        return False
    more = min(max(1.5 * times**2, 2.0), 64.0)
    grown = [null.grow(t, int(more * null.sampled(t))) for t, _ in groups]
    return any(grown)


def _by_draws(null: Null, groups: Groups, length: float, draws: int, draw: np.random.Generator) -> LatticeTest:
    own = [(null[t], n) for t, n in groups]

    def lengths(number: int) -> Floats:
        sums = drawn(own, number, draw)
        return np.asarray(np.hypot(sums[:, 0], sums[:, 1]) / np.maximum(sums[:, 2], 1))

    return compared(lengths, length, draws, own, shift(own, 2))


def compared(
    lengths: Callable[[int], Floats], length: float, draws: int, groups: list[tuple[Moments, int]], shift: float
) -> LatticeTest:
    """From draws of R, ten times as many where fewer than 100 are as long as ``length``."""
    found = lengths(draws)
    if (found >= length - SAME).sum() < 100:
        found = np.concatenate([found, lengths((MORE - 1) * draws)])
    p = (1 + float((found >= length - SAME).sum())) / (1 + len(found))
    moved = 0.0 if shift == 0 else float((np.abs(found - length) < shift).mean()) / 2
    error = math.hypot(math.sqrt(p * (1 - p) / len(found)), moved)
    return LatticeTest(max(p, SMALLEST), error, high_end(found), all(group.exact for group, _ in groups))


def groups_of(null: Null, taps: NDArray[np.int64], kernels: NDArray[np.int64]) -> Groups:
    """The numbers of taps that occur and whose masks can have a direction, with how many kernels have them."""
    return [(t, n) for t, n in zip(taps.tolist(), kernels.tolist(), strict=True) if n and t and null[t].directed]


def drawn(groups: list[tuple[Moments, int]], draws: int, draw: np.random.Generator) -> Floats:
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


def shift(groups: list[tuple[Moments, int]], entries: int) -> float:
    """How far the sampling of masks may have moved the layer's mean, one standard deviation."""
    directed = sum(n * float(group.mean_and_covariance[0][-1]) for group, n in groups)
    largest = float(np.linalg.eigvalsh(_doubt(groups)[:entries, :entries])[-1])
    return math.sqrt(max(largest, 0.0)) / max(directed, 1.0)


def high_end(lengths: Floats) -> float:
    """The 95 % quantile, without a full sort."""
    place = 0.95 * (len(lengths) - 1)
    low = int(place)
    part = np.partition(lengths, (low, min(low + 1, len(lengths) - 1)))
    return float(part[low] + (place - low) * (part[min(low + 1, len(lengths) - 1)] - part[low]))
