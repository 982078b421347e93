"""The lattice's own null: how directions fall when each kernel's taps are redrawn, their number kept.

A lattice is not isotropic: of the 36 two-tap masks of a 3 x 3 kernel 9 lie along x and 9 along y, 5 on each diagonal
and 2 on each oblique line. A test against evenly spread angles therefore rejects a perfectly random layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rftools.weights.statistics.masks import MaskSums
from rftools.weights.statistics.sampling import KEPT, MaskSample
from rftools.weights.statistics.shapes import Inertia
from rftools.weights.statistics.tail import HARMONICS, Cumulants, cumulants

Complexes = NDArray[np.complex128]
Floats = NDArray[np.float64]
FEW = 20_000  # masks that are always counted
MOST_SAMPLED = 1 << 23
BATCH = 1 << 16  # masks at a time


@dataclass(frozen=True)
class Moments:
    """The directions of all masks of one number of taps and each one's probability. ``exact``: counted, not sampled.

    ``parts`` are what is summed over a layer: real and imaginary part of ``exp(2 i theta)`` (on the sphere six entries
    of ``u u^T``) and, last, whether there is a direction at all; ``(values, 3)`` or ``(values, 7)``. ``correction`` is
    what the mean of sampled parts lacks to its best estimate, ``doubt`` the covariance that this estimate has.
    ``harmonics`` are ``E[cos(2 j theta)]`` over masks with a direction, j = 0 to 4, and ``wavering`` the covariance of
    their estimates.
    """

    parts: Floats | NDArray[np.float32]
    probabilities: Floats
    exact: bool
    correction: Floats
    doubt: Floats
    harmonics: Floats
    wavering: Floats = field(default_factory=lambda: np.zeros((HARMONICS, HARMONICS)))

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

    @cached_property
    def cumulants(self) -> Cumulants:
        """Those of one kernel's ``(c, s, f)``."""
        return cumulants(self.harmonics)


class Null:
    """The nulls of one lattice by number of taps, each worked out when it is first asked for.

    ``step`` is the distance of neighbouring taps along each axis. Layers with the same lattice can share one. All masks
    are counted where that is feasible (`MaskSums.counted`). Elsewhere masks are drawn, with their images in the
    lattice's mirrors and turns; moments that are known in closed form take most of the sample's error off, what is left
    is said (``doubt``), and `grow` makes it less. On symmetric lattices a quarter turn leaves no mean, which is the one
    that matters, so that a small sample will do there.
    """

    most_sampled = MOST_SAMPLED

    def __init__(self, kernel: tuple[int, ...], step: tuple[float, ...], seed: int = 0) -> None:
        self.kernel, self.step, self.seed = kernel, step, seed
        self.symmetric = len(set(kernel)) == 1 and len(set(step)) == 1
        self.size = math.prod(kernel)
        self.masks = MaskSums(kernel)
        self._known: dict[int, Moments] = {}
        self._samples: dict[int, MaskSample] = {}
        self._kept: dict[tuple[float, ...], Floats] = {}

    def __getitem__(self, taps: int) -> Moments:
        """The null of one kernel with so many taps."""
        if taps not in self._known:
            found = self._counted(taps)
            self._known[taps] = self._sampled(taps, KEPT) if found is None else self._exactly(*found)
        return self._known[taps]

    def grow(self, taps: int, number: int) -> bool:
        """Draw so many masks, at most `MOST_SAMPLED`; whether the null is another now."""
        wanted = min(number, self.most_sampled)
        if self[taps].exact or wanted <= self.sampled(taps):
            return False
        self._known[taps] = self._sampled(taps, wanted)
        return True

    def kept(self, key: tuple[float, ...], work: Callable[[], Floats]) -> Floats:
        """What ``work`` gives, worked out once for all layers that share the null."""
        if key not in self._kept:
            self._kept[key] = work()
        return self._kept[key]

    def sampled(self, taps: int) -> int:
        """How many masks were drawn; 0 where all were counted."""
        return self._samples[taps].number if taps in self._samples else 0

    def _counted(self, taps: int) -> tuple[NDArray[np.int64], Floats] | None:
        if math.comb(self.size, taps) <= FEW:
            return self.masks.listed_one_by_one(taps)
        return None if self.symmetric else self.masks.counted(taps)

    def _exactly(self, sums: NDArray[np.int64], masks: Floats) -> Moments:
        z = self._doubled(self.masks.inertia(sums, self.step))
        same = np.rint(z.real * 1e9).astype(np.int64) * 4_000_000_000 + np.rint(z.imag * 1e9).astype(np.int64)
        _, first, which = np.unique(same, return_index=True, return_inverse=True)  # to 9 digits; numbers sort fast
        share = np.bincount(which, weights=masks) / masks.sum()
        z = z[first]
        return Moments(_planar(z), share, True, np.zeros(3), np.zeros((3, 3)), share @ self._values(z))

    def _sampled(self, taps: int, number: int) -> Moments:
        sample = self._samples.setdefault(taps, MaskSample(np.random.default_rng((self.seed, self.size, taps))))
        while sample.number < number:
            directions, controls = self._draw(taps, min(number - sample.number, BATCH), sample.draw)
            sample.add(directions, self._values(directions), controls)
        return self._estimated(sample)

    def _draw(self, taps: int, number: int, draw: np.random.Generator) -> tuple[Any, ...]:
        """Doubled directions of random masks, and moments that go with them, less their known mean."""
        sums = self.masks.drawn(taps, number, draw)
        own = self.masks.inertia(sums, self.step)
        return self._doubled(own), self.masks.controls(own, taps, self.step)

    def _estimated(self, sample: MaskSample) -> Moments:
        few: Complexes = sample.first
        harmonics, covariance = sample.estimate(HARMONICS)
        if self.symmetric:
            harmonics[1::2] = 0.0
            covariance[1::2] = covariance[:, 1::2] = 0.0
        images = [few, few.conj(), -few, -few.conj()] if self.symmetric else [few, few.conj()]
        parts = _planar(np.concatenate(images)).astype(np.float32)  # many numbers of taps are held at once
        lacks: Floats = np.array([harmonics[1], 0.0, harmonics[0]]) - parts.astype(np.float64).mean(axis=0)
        doubt = np.zeros((3, 3))
        doubt[::2, ::2] = covariance[1::-1, 1::-1]
        alike = np.broadcast_to(1 / len(parts), len(parts))
        return Moments(parts, alike, False, lacks, doubt, harmonics, covariance)

    def _values(self, z: Any) -> Floats:
        """``cos(2 j theta)`` of masks with a direction, j = 0 to 4: Chebyshev's polynomials of the cosine."""
        cosine = np.asarray(z.real, dtype=np.float64)
        found = [(np.abs(z) > 0.5).astype(np.float64), cosine]
        for _ in range(2, HARMONICS):
            found.append(2 * cosine * found[-1] - found[-2])
        return np.stack(found, axis=1)

    def _doubled(self, own: Floats) -> Complexes:
        return Inertia(own[:, 0, 0], own[:, 0, 1], own[:, 1, 1], np.ones(len(own))).doubled


def _planar(z: Complexes) -> Floats:
    return np.stack([z.real, z.imag, z != 0], axis=1)


def moments(kernel: tuple[int, ...], taps: int, step: tuple[float, ...], seed: int = 0) -> Moments:
    """The null of one kernel with ``taps`` taps.

    >>> null = moments((3, 3), 2, (1.0, 1.0))
    >>> sorted((null.probabilities * 36).round().astype(int).tolist())
    [2, 2, 2, 2, 5, 5, 9, 9]
    """
    return Null(kernel, step, seed)[taps]
