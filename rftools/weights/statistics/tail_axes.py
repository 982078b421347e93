"""How likely the axes of a 3-D layer are at least so ordered, without draws.

Kernels add ``u u^T``; the layer's sum S has the trace N, how many have an axis. Its order is at least
``(3 x - 1) / 2`` where the largest eigenvalue of ``S - x tr(S) 1`` is not below 0: outside a convex body of the six
entries of S. These have a normal density with a correction by the third and fourth cumulants, as in `tail`; it is
integrated along rays from the mean, where the body's edge is an eigenvalue and the integral a gamma function.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rftools.weights.statistics.sphere import symmetric
from rftools.weights.statistics.tail import Cumulants, along_all

Floats = NDArray[np.float64]
RAYS = 1 << 11  # pairs of opposite ones
THINNEST = 1e-7  # of a kernel: variances below are none
DEGREES = 7  # powers of the radius in the correction
QUANTILE_STEPS = 8
COARSE = 4
FAR = 12.0  # standard deviations, beyond which nothing is left


@dataclass(frozen=True)
class Rays:
    """A layer's sum in standard coordinates along rays: ``centre`` and ``turned`` ``(rays, 3, 3)`` are its mean and
    what a standard deviation along each ray adds; ``powers`` ``(rays, 7)`` the correction by powers of the radius,
    those of the fourth cumulants and of the third squared apart (``last``).
    """

    dimensions: int
    centre: Floats
    turned: Floats
    powers: Floats
    last: Floats

    @classmethod
    def of(cls, layer: Cumulants, fewer: int = 1) -> Rays | None:
        """``fewer`` times fewer rays. None where nothing varies."""
        values, vectors = np.linalg.eigh(layer.second)
        loose = values > THINNEST * max(float(layer.mean[:3].sum()), 1.0)
        if not loose.any():
            return None
        dimensions = int(loose.sum())
        root = vectors[:, loose] * np.sqrt(values[loose])
        whiten = (vectors[:, loose] / np.sqrt(values[loose])).T
        rays = _directions(dimensions)[: 2 * RAYS // fewer]
        powers, last = _by_powers(along_all(layer.third, whiten), along_all(layer.fourth, whiten), rays.T)
        return cls(dimensions, symmetric(layer.mean), symmetric(rays @ root.T), powers, last)


def axes_tail(layer: Cumulants, order: float, rays: Rays | None = None) -> tuple[float, float]:
    """The probability of an order of at least ``order``, and how much of it the fourth cumulants' part is.

    >>> from rftools.weights.statistics.null_axes import SphereNull
    >>> from rftools.weights.statistics.tail import total
    >>> layer = total([200], [SphereNull((2, 2, 2), (1.0,) * 3)[2].cumulants])
    >>> [round(axes_tail(layer, order)[0], 2) for order in (0.02, 0.08, 0.15)]
    [0.99, 0.14, 0.0]
    """
    rays = rays or Rays.of(layer)
    if rays is None:
        return 1.0, 0.0
    bound = (2 * order + 1) / 3 * np.eye(3)
    centre = rays.centre - bound * np.trace(rays.centre)
    turned = rays.turned - bound * np.trace(rays.turned, axis1=1, axis2=2)[:, None, None]
    own = np.linalg.eigvalsh(centre)
    if own[-1] < -1e-9 * abs(own[0]):
        parts = _beyond(_edge(centre, turned), rays.dimensions)
    else:
        parts = _outside(centre, turned, rays.dimensions)
    last = float((parts * rays.last).sum(axis=1).mean())
    return min(max(float((parts * rays.powers).sum(axis=1).mean()) + last, 0.0), 1.0), abs(last)


def axes_quantile(layer: Cumulants, level: float) -> float:
    """The order that a share ``level`` of layers exceeds: by halving."""
    rays = Rays.of(layer, COARSE)
    number = float(layer.mean[:3].sum())
    centre = float(np.linalg.eigvalsh(symmetric(layer.mean))[-1]) / number
    low = max((3 * centre - 1) / 2, 0.0)
    high = min(low + 9 * math.sqrt(float(np.linalg.eigvalsh(layer.second)[-1])) / number, 1.0)
    for _ in range(QUANTILE_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if axes_tail(layer, middle, rays)[0] > level else (low, middle)
    ends = [axes_tail(layer, own, rays)[0] for own in (low, high)]
    share = 0.5 if ends[0] <= ends[1] else (ends[0] - level) / (ends[0] - ends[1])
    return low + min(max(share, 0.0), 1.0) * (high - low)


def _edge(centre: Floats, turned: Floats) -> Floats:
    """How far along each ray from inside the largest eigenvalue of ``centre + r turned`` reaches 0."""
    values, vectors = np.linalg.eigh(-centre)
    half = (vectors / np.sqrt(values)) @ vectors.T
    largest = np.linalg.eigvalsh(half @ turned @ half)[:, 2]
    return np.asarray(np.divide(1.0, largest, out=np.full(len(largest), np.inf), where=largest > 1e-300))


def _outside(centre: Floats, turned: Floats, dimensions: int) -> Floats:
    """The same where the mean itself lies outside of the body: each ray leaves out the stretch that lies inside."""
    found = np.repeat(_beyond(np.zeros(1), dimensions), len(turned), axis=0)
    edges = np.pad(_crossings(centre, turned), ((0, 0), (1, 1)), constant_values=(0.0, FAR))
    for near, far in itertools.pairwise(edges.T):
        middle = (near + far)[:, None, None] / 2
        inside = (far > near) & (np.linalg.eigvalsh(centre + middle * turned)[:, 2] < 0)
        found -= inside[:, None] * (_beyond(near, dimensions) - _beyond(far, dimensions))
    return found


def _crossings(centre: Floats, turned: Floats) -> Floats:
    """Where along each ray ``det(centre + r turned)`` is 0, ``(rays, 3)`` from 0 to `FAR`, rising."""
    unit = np.linalg.norm(centre)
    one, other = np.broadcast_to(centre / unit, turned.shape), turned / unit
    cubic = np.linalg.det(other)
    cubic = np.where(np.abs(cubic) < 1e-12, 1e-12, cubic)
    factors = (np.linalg.det(one), (_adjugate(one) * other).sum((1, 2)), (_adjugate(other) * one).sum((1, 2)))
    companion = np.zeros_like(turned)
    companion[:, 1, 0] = companion[:, 2, 1] = 1.0
    companion[:, :, 2] = -np.stack(factors, axis=1) / cubic[:, None]
    roots = np.linalg.eigvals(companion)
    real = np.abs(roots.imag) < 1e-6 * (1 + np.abs(roots.real))
    return np.sort(np.where(real & (roots.real > 0), np.minimum(roots.real, FAR), FAR), axis=1)


def _adjugate(matrix: Floats) -> Floats:
    """``M^2 - tr(M) M + (tr(M)^2 - tr(M^2)) / 2`` of symmetric 3 x 3 matrices."""
    square, trace = matrix @ matrix, np.trace(matrix, axis1=1, axis2=2)[:, None, None]
    rest = (trace**2 - np.trace(square, axis1=1, axis2=2)[:, None, None]) / 2
    return np.asarray(square - trace * matrix + rest * np.eye(3))


def _beyond(radius: Floats, dimensions: int) -> Floats:
    """``E[r^k; r > radius]`` of a standard normal vector's length r, k = 0 to 6: ``(radii, 7)``."""
    from scipy.special import gamma, gammaincc

    half = np.minimum(radius, 1e3)[:, None] ** 2 / 2
    shapes = (dimensions + np.arange(DEGREES)) / 2
    size = 2 ** (np.arange(DEGREES) / 2) * gamma(shapes) / gamma(dimensions / 2)
    return np.asarray(size * gammaincc(shapes, half), dtype=np.float64)


@cache
def _directions(dimensions: int) -> Floats:
    """Directions evenly through the sphere, each with its opposite: a Sobol sequence through the normal quantiles."""
    from scipy.stats import norm, qmc

    points = qmc.Sobol(dimensions, scramble=False).random(RAYS) + 0.5 / RAYS
    rays = norm.ppf(points)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    return np.stack([rays, -rays], axis=1).reshape(-1, dimensions)


def _by_powers(third: Floats, fourth: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Edgeworth's terms along unit vectors ``y`` ``(dimensions, rays)`` by powers of the radius, ``(rays, 7)``: with 1
    and the third cumulants', and the fourth's with the third squared (`tail._corrections`, of any dimension).
    """
    size = len(y)
    pairs = (y[:, None] * y).reshape(size * size, -1)
    matrix, vector = third.reshape(size * size, size) @ y, third.reshape(size, size * size) @ pairs
    trace, inner = np.einsum("iik->k", third), np.einsum("iikl->kl", fourth)
    cube, line = (vector * y).sum(0), trace @ y
    four = ((fourth.reshape(size * size, -1) @ pairs) * pairs).sum(0)
    two = inner.ravel() @ pairs
    skewed, rest = np.zeros((2, DEGREES, y.shape[1]))
    skewed[0], skewed[1], skewed[3] = 1.0, -line / 2, cube / 6
    rest[6] = cube * cube / 72
    rest[4] = four / 24 - (6 * line * cube + 9 * (vector * vector).sum(0)) / 72
    rest[2] = -two / 4 + (line * line + 2 * trace @ vector + 2 * (matrix * matrix).sum(0)) / 8
    rest[0] = np.trace(inner) / 8 - trace @ trace / 8 - (third * third).sum() / 12
    return skewed.T, rest.T
