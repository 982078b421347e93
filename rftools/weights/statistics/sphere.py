"""Orientation of 3-D kernels: axes on the sphere, from the inertia tensors of their taps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Axes:
    """A layer's axes. ``kernels`` have mass, ``oriented`` of them one longest axis; ``anisotropy`` is their mean.

    ``eigenvalues`` and ``mean_axis`` (x, y up, z) are those of the mean of ``u u^T`` over oriented kernels, the
    statistic that a Bingham distribution depends on; ``order = (3 l1 - 1) / 2`` is 0 for axes all round and 1 for one
    direction; ``order_low`` and ``order_high`` are its 95 % interval. ``pooled_*`` are those of all kernels' inertia
    together.
    """

    kernels: int
    oriented: int
    anisotropy: float
    eigenvalues: tuple[float, ...] | None
    mean_axis: tuple[float, ...] | None
    order: float | None
    pooled_anisotropy: float
    pooled_rank: int
    order_low: float | None = None
    order_high: float | None = None


def fractional_anisotropy(eigenvalues: Floats) -> Floats:
    """``sqrt(3/2) |l - mean l| / |l|`` of ``(..., 3)``: 0 for a ball, 1 for a line (Basser and Pierpaoli 1996,
    doi:10.1006/jmrb.1996.0086).

    >>> fractional_anisotropy(np.array([[0.0, 0, 2], [1, 1, 1], [0, 1, 1]])).round(4).tolist()
    [1.0, 0.0, 0.7071]
    """
    off = np.linalg.norm(eigenvalues - eigenvalues.mean(axis=-1, keepdims=True), axis=-1)
    size = np.linalg.norm(eigenvalues, axis=-1)
    found: Floats = np.sqrt(1.5) * np.divide(off, size, out=np.zeros_like(off), where=size > TOLERANCE)
    return found


def tensors(mass: Floats, positions: Floats) -> Floats:
    """Inertia ``(kernels, 3, 3)`` of kernels ``mass`` ``(kernels, taps)`` about their centroids; 0 where no tap is."""
    total = np.maximum(mass.sum(1), 1e-300)
    mean = mass @ positions / total[:, None]
    second = np.einsum("kt,ti,tj->kij", mass, positions, positions, optimize=True) / total[:, None, None]
    found: Floats = second - mean[:, :, None] * mean[:, None, :]
    return found


def longest_axes(inertia: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Which kernels have one longest axis, and it, ``(kernels, 3)``."""
    values, vectors = np.linalg.eigh(inertia)
    return values[:, 2] - values[:, 1] > TOLERANCE, vectors[:, :, 2]


def products(axis: Floats) -> Floats:
    """The six different entries of ``u u^T``: xx, yy, zz, xy, xz, yz, ``(axes, 6)``."""
    x, y, z = axis.T
    return np.stack([x * x, y * y, z * z, x * y, x * z, y * z], axis=1)


def symmetric(entries: Floats) -> Floats:
    """The matrices ``(..., 3, 3)`` whose entries `products` lists."""
    return entries[..., np.array([[0, 3, 4], [3, 1, 5], [4, 5, 2]])]


def axes(mass: Floats, counts: Floats, positions: Floats) -> Axes:
    """The axes of kernels ``mass`` ``(distinct, taps)``, each ``counts`` times, at ``positions`` ``(taps, 3)``.

    >>> cube = np.stack(np.meshgrid([-1.0, 0, 1], [-1.0, 0, 1], [-1.0, 0, 1], indexing="ij"), -1).reshape(-1, 3)
    >>> along_x = (np.abs(cube[:, 1:]).sum(1) == 0).astype(float)
    >>> found = axes(along_x[None], np.array([5.0]), cube)
    >>> found.mean_axis, round(found.order, 9), round(found.anisotropy, 9), found.pooled_rank
    ((1.0, 0.0, 0.0), 1.0, 1.0, 1)
    """
    has = mass.sum(1) > 0
    mass, counts = mass[has], counts[has]
    inertia = tensors(mass, positions)
    values = np.linalg.eigvalsh(inertia).astype(np.float64)
    one, longest = longest_axes(inertia)
    own = np.linalg.eigvalsh(np.tensordot(counts, inertia, axes=1)).astype(np.float64)
    rank = int((own > TOLERANCE * max(1.0, float(own[2]))).sum())
    spread = eigen = None
    if one.any():
        entries = products(longest[one])
        spread, eigen = np.linalg.eigh(symmetric(counts[one] @ entries / counts[one].sum()))
    return Axes(
        kernels=int(counts.sum()),
        oriented=int(counts[one].sum()),
        anisotropy=float(counts @ fractional_anisotropy(values) / counts.sum()),
        eigenvalues=None if spread is None else tuple(float(v) for v in spread[::-1]),
        mean_axis=None if eigen is None or spread is None else _leading(spread, eigen),
        order=None if spread is None else float((3 * spread[2] - 1) / 2),
        pooled_anisotropy=float(fractional_anisotropy(own)),
        pooled_rank=rank,
    )


def _leading(values: Floats, vectors: Floats) -> tuple[float, ...] | None:
    """The leading axis, its largest component positive; None where two are equally long."""
    if values[2] - values[1] < TOLERANCE:
        return None
    axis = vectors[:, 2]
    axis = axis * np.sign(axis[np.abs(axis).argmax()])
    return tuple(float(v) for v in np.round(axis, 12) + 0.0)
