"""The least-squares Gaussian of a map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rftools.erf.measures.moments import moments
from rftools.erf.measures.registry import Frame, Maps, measure

ROUNDS = 25  # of Gauss-Newton, at most
ENOUGH = 1e-12  # relative steps below which it has arrived


def _gaussian(maps: Maps, frame: Frame) -> tuple[Maps, Maps, Maps]:
    """Sigma x, sigma y and R^2 of the least-squares Gaussian."""
    return frame.once("gaussian", lambda: _fit(maps, frame))


def _fit(maps: Maps, frame: Frame) -> tuple[Maps, Maps, Maps]:
    """Least squares of ``A exp(-(x-cx)^2 / 2 sx^2 - (y-cy)^2 / 2 sy^2)`` about the map's centroid, by Gauss-Newton in
    ``a = 1/(2 sx^2)``, ``b = 1/(2 sy^2)``: sigma x, sigma y, R^2. Maps that have arrived leave the rounds.
    """
    mean, cov = moments(maps, frame)
    y2 = (frame.positions(maps, 0)[None] - mean[:, :1]) ** 2
    x2 = (frame.positions(maps, 1)[None] - mean[:, 1:]) ** 2
    a, b = (0.5 / np.maximum(cov[:, i, i], 0.05) for i in (1, 0))
    open_ = np.arange(len(maps))
    for _ in range(ROUNDS):
        whole = len(open_) == len(maps)
        now_a, now_b = _round(maps if whole else maps[open_], x2[open_], y2[open_], a[open_], b[open_])
        moved = np.maximum(np.abs(now_a - a[open_]) / a[open_], np.abs(now_b - b[open_]) / b[open_])
        a[open_], b[open_] = now_a, now_b
        open_ = open_[moved > ENOUGH]
        if not len(open_):
            break
    return np.sqrt(0.5 / a), np.sqrt(0.5 / b), _explained(maps, np.exp(-a[:, None] * x2), np.exp(-b[:, None] * y2))


def _round(maps: Maps, x2: Maps, y2: Maps, a: Maps, b: Maps) -> tuple[Maps, Maps]:
    """One Gauss-Newton step. The model's derivatives are ``G, -A x2 G, -A y2 G``; their products, which are of an axis
    each, give the normal equations in closed form.
    """
    ex, ey = np.exp(-a[:, None] * x2), np.exp(-b[:, None] * y2)
    sx, sy = ([(e * e * t**k).sum(1) for k in range(3)] for e, t in ((ex, x2), (ey, y2)))
    lines = np.matmul(maps, np.stack([ex, ex * x2], axis=2))  # sums along x, with and without x2
    plain, by_x = (np.einsum("ny,ny->n", lines[:, :, i], ey) for i in (0, 1))
    by_y = np.einsum("ny,ny->n", lines[:, :, 0], ey * y2)
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


def _explained(maps: Maps, ex: Maps, ey: Maps) -> Maps:
    """R^2 of the best multiple of ``ey ex``."""
    product = np.einsum("ny,ny->n", np.matmul(maps, ex[:, :, None])[:, :, 0], ey)
    norm = (ex**2).sum(1) * (ey**2).sum(1)
    flat = maps.reshape(len(maps), -1)
    squares, total = np.einsum("np,np->n", flat, flat), flat.sum(1)
    whole = squares - total**2 / flat.shape[1]
    return np.where(whole > 0, 1 - (squares - product**2 / norm) / np.where(whole > 0, whole, 1), np.nan)


@measure("gaussian_sigma_x", unit="px", ranks=(2,))
def gaussian_sigma_x(maps: Maps, frame: Frame) -> Maps:
    """Sigma along x of the least-squares Gaussian about the map's centroid."""
    return _gaussian(maps, frame)[0]


@measure("gaussian_sigma_y", unit="px", ranks=(2,))
def gaussian_sigma_y(maps: Maps, frame: Frame) -> Maps:
    """Sigma along y of the least-squares Gaussian about the map's centroid."""
    return _gaussian(maps, frame)[1]


@measure("gaussian_r2", unit="1", ranks=(2,))
def gaussian_r2(maps: Maps, frame: Frame) -> Maps:
    """The share of the map's variance that the least-squares Gaussian explains."""
    return _gaussian(maps, frame)[2]
