"""Signed weights: which way a kernel rises, and how much of it is a blob, an edge or a line.

Survivors alone can't tell an edge detector from a line of equal taps; the signs can.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rftools.weights.statistics.axial import rayleigh
from rftools.weights.statistics.shapes import coordinates

Floats = NDArray[np.float64]
BATCH = 1 << 15


@dataclass(frozen=True)
class Signed:
    """A layer's signed structure. Shares of its energy ``sum w^2`` by how kernels answer to a quarter turn:
    ``order_0`` unchanged (blobs), ``order_1`` the odd part (edges), ``order_2`` the sign flips (lines); they add
    up to 1. Where kernels are not square only half turns are possible, and ``order_0`` is None: ``order_2`` is then all
    of the even part.

    ``gradient_angle`` is the mean direction (degrees in [0, 360), counter-clockwise, y up) of ``sum w p``, in which a
    kernel's weights rise; ``gradient_resultant`` its length over ``directed`` kernels, ``p_rayleigh`` its test.
    """

    order_0: float | None
    order_1: float
    order_2: float
    directed: int
    gradient_angle: float | None
    gradient_resultant: float | None
    p_rayleigh: float | None


def energies(kernels: Floats) -> Floats:
    """Energy of orders 0, 1, 2 of square kernels ``(n, k, k)``, ``(n, 3)``; they add up to ``sum w^2``.

    With ``r`` the quarter turn, ``(w + rw + rrw + rrrw) / 4`` is order 0, ``(w - rrw) / 2`` order 1 (with 3), and
    ``(w - rw + rrw - rrrw) / 4`` order 2: the steerable decomposition that a square lattice allows exactly, angular
    orders modulo 4.

    >>> edge = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    >>> line = np.array([[-1.0, 2, -1], [-1, 2, -1], [-1, 2, -1]])
    >>> energies(np.stack([edge, line, np.ones((3, 3))])).tolist()
    [[0.0, 12.0, 0.0], [9.0, 0.0, 9.0], [9.0, 0.0, 0.0]]
    """
    once, half = np.rot90(kernels, 1, axes=(1, 2)), np.rot90(kernels, 2, axes=(1, 2))
    thrice = np.rot90(kernels, 3, axes=(1, 2))
    parts = ((kernels + once + half + thrice) / 4, (kernels - half) / 2, (kernels - once + half - thrice) / 4)
    return np.stack([(part**2).sum(axis=(1, 2)) for part in parts], axis=1)


def signed(weight: NDArray[np.float32], step: tuple[float, ...]) -> Signed:
    """The signed structure of a weight ``(out, in per group, height, width)`` that is not all zero."""
    kernels = weight.reshape(-1, *weight.shape[2:])
    positions = coordinates(weight.shape[2:], step)
    largest = float(np.abs(kernels).max())
    square = weight.shape[2] == weight.shape[3]
    total, rise, directed = np.zeros(3), 0j, 0
    for first in range(0, len(kernels), BATCH):
        part = kernels[first : first + BATCH].astype(np.float64) / largest
        total += (energies(part) if square else _parities(part)).sum(axis=0)
        slope = part.reshape(len(part), -1) @ positions @ np.array([1, 1j])
        length = np.abs(slope)
        steep = length > 1e-9 * np.abs(part).sum(axis=(1, 2))
        rise += complex((slope[steep] / length[steep]).sum())
        directed += int(steep.sum())
    shares = (total / total.sum()).tolist()
    resultant = abs(rise) / directed if directed else None
    return Signed(
        order_0=shares[0] if square else None,
        order_1=shares[1],
        order_2=shares[2],
        directed=directed,
        gradient_angle=math.degrees(math.atan2(rise.imag, rise.real)) % 360
        if resultant and resultant > 1e-12
        else None,
        gradient_resultant=resultant,
        p_rayleigh=None if resultant is None else rayleigh(directed, min(1.0, resultant)),
    )


def _parities(kernels: Floats) -> Floats:
    half = kernels[:, ::-1, ::-1]
    odd, even = (((kernels - half) / 2) ** 2).sum(axis=(1, 2)), (((kernels + half) / 2) ** 2).sum(axis=(1, 2))
    return np.stack([np.zeros_like(odd), odd, even], axis=1)
