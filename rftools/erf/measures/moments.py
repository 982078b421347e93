"""Second moments: the ellipse of a map and its standard deviations."""

from __future__ import annotations

import numpy as np

from rftools.erf.measures.registry import Frame, Maps, Mixed, MixedFunction, mixed_measure


def moments(mixed: Mixed, frame: Frame) -> tuple[Maps, Maps, Maps]:
    """Sums ``(n,)``, means ``(n, rank)`` and covariances ``(n, rank, rank)`` in image coordinates, axis order."""
    return mixed.once("moments", lambda: _moments(mixed, frame))


def _moments(mixed: Mixed, frame: Frame) -> tuple[Maps, Maps, Maps]:
    rank = mixed.rank
    powers = frame.once("powers", lambda: _powers(mixed.maps, frame))
    sums = mixed(powers)
    total = sums[:, 0]
    share = sums / np.where(total > 0, total, np.nan)[:, None]

    def of(*axes: int) -> Maps:
        """The mean of the product of these axes' coordinates."""
        return np.asarray(share[:, sum(3 ** (rank - 1 - axis) for axis in axes)])

    shift = np.stack([of(a) for a in range(rank)], axis=1)
    cov = np.empty((len(mixed), rank, rank))
    for a in range(rank):
        for b in range(a + 1):
            cov[:, a, b] = cov[:, b, a] = of(a, b) - shift[:, a] * shift[:, b]
    return total, shift + np.asarray(frame.centre), cov


def _powers(maps: Maps, frame: Frame) -> Maps:
    """The maps' sums times powers 0, 1, 2 of each axis' coordinate about the unit's centre: ``(n, 3 ** rank)``."""
    values = maps
    for axis in reversed(range(maps.ndim - 1)):
        place = frame.positions(maps, axis) - frame.centre[axis]
        values = np.moveaxis(values, axis + 1, -1) @ np.stack([np.ones_like(place), place, place**2], axis=1)
        values = np.moveaxis(values, -1, axis + 1)
    return values.reshape(len(maps), -1)


def _ellipse(mixed: Mixed, frame: Frame) -> tuple[Maps, Maps, Maps]:
    """Major and minor variance and twice the angle's components' phase, y up."""
    _, _, cov = moments(mixed, frame)
    xx, yy, xy = cov[:, 1, 1], cov[:, 0, 0], -cov[:, 0, 1]
    half, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    return half + spread, np.maximum(half - spread, 0), np.arctan2(2 * xy, xx - yy)


@mixed_measure("ellipse_major", unit="px", ranks=(2,))
def ellipse_major(mixed: Mixed, frame: Frame) -> Maps:
    """One standard deviation along the major axis of the map's second moments."""
    return np.sqrt(_ellipse(mixed, frame)[0])


@mixed_measure("ellipse_minor", unit="px", ranks=(2,))
def ellipse_minor(mixed: Mixed, frame: Frame) -> Maps:
    """One standard deviation along the minor axis of the map's second moments."""
    return np.sqrt(_ellipse(mixed, frame)[1])


@mixed_measure("ellipse_angle", unit="degrees", ranks=(2,))
def ellipse_angle(mixed: Mixed, frame: Frame) -> Maps:
    """The major axis' direction in [0, 180): 0 along x, counter-clockwise as seen; NaN for a round map."""
    major, minor, doubled = _ellipse(mixed, frame)
    return np.where(major - minor > 1e-9 * np.maximum(major, 1e-300), np.degrees(doubled / 2) % 180, np.nan)


@mixed_measure("ellipse_anisotropy", unit="1", ranks=(2,), within=(0, 1))
def ellipse_anisotropy(mixed: Mixed, frame: Frame) -> Maps:
    """``(l1 - l2) / (l1 + l2)`` of the second moments: 0 round, 1 a line."""
    major, minor, _ = _ellipse(mixed, frame)
    total = major + minor
    return np.divide(major - minor, total, out=np.zeros_like(total), where=total > 0)


def _std(axis_from_last: int) -> MixedFunction:
    def std(mixed: Mixed, frame: Frame) -> Maps:
        _, _, cov = moments(mixed, frame)
        axis = mixed.rank - 1 - axis_from_last
        return np.sqrt(np.maximum(cov[:, axis, axis], 0))

    std.__doc__ = f"The standard deviation of the map along {'xyz'[axis_from_last]}."
    return std


mixed_measure("std_x", unit="px")(_std(0))
mixed_measure("std_y", unit="px", ranks=(2, 3))(_std(1))
mixed_measure("std_z", unit="px", ranks=(3,))(_std(2))
