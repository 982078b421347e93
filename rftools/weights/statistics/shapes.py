"""The shape of kernels: inertia of their taps, lines and planes, the box they span.

Coordinates: ``x`` runs along the last axis to the right, ``y`` up, so a row index counts against ``y``; angles are
axial, modulo 180 degrees, 0 along ``x``, counter-clockwise as seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
TOLERANCE = 1e-9
THIN = 1e-6  # a spread below is none: taps on a line


def coordinates(kernel: tuple[int, ...], step: tuple[float, ...] | None = None) -> Floats:
    """Tap positions ``(taps, rank)`` in the order of a flattened kernel; columns are x, y (and z) with y up.

    ``step`` is the distance of neighbouring taps along each tensor axis (dilation times jump, in input pixels).

    >>> coordinates((1, 3)).tolist()
    [[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]
    """
    steps = step or (1.0,) * len(kernel)
    grids = np.meshgrid(*[(np.arange(k) - (k - 1) / 2) * s for k, s in zip(kernel, steps, strict=True)], indexing="ij")
    columns = [grid.reshape(-1) for grid in grids][::-1]  # the last tensor axis is x
    if len(columns) > 1:
        columns[1] = -columns[1]
    return np.stack(columns, axis=1) + 0.0


@dataclass(frozen=True)
class Inertia:
    """Inertia of 2-D kernels about their centroids, one entry each: ``xx, xy, yy`` and the mass."""

    xx: Floats
    xy: Floats
    yy: Floats
    mass: Floats

    def only(self, chosen: NDArray[np.bool_]) -> Inertia:
        return Inertia(self.xx[chosen], self.xy[chosen], self.yy[chosen], self.mass[chosen])

    @cached_property
    def anisotropy(self) -> Floats:
        """``(l1 - l2) / (l1 + l2)`` of the eigenvalues: 0 isotropic (or a point), 1 a line."""
        trace = self.xx + self.yy
        difference = np.hypot(self.xx - self.yy, 2 * self.xy)
        return np.divide(difference, trace, out=np.zeros_like(trace), where=trace > TOLERANCE)

    @cached_property
    def angle(self) -> Floats:
        """``atan2(2 Mxy, Mxx - Myy) / 2`` in radians, in [0, pi); NaN where there is no direction."""
        angle = np.mod(np.arctan2(2 * self.xy, self.xx - self.yy) / 2, np.pi)
        angle = np.where(angle > np.pi - 1e-12, 0.0, angle)
        return np.where(self.anisotropy > TOLERANCE, angle, np.nan)

    @cached_property
    def doubled(self) -> Complexes:
        """``exp(2 i theta)`` without its angle; 0 where there is no direction."""
        moment = (self.xx - self.yy) + 2j * self.xy
        return np.divide(moment, np.abs(moment), out=np.zeros_like(moment), where=self.anisotropy > TOLERANCE)


def inertia(mass: Floats, positions: Floats) -> Inertia:
    """Inertia of kernels ``mass`` ``(kernels, taps)`` at ``positions`` ``(taps, 2)``.

    ``mu = sum m p / sum m``; ``M = sum m (p - mu)(p - mu)^T / sum m``.

    >>> cross_minus_one_arm = np.array([[0, 1, 0, 1, 1, 1, 0, 0, 0.0]])
    >>> inertia(cross_minus_one_arm, coordinates((3, 3))).anisotropy.round(4).tolist()
    [0.4545]
    """
    total = mass.sum(1)
    safe = np.where(total > 0, total, 1.0)
    x, y = positions[:, 0], positions[:, 1]
    mean_x, mean_y, xx, xy, yy = (mass @ np.stack([x, y, x * x, x * y, y * y], axis=1)).T / safe
    return Inertia(
        xx=np.maximum(xx - mean_x**2, 0.0),
        xy=xy - mean_x * mean_y,
        yy=np.maximum(yy - mean_y**2, 0.0),
        mass=total,
    )


def rank_of(alive: NDArray[np.bool_], kernel: tuple[int, ...]) -> NDArray[np.int64]:
    """-1 for a dead kernel, else the dimension its taps span: 0 a point, 1 a line, 2 a plane, 3 a volume."""
    if len(kernel) == 2:
        return _planar_rank(alive, kernel)
    positions = coordinates(kernel)
    count = alive.sum(1)
    safe = np.maximum(count, 1)
    mean = alive @ positions / safe[:, None]
    second = np.einsum("kt,ti,tj->kij", alive.astype(np.float64), positions, positions, optimize=True)
    spread = second / safe[:, None, None] - mean[:, :, None] * mean[:, None, :]
    rank = (np.linalg.eigvalsh(spread) > THIN).sum(1) if len(alive) else np.zeros(0, dtype=np.int64)
    return np.where(count == 0, -1, rank).astype(np.int64)


def _planar_rank(alive: NDArray[np.bool_], kernel: tuple[int, ...]) -> NDArray[np.int64]:
    """The same from the closed form of a 2 x 2 matrix's eigenvalues."""
    own = inertia(alive.astype(np.float64), coordinates(kernel))
    trace, difference = own.xx + own.yy, np.hypot(own.xx - own.yy, 2 * own.xy)
    rank = (trace + difference > 2 * THIN).astype(np.int64) + (trace - difference > 2 * THIN)
    return np.where(own.mass == 0, -1, rank)


def spans_box(alive: NDArray[np.bool_], kernel: tuple[int, ...]) -> NDArray[np.bool_]:
    """Whether each kernel's taps still reach both ends of every axis of the full kernel."""
    taps = alive.reshape(-1, *kernel)
    full: NDArray[np.bool_] = np.ones(len(taps), dtype=bool)
    for axis in range(len(kernel)):
        others = tuple(a + 1 for a in range(len(kernel)) if a != axis)
        profile = np.asarray(taps.any(axis=others) if others else taps)
        full &= profile[:, 0] & profile[:, -1]
    return full
