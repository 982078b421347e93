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
from rftools.weights.statistics.sphere import longest_axes, products, tensors

Complexes = NDArray[np.complex128]
Floats = NDArray[np.float64]
MOST_MASKS = {True: 20_000, False: 400_000}  # enumerated up to here, sampled beyond; True: symmetric lattices
SAMPLED = 2_000  # masks drawn for a number of taps that has more
EACH = 64  # masks sampled a kernel where the lattice has a direction of its own: their error stays small beside chance
MOST_SAMPLED = 1 << 18


@dataclass(frozen=True)
class Moments:
    """The directions of all masks of one number of taps and each one's probability. ``exact``: enumerated, not sampled.

    ``parts`` are what is summed over a layer: real and imaginary part of ``exp(2 i theta)`` (on the sphere six entries
    of ``u u^T``) and, last, whether there is a direction at all; ``(values, 3)`` or ``(values, 7)``. ``correction`` is
    what the mean of sampled parts lacks to its best estimate, ``doubt`` the covariance that this estimate has.
    """

    parts: Floats | NDArray[np.float32]
    probabilities: Floats
    exact: bool
    correction: Floats
    doubt: Floats

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
        return mean + self.correction, covariance


class Null:
    """The nulls of one lattice by number of taps, each worked out when it is first asked for.

    ``step`` is the distance of neighbouring taps along each axis. Layers with the same lattice can share one. Where
    masks are too many to enumerate and no quarter turn makes their directions cancel, the mean of a sample would pull
    every layer's test one way; so the sample grows with the number of kernels (`EACH`), its mean is corrected by
    moments that are known in closed form, and what error it has left enters the test.
    """

    def __init__(self, kernel: tuple[int, ...], step: tuple[float, ...], seed: int = 0) -> None:
        self.kernel, self.step, self.seed = kernel, step, seed
        self.symmetric = len(set(kernel)) == 1 and len(set(step)) == 1
        self.size = math.prod(kernel)
        self._known: dict[int, tuple[int, Moments]] = {}  # with the masks that were sampled
        self._ranks: list[NDArray[np.int32]] = []
        self._normals: dict[tuple[int, int, int], Floats] = {}

    def __getitem__(self, taps: int) -> Moments:
        return self.moments(taps, 1)

    def moments(self, taps: int, kernels: int) -> Moments:
        """The null of one kernel with ``taps`` taps, exact enough for the sum of so many ``kernels``."""
        wanted = SAMPLED if self.symmetric else min(max(EACH * kernels, SAMPLED), MOST_SAMPLED)
        blocks = 0 if self._enumerated(taps) else -(-wanted // SAMPLED)
        if taps not in self._known or self._known[taps][0] < blocks:
            self._known[taps] = blocks, self._work_out(taps, blocks)
        return self._known[taps][1]

    def normals(self, seed: int, draws: int, width: int) -> Floats:
        """Standard normal numbers ``(draws, width)``, the same for all layers that share the null."""
        if (seed, draws, width) not in self._normals:
            draw = np.random.default_rng((seed, 9))
            self._normals = {(seed, draws, width): draw.standard_normal((draws, width))}
        return self._normals[seed, draws, width]

    def _enumerated(self, taps: int) -> bool:
        return math.comb(self.size, taps) <= MOST_MASKS[self.symmetric]

    def _work_out(self, taps: int, blocks: int) -> Moments:
        if not blocks:
            return self._enumerate(_all_masks(self.size, taps))
        found = [self._sampled(self._block(place) < taps) for place in range(blocks)]
        parts = np.concatenate([own for own, _ in found])  # (masks, images of each, entries)
        controls = np.concatenate([own for _, own in found])
        return _estimated(parts, controls - self._expected(taps))

    def _enumerate(self, masks: NDArray[np.bool_]) -> Moments:
        z = inertia(masks.astype(np.float64), coordinates(self.kernel, self.step)).doubled
        same = np.rint(z.real * 1e9).astype(np.int64) * 4_000_000_000 + np.rint(z.imag * 1e9).astype(np.int64)
        _, first, counts = np.unique(same, return_index=True, return_counts=True)  # to 9 digits; numbers sort fast
        return Moments(_planar(z[first]), counts / counts.sum(), True, np.zeros(3), np.zeros((3, 3)))

    def _sampled(self, masks: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Parts of masks and of their images in mirrors and turns, so that sampling has no bias by symmetry; and the
        moments that go with them, whose mean is known.
        """
        own = inertia(masks.astype(np.float64), coordinates(self.kernel, self.step))
        z = own.doubled
        images = [z, z.conj(), -z, -z.conj()] if self.symmetric else [z, z.conj()]
        parts = np.stack([_planar(image) for image in images], axis=1)
        return parts, np.stack([own.xx - own.yy, own.xx + own.yy], axis=1)

    def _expected(self, taps: int) -> Floats:
        """The mean of what goes with the samples: ``E Mxx = (1 - 1/t) N/(N-1) var x`` of t of N taps."""
        x, y = coordinates(self.kernel, self.step).T
        share = (1 - 1 / taps) * self.size / (self.size - 1)
        return share * np.array([x.var() - y.var(), x.var() + y.var()])

    def _block(self, place: int) -> NDArray[np.int32]:
        """Taps in random orders ``(SAMPLED, taps)``: the first t of each are a random mask of t taps."""
        while len(self._ranks) <= place:
            seeds = (self.seed, self.size) if not self._ranks else (self.seed, self.size, len(self._ranks))
            order = np.random.default_rng(seeds).random((SAMPLED, self.size), dtype=np.float32).argsort(axis=1)
            ranks = np.empty(order.shape, dtype=np.int32 if self.size > 256 else np.uint8)
            np.put_along_axis(ranks, order, np.arange(self.size, dtype=ranks.dtype)[None], axis=1)
            self._ranks.append(ranks)
        return self._ranks[place]


def _estimated(parts: Floats, controls: Floats) -> Moments:
    """The moments of sampled masks, all as probable; many numbers of taps are held at once, so they are kept small.

    ``controls`` ``(masks, quantities)`` have mean 0: what parts have in common with them is taken off the mean's error.
    """
    own = parts.mean(axis=1)
    mean = own.mean(axis=0)
    slope = np.linalg.lstsq(controls - controls.mean(axis=0), own - mean, rcond=None)[0]
    rest = own - mean - (controls - controls.mean(axis=0)) @ slope
    flat = parts.swapaxes(0, 1).reshape(-1, parts.shape[2]).astype(np.float32)
    alike = np.broadcast_to(1 / len(flat), len(flat))
    return Moments(flat, alike, False, -controls.mean(axis=0) @ slope, rest.T @ rest / len(rest) ** 2)


def _planar(z: Complexes) -> Floats:
    return np.stack([z.real, z.imag, z != 0], axis=1)


class SphereNull(Null):
    """The nulls of a 3-D lattice: how the longest axes of random masks lie."""

    def _enumerated(self, taps: int) -> bool:
        return math.comb(self.size, taps) <= MOST_MASKS[True]

    def _enumerate(self, masks: NDArray[np.bool_]) -> Moments:
        parts, _ = self._entries(masks)
        alike = np.full(len(parts), 1 / len(parts))
        return Moments(_with_flag(parts), alike, True, np.zeros(7), np.zeros((7, 7)))

    def _entries(self, masks: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """The longest axes, 0 where there is none, and the inertia's diagonal."""
        found = tensors(masks.astype(np.float64), coordinates(self.kernel, self.step))
        has, axis = longest_axes(found)
        return np.where(has[:, None], axis, 0.0), np.einsum("kii->ki", found)

    def _sampled(self, masks: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        axis, diagonal = self._entries(masks)
        signs = np.array([[1, 1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]])  # mirrored, and on a cube turned
        orders = list(itertools.permutations(range(3))) if self.symmetric else [(0, 1, 2)]
        images = [axis[:, order] * sign for order in orders for sign in signs]
        return np.stack([_with_flag(image) for image in images], axis=1), diagonal

    def _expected(self, taps: int) -> Floats:
        spread: Floats = coordinates(self.kernel, self.step).var(axis=0)
        return (1 - 1 / taps) * self.size / (self.size - 1) * spread


def _with_flag(axis: Floats) -> Floats:
    """The six entries of ``u u^T`` and whether there is an axis."""
    return np.concatenate([products(axis), axis.any(axis=1, keepdims=True)], axis=1)


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
