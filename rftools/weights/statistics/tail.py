"""How likely a layer's resultant is at least so long: the distribution of a sum of many kernels, without draws.

A kernel adds ``(c, s, f)`` to its layer: cosine and sine of its doubled angle, and whether it has one. By the lattice's
mirrors all moments of these up to the fourth follow from five numbers, ``m_j = E[f cos(2 j theta)]``, j = 0 to 4. The
layer's sum has a normal density with a correction by its third and fourth cumulants (Edgeworth's; Bhattacharya and
Ghosh 1978, doi:10.1214/aos/1176344134). It is integrated where the sum's length is at least R times its number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HARMONICS = 5
NODES = {False: (12, 12, 5), True: (32, 24, 7)}  # angles, lengths, numbers directed; True: with a mean
QUANTILE_STEPS = 6
FAR = 8.5  # standard deviations, beyond which nothing is left
SAME = 1e-9  # of a kernel: variances below are none


@dataclass(frozen=True)
class Cumulants:
    """The mean ``(3,)`` and the second to fourth cumulants of a sum of ``(c, s, f)``."""

    mean: Floats
    second: Floats
    third: Floats
    fourth: Floats

    @cached_property
    def standard(self) -> Standard:
        return Standard.of(self)

    def turned(self) -> Cumulants:
        """The same with the cosine's sign changed."""
        turn = np.array([-1.0, 1.0, 1.0])
        both = np.multiply.outer(turn, turn)
        third = self.third * np.multiply.outer(both, turn)
        return Cumulants(self.mean * turn, self.second * both, third, self.fourth * np.multiply.outer(both, both))


@dataclass(frozen=True)
class Standard:
    """A sum in standard coordinates: ``along`` and ``across`` are the deviations of the cosine (what follows its number
    taken off, ``slope`` each) and the sine, ``number`` that of how many have a direction, 0 where it is fixed.
    """

    slope: float
    along: float
    across: float
    number: float
    third: Floats
    fourth: Floats

    @classmethod
    def of(cls, layer: Cumulants) -> Standard:
        second = layer.second
        loose = bool(second[2, 2] > SAME * max(layer.mean[2], 1.0))
        slope = float(second[0, 2] / second[2, 2]) if loose else 0.0
        along, across = math.sqrt(second[0, 0] - slope * second[0, 2]), math.sqrt(second[1, 1])
        number = math.sqrt(second[2, 2]) if loose else 0.0
        whiten = np.array([[1 / along, 0, -slope / along], [0, 1 / across, 0], [0, 0, 1 / number if loose else 0]])
        return cls(slope, along, across, number, along_all(layer.third, whiten), along_all(layer.fourth, whiten))


def along_all(tensor: Floats, matrix: Floats) -> Floats:
    """The tensor with the matrix applied to each of its axes."""
    for _ in range(tensor.ndim):
        tensor = np.tensordot(tensor, matrix, axes=(0, 1))
    return tensor


def cumulants(harmonics: Floats) -> Cumulants:
    """Those of one kernel from ``m_0`` to ``m_4``: of 16 directions with the weights that give these harmonics.

    >>> own = cumulants(np.array([1.0, 0.0, 0.16, 0.0, 0.0]))  # two taps of 3 x 3: E[cos 4 theta] = 0.16
    >>> (own.mean + 1e-12).round(9).tolist(), own.second.diagonal().round(9).tolist()
    ([0.0, 0.0, 1.0], [0.58, 0.42, 0.0])
    """
    angle = 2 * np.pi * np.arange(16) / 16
    waves = np.cos(np.arange(HARMONICS)[:, None] * angle)
    weights = np.append((2 * harmonics @ waves - harmonics[0]) / 16, 1 - harmonics[0])
    parts = np.zeros((17, 3))
    parts[:16] = np.stack([np.cos(angle), np.sin(angle), np.ones(16)], axis=1)
    mean = weights @ parts
    own = parts - mean
    second = (weights[:, None] * own).T @ own
    third = np.einsum("n,ni,nj,nk->ijk", weights, own, own, own, optimize=True)
    fourth = np.einsum("n,ni,nj,nk,nl->ijkl", weights, own, own, own, own, optimize=True)
    pairs = second[:, :, None, None] * second
    return Cumulants(mean, second, third, fourth - pairs - pairs.swapaxes(1, 2) - pairs.swapaxes(1, 3))


def total(kernels: list[int], each: list[Cumulants]) -> Cumulants:
    """The cumulants of a layer with so many ``kernels`` of each kind."""

    def added(name: str) -> Floats:
        found: Floats = sum((n * getattr(own, name) for n, own in zip(kernels, each, strict=True)), np.zeros(()))
        return found

    return Cumulants(added("mean"), added("second"), added("third"), added("fourth"))


def tail(layer: Cumulants, length: float) -> tuple[float, float]:
    """The probability of a resultant of at least ``length``, and how much of it the fourth cumulants' part is.

    >>> one = cumulants(np.array([1.0, 0.0, 0.0, 0.0, 0.0]))  # any direction: exp(-n R^2) and its correction by 1/n
    >>> round(tail(total([100], [one]), 0.17)[0], 4), round(math.exp(-2.89) * (1 + (2 * 2.89 - 2.89**2) / 400), 4)
    (0.0552, 0.0552)
    """
    if layer.mean[0] < 0:
        layer = layer.turned()
    points, weights = _nodes(layer, length)
    skewed, rest = _corrections(layer.standard.third, layer.standard.fourth, points)
    last = float(weights @ rest)
    return min(max(float(weights.sum()) + float(weights @ skewed) + last, 0.0), 1.0), abs(last)


def quantile(layer: Cumulants, level: float) -> float:
    """The R that a share ``level`` of layers exceeds: by secants in ``(R^2, log p)``, where p is nearly a line."""
    number = layer.mean[2]
    centre, deviation = abs(layer.mean[0]) / number, math.sqrt(max(layer.second[0, 0], layer.second[1, 1])) / number
    wanted = math.log(level)
    squares, logs = [centre**2 - 2 * wanted * deviation**2], [0.0]
    for step in range(QUANTILE_STEPS):
        length = math.sqrt(squares[-1])
        logs.append(math.log(max(tail(layer, length)[0], 1e-12)))
        off = logs[-1] - wanted
        if abs(off) < 1e-3:
            break
        slope = -max(length - centre, deviation) / (2 * length * deviation**2)  # a normal tail's, at first
        if step and logs[-1] != logs[-2]:
            slope = (logs[-1] - logs[-2]) / (squares[-1] - squares[-2])
        squares.append(max(squares[-1] - off / slope, squares[-1] / 4))
    return min(math.sqrt(squares[-1]), 1.0)


def _nodes(layer: Cumulants, length: float) -> tuple[Floats, Floats]:
    """Points of the region in standard coordinates ``(3, points)`` and their normal weights. The mirror about the
    cosine's axis halves the region.
    """
    own, mean = layer.standard, layer.mean
    width = max(own.along, own.across)
    angles, lengths, numbers = NODES[bool(mean[0] > width)]
    third, share = _numbers(numbers) if own.number else (np.zeros(1), np.ones(1))
    angle, length_, weight = _polar(angles, lengths)
    start = np.maximum(length * (mean[2] + own.number * third), 0.0)
    centre = mean[0] + own.slope * own.number * third
    near = np.maximum(start, centre - FAR * width)
    reach = np.maximum(near, centre) + FAR * width - near
    turn = math.pi if mean[0] < FAR * width else min(math.pi, FAR * width / mean[0])
    radius = near[:, None] + reach[:, None] * length_
    x = (radius * np.cos(turn * angle) - centre[:, None]) / own.along
    y = radius * np.sin(turn * angle) / own.across
    weight = (share * reach)[:, None] * weight * radius * (turn / (math.pi * own.along * own.across))
    points = np.stack([x.ravel(), y.ravel(), np.repeat(third, len(angle))])
    return points, (weight * np.exp(-0.5 * (x * x + y * y))).ravel()


@cache
def _polar(angles: int, lengths: int) -> tuple[Floats, Floats, Floats]:
    """Angles, denser near 0, and lengths in [0, 1], and their weights."""
    angle, own = np.polynomial.legendre.leggauss(angles)
    length, each = np.polynomial.legendre.leggauss(lengths)
    angle, length = (angle + 1) / 2, (length + 1) / 2
    grid = np.meshgrid(angle**2, length, indexing="ij")
    weight = np.multiply.outer(own * angle, each / 2)  # of a square: 2 t dt
    return grid[0].ravel(), grid[1].ravel(), weight.ravel()


@cache
def _numbers(nodes: int) -> tuple[Floats, Floats]:
    """Standard normal nodes and their probabilities."""
    found, weights = np.polynomial.hermite_e.hermegauss(nodes)
    return found, weights / weights.sum()


def _corrections(third: Floats, fourth: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Edgeworth's terms at points: by the third cumulants, and by the fourth and the third squared. They are the
    Hermite polynomials of three, four and six indices, contracted with the cumulants.
    """
    pairs = (y[:, None] * y).reshape(9, -1)
    matrix, vector = third.reshape(9, 3) @ y, third.reshape(3, 9) @ pairs
    trace = third[:, 0, 0] + third[:, 1, 1] + third[:, 2, 2]
    inner = fourth[0, 0] + fourth[1, 1] + fourth[2, 2]
    cube, line = (vector * y).sum(0), trace @ y
    four = ((fourth.reshape(9, 9) @ pairs) * pairs).sum(0) - 6 * inner.ravel() @ pairs + 3 * np.trace(inner)
    six = cube * cube - 6 * line * cube - 9 * (vector * vector).sum(0) + 9 * line * line
    six += 18 * trace @ vector + 18 * (matrix * matrix).sum(0) - 9 * trace @ trace - 6 * (third * third).sum()
    return (cube - 3 * line) / 6, four / 24 + six / 72
