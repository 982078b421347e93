"""The least-squares Gaussian of a map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rftools.erf.measures.edge import energy_of
from rftools.erf.measures.moments import moments
from rftools.erf.measures.registry import Frame, Maps, Mixed, mixed_measure

ROUNDS = 25  # of Gauss-Newton, at most
ENOUGH = 1e-12  # relative steps below which it has arrived
ENOUGH_MIXED = 1e-6  # the same of means that are drawn for an interval
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
    """Gaussians ``exp(-a (x - cx)^2 - b (y - cy)^2)`` of maps, by the squared distances of their pixels."""

    a: Maps
    b: Maps
    x2: Maps
    y2: Maps

    @property
    def sigmas(self) -> tuple[Maps, Maps]:
        return np.sqrt(0.5 / self.a), np.sqrt(0.5 / self.b)


def _gaussian(mixed: Mixed, frame: Frame) -> tuple[Maps, Maps, Maps]:
    """Sigma x, sigma y and R^2 of the least-squares Gaussian about the map's centroid."""
    return mixed.once("gaussian", lambda: _fit(mixed, frame))


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
    """Gauss-Newton in ``a = 1/(2 sx^2)``, ``b = 1/(2 sy^2)``. Maps that have arrived leave the rounds."""
    a, b = start.a.copy(), start.b.copy()
    open_ = np.arange(len(a))
    for _ in range(ROUNDS):
        now_a, now_b = _round(surface.of(open_), start.x2[open_], start.y2[open_], a[open_], b[open_])
        moved = np.maximum(np.abs(now_a - a[open_]) / a[open_], np.abs(now_b - b[open_]) / b[open_])
        a[open_], b[open_] = now_a, now_b
        open_ = open_[moved > enough]
        if not len(open_):
            break
    return Bells(a, b, start.x2, start.y2)


def _round(surface: Surface, x2: Maps, y2: Maps, a: Maps, b: Maps) -> tuple[Maps, Maps]:
    """One Gauss-Newton step. The model's derivatives are ``G, -A x2 G, -A y2 G``; their products, which are of an axis
    each, give the normal equations in closed form.
    """
    ex, ey = np.exp(-a[:, None] * x2), np.exp(-b[:, None] * y2)
    sx, sy = ([(e * e * t**k).sum(1) for k in range(3)] for e, t in ((ex, x2), (ey, y2)))
    lines = surface.lines(np.stack([ex, ex * x2], axis=2))  # sums along x, with and without x2
    plain, by_x = (surface.columns(lines[:, :, i], ey) for i in (0, 1))
    by_y = surface.columns(lines[:, :, 0], ey * y2)
    g = sx[0] * sy[0]
    amplitude = plain / g
    n12, n13 = -amplitude * sx[1] * sy[0], -amplitude * sx[0] * sy[1]
    n22, n33, n23 = (amplitude**2 * m for m in (sx[2] * sy[0], sx[0] * sy[2], sx[1] * sy[1]))
    left = np.stack(
        [
            plain - amplitude * g,
            -amplitude * (by_x - amplitude * sx[1] * sy[0]),
            -amplitude * (by_y - amplitude * sx[0] * sy[1]),
        ],
        axis=1,
    )
    step, usable = _solved(np.stack([g, n12, n13, n12, n22, n23, n13, n23, n33], axis=1).reshape(-1, 3, 3), left)
    return tuple(  # type: ignore[return-value]
        np.clip(old + np.where(usable, step[:, i], 0), old / 2, old * 2) for i, old in ((1, a), (2, b))
    )


def _solved(normal: Maps, left: Maps) -> tuple[Maps, NDArray[np.bool_]]:
    """The steps of all maps, and which of them the equations do give."""
    normal = normal + 1e-12 * np.eye(3) * np.trace(normal, axis1=1, axis2=2)[:, None, None]
    usable = np.isfinite(normal).all(axis=(1, 2)) & (np.abs(np.linalg.det(np.nan_to_num(normal))) > 0)
    normal[~usable] = np.eye(3)
    steps = np.linalg.solve(normal, left[:, :, None])[:, :, 0].astype(np.float64)
    return steps, usable


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
    """Sigma along x of the least-squares Gaussian about the map's centroid."""
    return _gaussian(mixed, frame)[0]


@mixed_measure("gaussian_sigma_y", unit="px", ranks=(2,))
def gaussian_sigma_y(mixed: Mixed, frame: Frame) -> Maps:
    """Sigma along y of the least-squares Gaussian about the map's centroid."""
    return _gaussian(mixed, frame)[1]


@mixed_measure("gaussian_r2", unit="1", ranks=(2,))
def gaussian_r2(mixed: Mixed, frame: Frame) -> Maps:
    """The share of the map's variance that the least-squares Gaussian explains."""
    return _gaussian(mixed, frame)[2]
