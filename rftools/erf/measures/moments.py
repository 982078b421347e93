"""Second moments: the ellipse of a map and its standard deviations."""

from __future__ import annotations

import numpy as np

from rftools.erf.measures.registry import Frame, Maps, MeasureFunction, measure


def moments(maps: Maps, frame: Frame) -> tuple[Maps, Maps]:
    """Means ``(n, rank)`` and covariances ``(n, rank, rank)`` of each map in image coordinates, axis order."""
    return frame.once("moments", lambda: _moments(maps, frame))


def _moments(maps: Maps, frame: Frame) -> tuple[Maps, Maps]:
    rank = maps.ndim - 1
    total = maps.reshape(len(maps), -1).sum(1)
    total = np.where(total > 0, total, np.nan)
    marginals = {}
    for a in range(rank):
        marginals[a] = maps.sum(axis=tuple(i + 1 for i in range(rank) if i != a))
    mean = np.stack([marginals[a] @ frame.positions(maps, a) / total for a in range(rank)], axis=1)
    cov = np.empty((len(maps), rank, rank))
    for a in range(rank):
        cov[:, a, a] = marginals[a] @ frame.positions(maps, a) ** 2 / total - mean[:, a] ** 2
        for b in range(a):
            pair = maps.sum(axis=tuple(i + 1 for i in range(rank) if i not in (a, b)))
            both = np.einsum("nij,i,j->n", pair, frame.positions(maps, b), frame.positions(maps, a), optimize=True)
            cov[:, a, b] = cov[:, b, a] = both / total - mean[:, a] * mean[:, b]
    return mean, cov


def _ellipse(maps: Maps, frame: Frame) -> tuple[Maps, Maps, Maps]:
    """Major and minor variance and twice the angle's components' phase, y up."""
    _, cov = moments(maps, frame)
    xx, yy, xy = cov[:, 1, 1], cov[:, 0, 0], -cov[:, 0, 1]
    half, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    return half + spread, np.maximum(half - spread, 0), np.arctan2(2 * xy, xx - yy)


@measure("ellipse_major", unit="px", ranks=(2,))
def ellipse_major(maps: Maps, frame: Frame) -> Maps:
    """One standard deviation along the major axis of the map's second moments."""
    return np.sqrt(_ellipse(maps, frame)[0])


@measure("ellipse_minor", unit="px", ranks=(2,))
def ellipse_minor(maps: Maps, frame: Frame) -> Maps:
    """One standard deviation along the minor axis of the map's second moments."""
    return np.sqrt(_ellipse(maps, frame)[1])


@measure("ellipse_angle", unit="degrees", ranks=(2,))
def ellipse_angle(maps: Maps, frame: Frame) -> Maps:
    """The major axis' direction in [0, 180): 0 along x, counter-clockwise as seen; NaN for a round map."""
    major, minor, doubled = _ellipse(maps, frame)
    return np.where(major - minor > 1e-9 * np.maximum(major, 1e-300), np.degrees(doubled / 2) % 180, np.nan)


@measure("ellipse_anisotropy", unit="1", ranks=(2,))
def ellipse_anisotropy(maps: Maps, frame: Frame) -> Maps:
    """``(l1 - l2) / (l1 + l2)`` of the second moments: 0 round, 1 a line."""
    major, minor, _ = _ellipse(maps, frame)
    total = major + minor
    return np.divide(major - minor, total, out=np.zeros_like(total), where=total > 0)


def _std(axis_from_last: int) -> MeasureFunction:
    def std(maps: Maps, frame: Frame) -> Maps:
        _, cov = moments(maps, frame)
        axis = maps.ndim - 2 - axis_from_last
        return np.sqrt(np.maximum(cov[:, axis, axis], 0))

    std.__doc__ = f"The standard deviation of the map along {'xyz'[axis_from_last]}."
    return std


measure("std_x", unit="px")(_std(0))
measure("std_y", unit="px", ranks=(2, 3))(_std(1))
measure("std_z", unit="px", ranks=(3,))(_std(2))
