"""The least-squares Gaussian of a map."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rftools.erf.measures.edge import energy_of
from rftools.erf.measures.moments import moments
from rftools.erf.measures.registry import UNSURE, Frame, Maps, Mixed, mixed_measure

ROUNDS = 25  # of Newton, at most
ENOUGH = 1e-8  # relative steps below which it has arrived: the next would be of their square
ENOUGH_MIXED = 1e-6  # the same of means that are drawn for an interval
LARGEST = 0.7  # a step at most: twice or half
RANGE = 8.0  # how many times narrower or wider in variance these may be than the mean of all
SAMPLES = 13  # widths between these bounds from which a basis for all of them is found
KEPT = 1e-9  # what the basis may miss, as a share of its largest vector


@dataclass(frozen=True)
class Surface:
    """Sums of maps times products of one function along y and one along x.

    ``values`` ``(n, K, L)`` are the maps themselves, or their coordinates in the bases ``along_y`` ``(height, K)`` and
    ``along_x`` ``(width, L)``, which hold all functions that are asked for.
    """

    values: Maps
    along_y: Maps | None = None
    along_x: Maps | None = None

    def lines(self, functions: Maps) -> Maps:
        """Sums along x times functions of x ``(n, width, k)``: ``(n, K, k)``."""
        return np.asarray(np.matmul(self.values, _seen(functions, self.along_x)))

    def columns(self, lines: Maps, functions: Maps) -> Maps:
        """Sums of lines ``(n, K)`` along y times functions of y ``(n, height)``: ``(n,)``."""
        return np.asarray(np.einsum("nk,nk->n", lines, _seen(functions[:, :, None], self.along_y)[:, :, 0]))

    def of(self, rows: NDArray[np.int64]) -> Surface:
        return self if len(rows) == len(self.values) else Surface(self.values[rows], self.along_y, self.along_x)


def _seen(functions: Maps, basis: Maps | None) -> Maps:
    return functions if basis is None else np.asarray(np.matmul(basis.T, functions))


@dataclass(frozen=True)
class Bells:
    """Gaussians ``exp(-a (x - cx)^2 - b (y - cy)^2)`` of maps, by the squared distances of their pixels.

    ``open`` are those that none fits best: a flat map's goes on growing for ever.
    """

    a: Maps
    b: Maps
    x2: Maps
    y2: Maps
    open: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def sigmas(self) -> tuple[Maps, Maps]:
        found = np.sqrt(0.5 / self.a), np.sqrt(0.5 / self.b)
        for sigma in found:
            sigma[self.open] = np.nan
        return found


def _gaussian(mixed: Mixed, frame: Frame) -> tuple[Maps, Maps, Maps]:
    """Sigma x, sigma y and R^2 of the least-squares Gaussian about the map's centroid."""
    return mixed.once("gaussian", lambda: _within(_fit(mixed, frame), mixed.maps.shape[1:]))


def _within(fit: tuple[Maps, Maps, Maps], sides: tuple[int, ...]) -> tuple[Maps, Maps, Maps]:
    """Without sigmas beyond the map's own side: what is seen of such a Gaussian is a part of its top."""
    sigma_x, sigma_y, explained = fit
    return np.where(sigma_x > sides[1], np.nan, sigma_x), np.where(sigma_y > sides[0], np.nan, sigma_y), explained


def _fit(mixed: Mixed, frame: Frame) -> tuple[Maps, Maps, Maps]:
    if mixed.shares is None:
        surface = Surface(mixed.maps)
        fit = _descended(surface, _start(mixed, frame), ENOUGH)
        return (*fit.sigmas, _explained(surface, fit, mixed, frame))
    return _fit_mixed(mixed, frame, mixed.shares)


def _fit_mixed(mixed: Mixed, frame: Frame, shares: Maps) -> tuple[Maps, Maps, Maps]:
    """The same of means that are not formed, but for those whose Gaussians are far from that of the mean of all."""
    own = _start(mixed, frame)
    space = frame.once("compressed", lambda: _compressed(mixed, frame))
    values = mixed(space.values.reshape(len(space.values), -1)).reshape(len(mixed), *space.values.shape[1:])
    surface, ones = Surface(values, *space.bases), np.ones(len(mixed))
    fit = _descended(surface, Bells(space.fit.a * ones, space.fit.b * ones, own.x2, own.y2), ENOUGH_MIXED)
    found = (*fit.sigmas, _explained(surface, fit, mixed, frame))
    centres = moments(mixed, frame)[1]
    far = np.maximum(np.abs(np.log(fit.a / space.fit.a)), np.abs(np.log(fit.b / space.fit.b))) > np.log(RANGE)
    far |= ((centres < space.low) | (centres > space.high)).any(1)
    if far.any():
        formed = Mixed(np.tensordot(shares[far], mixed.maps, 1))
        for every, few in zip(found, _fit(formed, frame.alone()), strict=True):
            every[far] = few
    return found


def _start(mixed: Mixed, frame: Frame) -> Bells:
    """The Gaussian of the same moments."""
    _, mean, cov = moments(mixed, frame)
    y2 = (frame.positions(mixed.maps, 0)[None] - mean[:, :1]) ** 2
    x2 = (frame.positions(mixed.maps, 1)[None] - mean[:, 1:]) ** 2
    a, b = (0.5 / np.maximum(cov[:, i, i], 0.05) for i in (1, 0))
    return Bells(a, b, x2, y2)


def _descended(surface: Surface, start: Bells, enough: float) -> Bells:
    """Newton in ``log a`` and ``log b``, with ``a = 1/(2 sx^2)``, ``b = 1/(2 sy^2)``. Maps that have arrived leave."""
    a, b = start.a.copy(), start.b.copy()
    open_ = np.arange(len(a))
    for _ in range(ROUNDS):
        step_a, step_b = _step(surface.of(open_), start.x2[open_], start.y2[open_], a[open_], b[open_])
        a[open_] *= np.exp(step_a)
        b[open_] *= np.exp(step_b)
        open_ = open_[np.maximum(np.abs(step_a), np.abs(step_b)) > enough]
        if not len(open_):
            break
    return Bells(a, b, start.x2, start.y2, open_)


def _step(surface: Surface, x2: Maps, y2: Maps, a: Maps, b: Maps) -> tuple[Maps, Maps]:
    """One step of Newton towards the largest ``P^2 / sum G^2`` with ``P = sum m G``: the least squares once the best
    amplitude is put in. Where that is not concave, a step of Gauss and Newton, in which the axes do not mix.
    """
    ex, ey = np.exp(-a[:, None] * x2), np.exp(-b[:, None] * y2)
    p = _products(surface, (ex, ey), (a[:, None] * x2, b[:, None] * y2))
    p = p / p[:, :1, :1]
    (mean_x, var_x), (mean_y, var_y) = _spread(ex * ex, a[:, None] * x2), _spread(ey * ey, b[:, None] * y2)
    down_a, down_b = 2 * (mean_x - p[:, 0, 1]), 2 * (mean_y - p[:, 1, 0])
    aa = 2 * (p[:, 0, 2] - p[:, 0, 1] ** 2) - 4 * var_x + down_a
    bb = 2 * (p[:, 2, 0] - p[:, 1, 0] ** 2) - 4 * var_y + down_b
    ab = 2 * (p[:, 1, 1] - p[:, 0, 1] * p[:, 1, 0])
    det = aa * bb - ab * ab
    concave = (aa < 0) & (det > 0)
    safe = np.where(concave, det, 1.0)
    step_a = np.where(concave, (ab * down_b - bb * down_a) / safe, down_a / (2 * var_x))
    step_b = np.where(concave, (ab * down_a - aa * down_b) / safe, down_b / (2 * var_y))
    return tuple(np.clip(np.nan_to_num(s, posinf=0, neginf=0), -LARGEST, LARGEST) for s in (step_a, step_b))


def _products(surface: Surface, bells: tuple[Maps, Maps], squares: tuple[Maps, Maps]) -> Maps:
    """``sum m G (b y^2)^i (a x^2)^j`` as ``(n, i, j)``, i and j from 0 to 2."""
    (ex, ey), (tx, ty) = bells, squares
    along_x, along_y = (np.stack([e, e * t, e * t * t], axis=2) for e, t in ((ex, tx), (ey, ty)))
    lines = surface.lines(along_x)
    return np.asarray(np.matmul(_seen(along_y, surface.along_y).transpose(0, 2, 1), lines))


def _spread(weights: Maps, values: Maps) -> tuple[Maps, Maps]:
    """Mean and variance of values under weights."""
    total = weights.sum(1)
    weighted = weights * values
    mean = weighted.sum(1) / total
    return mean, (weighted * values).sum(1) / total - mean**2


def _explained(surface: Surface, fit: Bells, mixed: Mixed, frame: Frame) -> Maps:
    """R^2 of the best multiple of the Gaussian."""
    ex, ey = np.exp(-fit.a[:, None] * fit.x2), np.exp(-fit.b[:, None] * fit.y2)
    product = surface.columns(surface.lines(ex[:, :, None])[:, :, 0], ey)
    norm = (ex**2).sum(1) * (ey**2).sum(1)
    squares, total = energy_of(mixed, frame), moments(mixed, frame)[0]
    whole = squares - total**2 / mixed.maps[0].size
    return np.where(whole > 0, 1 - (squares - product**2 / norm) / np.where(whole > 0, whole, 1), np.nan)


@dataclass(frozen=True)
class Compressed:
    """Single maps' coordinates ``values`` ``(n, K, L)`` in bases along y and x that hold the Gaussians of their means.

    These are about centres between ``low`` and ``high`` and not far from ``fit``, that of the mean of all.
    """

    values: Maps
    bases: tuple[Maps, Maps]
    low: Maps
    high: Maps
    fit: Bells


def _compressed(mixed: Mixed, frame: Frame) -> Compressed:
    """For the centres of these means, and some more to either side."""
    fit = _of_all(mixed.maps, frame)
    centres = moments(mixed, frame)[1]
    low, high = np.nanmin(centres, 0), np.nanmax(centres, 0)
    low, high = low - (high - low) / 4, high + (high - low) / 4
    y, x = (
        _basis(frame.positions(mixed.maps, axis), low[axis], high[axis], float(scale[0]))
        for axis, scale in ((0, fit.b), (1, fit.a))
    )
    return Compressed(np.matmul(y.T, np.matmul(mixed.maps, x)), (y, x), low, high, fit)


def _of_all(maps: Maps, frame: Frame) -> Bells:
    mean = Mixed(maps.mean(0)[None])
    return _descended(Surface(mean.maps), _start(mean, frame.alone()), ENOUGH)


def _basis(place: Maps, low: float, high: float, scale: float) -> Maps:
    """An orthonormal basis ``(length, K)`` of ``exp(-a t^2)`` and ``t^2 exp(-a t^2)``, t the distance from a centre."""
    a = scale * np.geomspace(1 / RANGE, RANGE, SAMPLES)
    t2 = (place[:, None] - np.linspace(low, high, 3)) ** 2
    bells = np.exp(-a[:, None, None] * t2)
    functions = np.concatenate([bells, a[:, None, None] * t2 * bells]).transpose(1, 0, 2).reshape(len(place), -1)
    vectors, values, _ = np.linalg.svd(functions, full_matrices=False)
    return np.asarray(vectors[:, values > KEPT * values[0]])


@mixed_measure("gaussian_sigma_x", unit="px", ranks=(2,))
def gaussian_sigma_x(mixed: Mixed, frame: Frame) -> Maps:
    """Sigma along x of the least-squares Gaussian about the map's centroid; NaN where none fits best (a flat map), or
    one wider than the map.
    """
    return _gaussian(mixed, frame)[0]


@mixed_measure("gaussian_sigma_y", unit="px", ranks=(2,))
def gaussian_sigma_y(mixed: Mixed, frame: Frame) -> Maps:
    """Sigma along y of the least-squares Gaussian about the map's centroid; NaN where none fits best (a flat map), or
    one wider than the map.
    """
    return _gaussian(mixed, frame)[1]


@mixed_measure("gaussian_r2", unit="1", ranks=(2,), within=(-np.inf, 1), no_interval=UNSURE)
def gaussian_r2(mixed: Mixed, frame: Frame) -> Maps:
    """The share of the map's variance that the least-squares Gaussian explains."""
    return _gaussian(mixed, frame)[2]
