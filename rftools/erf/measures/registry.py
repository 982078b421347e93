"""Measures of an effective map. All take maps ``(n, *spatial)`` that are not negative and return one value a map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError

Maps = NDArray[np.float64]
T = TypeVar("T")
LUO = 1 - 0.9545  # Luo et al.: a pixel counts above this share of the centre's
SHARES = (20, 30, 50, 99)
STEPS = (
    "It counts pixels: of 50 images, its 95 % interval held the truth in all of 400 repeats, more often than it says."
)


@dataclass(frozen=True)
class Frame:
    """What a measure needs beside the maps: the unit's own centre, the theoretical size (None: global) and where the
    maps, which may be cut to the theoretical window, lie in the image. ``shared`` holds what several measures of one
    set of maps need; without it each works it out for itself.
    """

    centre: tuple[float, ...]
    sizes: tuple[int | None, ...]
    image: tuple[int, ...]
    offset: tuple[int, ...]
    shared: dict[str, Any] | None = field(default=None, compare=False, repr=False)

    def once(self, name: str, work: Callable[[], T]) -> T:
        """What ``work`` gives, worked out once for all measures of these maps."""
        if self.shared is None:
            return work()
        if name not in self.shared:
            self.shared[name] = work()
        found: T = self.shared[name]
        return found

    def positions(self, maps: Maps, axis: int) -> NDArray[np.float64]:
        """Image coordinates along one axis of the maps."""
        return np.arange(maps.shape[axis + 1], dtype=np.float64) + self.offset[axis]


MeasureFunction = Callable[[Maps, Frame], Maps]


@dataclass(frozen=True)
class Definition:
    name: str
    unit: str
    ranks: tuple[int, ...]
    function: MeasureFunction
    steps: bool = False


REGISTRY: dict[str, Definition] = {}


def measure(
    name: str, *, unit: str, ranks: tuple[int, ...] = (1, 2, 3), steps: bool = False
) -> Callable[[MeasureFunction], MeasureFunction]:
    """Register the function that follows as a measure of effective maps.

    It takes maps ``(n, *spatial)`` and a `Frame`, and returns ``(n,)`` values, NaN where a map defines none. One that
    counts pixels moves in ``steps``: resampling can't tell its bias, which is left alone then.

    >>> @measure("peak", unit="1")
    ... def peak(maps, frame):
    ...     return maps.reshape(len(maps), -1).max(1)
    >>> REGISTRY.pop("peak").unit
    '1'

    Raises:
        RequestError: a measure of that name exists.
    """

    def register(function: MeasureFunction) -> MeasureFunction:
        if name in REGISTRY:
            raise RequestError(f"there is a measure {name!r} already; give yours another name")
        REGISTRY[name] = Definition(name, unit, ranks, function, steps)
        return function

    return register


def centre_value(maps: Maps, frame: Frame) -> Maps:
    """The maps at the unit's centre, interpolated where the centre lies between pixels."""
    values = maps
    for axis in reversed(range(maps.ndim - 1)):
        place = min(max(frame.centre[axis] - frame.offset[axis], 0.0), maps.shape[axis + 1] - 1.0)
        low = int(np.floor(place))
        high = min(low + 1, maps.shape[axis + 1] - 1)
        share = place - low
        values = (1 - share) * np.take(values, low, axis + 1) + share * np.take(values, high, axis + 1)
    return values


def _side(maps: Maps, threshold: Maps) -> Maps:
    rank = maps.ndim - 1
    above = maps > threshold.reshape(-1, *[1] * rank)
    count = above.reshape(len(maps), -1).sum(1)
    return np.where(threshold > 0, count ** (1 / rank), np.nan)


@measure("luo_centre", unit="px", steps=True)
def luo_centre(maps: Maps, frame: Frame) -> Maps:
    """The side of a square as large as the area above 4.55 % of the centre's value (Luo et al., arXiv:1701.04128).

    It counts pixels: of 50 images, its interval held the truth in 98.8 to 100 % of repeats, more often than it says.
    """
    return _side(maps, LUO * centre_value(maps, frame))


@measure("luo_max", unit="px", steps=True)
def luo_max(maps: Maps, frame: Frame) -> Maps:
    """As `luo_centre`, against the maximum: steadier where the centre pixel is not typical.

    It counts pixels: of 50 images, its interval held the truth in all repeats, more often than it says.
    """
    return _side(maps, LUO * maps.reshape(len(maps), -1).max(1))


def _square_side(maps: Maps, frame: Frame, share: float) -> Maps:
    """The side of the smallest square about the centre pixel that holds more than ``share`` of the sum."""
    grids = [np.abs(np.floor(frame.positions(maps, a) - np.floor(frame.centre[a] + 0.5))) for a in range(maps.ndim - 1)]
    ring = np.maximum.reduce(np.meshgrid(*grids, indexing="ij")).astype(np.int64).reshape(-1)
    held = _cumulated(maps, ring)
    first = (held > share * held[:, -1:]).argmax(1)
    return np.where(held[:, -1] > 0, 2.0 * first + 1, np.nan)


def _cumulated(maps: Maps, ring: NDArray[np.int64]) -> Maps:
    """The sum within ring 0, 0..1, 0..2 and so on, of each map."""
    order = np.argsort(ring, kind="stable")
    starts = np.searchsorted(ring[order], np.arange(ring.max() + 1))
    flat = maps.reshape(len(maps), -1)[:, order]
    present = np.flatnonzero(np.diff(np.append(starts, len(ring))))
    sums = np.zeros((len(maps), ring.max() + 1))
    sums[:, present] = np.add.reduceat(flat, starts[present], axis=1)
    held: Maps = sums.cumsum(1)
    return held


def _area_measures(share: int) -> None:
    @measure(f"area_ratio_{share}", unit="share of the image", steps=True)
    def linear(maps: Maps, frame: Frame) -> Maps:
        return np.minimum(_square_side(maps, frame, share / 100) ** (maps.ndim - 1) / np.prod(frame.image), 1.0)

    @measure(f"area_side_{share}", unit="px", steps=True)
    def side(maps: Maps, frame: Frame) -> Maps:
        return _square_side(maps, frame, share / 100)

    @measure(f"area_ratio_log_{share}", unit="share of the image", steps=True)
    def logarithmic(maps: Maps, frame: Frame) -> Maps:
        scaled = np.log10(maps + 1)
        return np.minimum(_square_side(scaled, frame, share / 100) ** (maps.ndim - 1) / np.prod(frame.image), 1.0)

    linear.__doc__ = (
        f"The smallest centred square with more than {share} % of the sum, as a share of the image. {STEPS}"
    )
    side.__doc__ = f"The side of the smallest centred square with more than {share} % of the sum. {STEPS}"
    logarithmic.__doc__ = (
        f"Ding et al.'s form (arXiv:2203.06717): as area_ratio_{share} on log10(x + 1); depends on the map's scale. "
        f"{STEPS}"
    )


for _share in SHARES:
    _area_measures(_share)


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
    """The major axis' direction in [0, 180): 0 along x, counter-clockwise as seen; NaN for a round map.

    Of 50 images, its interval held the truth in 92.3 to 93.9 % of 1,000 repeats: seldom where maps are nearly round.
    """
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


def _gaussian(maps: Maps, frame: Frame) -> tuple[Maps, Maps, Maps]:
    """Sigma x, sigma y and R^2 of the least-squares Gaussian."""
    return frame.once("gaussian", lambda: _fit_gaussian(maps, frame))


def _fit_gaussian(maps: Maps, frame: Frame, rounds: int = 25) -> tuple[Maps, Maps, Maps]:
    """Least squares of ``A exp(-(x-cx)^2 / 2 sx^2 - (y-cy)^2 / 2 sy^2)`` about the map's centroid, by Gauss-Newton in
    ``a = 1/(2 sx^2)``, ``b = 1/(2 sy^2)``: sigma x, sigma y, R^2.
    """
    mean, cov = moments(maps, frame)
    y2 = (frame.positions(maps, 0)[None] - mean[:, :1]) ** 2
    x2 = (frame.positions(maps, 1)[None] - mean[:, 1:]) ** 2
    a, b = (0.5 / np.maximum(cov[:, i, i], 0.05) for i in (1, 0))
    for _ in range(rounds):
        ex, ey = np.exp(-a[:, None] * x2), np.exp(-b[:, None] * y2)
        terms_x = [ex, ex * x2, ex * x2 * x2]
        terms_y = [ey, ey * y2, ey * y2 * y2]
        sx = [(ex * t).sum(1) for t in terms_x]
        sy = [(ey * t).sum(1) for t in terms_y]
        f = [[np.einsum("nyx,ny,nx->n", maps, terms_y[j], terms_x[i], optimize=True) for j in (0, 1)] for i in (0, 1)]
        g = sx[0] * sy[0]
        amplitude = f[0][0] / g
        # Derivatives of the model: G, -A x2 G, -A y2 G; their normal equations in closed form.
        n11, n12, n13 = g, -amplitude * sx[1] * sy[0], -amplitude * sx[0] * sy[1]
        n22, n33 = amplitude**2 * sx[2] * sy[0], amplitude**2 * sx[0] * sy[2]
        n23 = amplitude**2 * sx[1] * sy[1]
        r1 = f[0][0] - amplitude * g
        r2 = -amplitude * (f[1][0] - amplitude * sx[1] * sy[0])
        r3 = -amplitude * (f[0][1] - amplitude * sx[0] * sy[1])
        normal = np.stack([n11, n12, n13, n12, n22, n23, n13, n23, n33], axis=1).reshape(-1, 3, 3)
        normal = normal + 1e-12 * np.eye(3) * np.trace(normal, axis1=1, axis2=2)[:, None, None]
        usable = np.isfinite(normal).all(axis=(1, 2)) & (np.abs(np.linalg.det(np.nan_to_num(normal))) > 0)
        normal[~usable] = np.eye(3)
        step = np.linalg.solve(normal, np.stack([r1, r2, r3], axis=1)[:, :, None])[:, 1:, 0]
        a = np.clip(a + np.where(usable, step[:, 0], 0), a / 2, a * 2)
        b = np.clip(b + np.where(usable, step[:, 1], 0), b / 2, b * 2)
    ex, ey = np.exp(-a[:, None] * x2), np.exp(-b[:, None] * y2)
    model = ey[:, :, None] * ex[:, None, :]
    amplitude = (maps * model).sum((1, 2)) / (model * model).sum((1, 2))
    left = ((maps - amplitude[:, None, None] * model) ** 2).sum((1, 2))
    whole = ((maps - maps.mean((1, 2), keepdims=True)) ** 2).sum((1, 2))
    r2_value = np.where(whole > 0, 1 - left / np.where(whole > 0, whole, 1), np.nan)
    return np.sqrt(0.5 / a), np.sqrt(0.5 / b), r2_value


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
    """The share of the map's variance that the least-squares Gaussian explains.

    Of 50 images, its interval held the truth in 91.7 to 95.5 % of 1,000 repeats: a map of few images is rougher.
    """
    return _gaussian(maps, frame)[2]


def _radius(maps: Maps, frame: Frame, share: float) -> Maps:
    """The radius about the unit's centre within which ``share`` of the sum lies.

    A pixel's value is spread over the radii within half a pixel of its own: taken at one radius, the sum would rise in
    steps, and a small change of the map would move the radius by a step or not at all.
    """
    grids = [frame.positions(maps, a) - frame.centre[a] for a in range(maps.ndim - 1)]
    distance = np.sqrt(sum(g**2 for g in np.meshgrid(*grids, indexing="ij"))).reshape(-1)
    radii, ring = np.unique(np.round(distance, 6), return_inverse=True)
    sums = np.diff(_cumulated(maps, ring.reshape(-1)), axis=1, prepend=0)
    inner, outer = np.maximum(radii - 0.5, 0), radii + 0.5
    edges, place = np.unique(np.concatenate([inner, outer]), return_inverse=True)
    density = sums / (outer - inner)
    slopes = np.zeros((len(maps), len(edges)))
    slopes[:, place[: len(radii)]] = density  # inner edges that are one (both at zero) are added below
    doubled = np.flatnonzero(inner == 0)
    slopes[:, 0] = density[:, doubled].sum(1) if len(doubled) else slopes[:, 0]
    slopes[:, place[len(radii) :]] -= density
    held = np.concatenate([np.zeros((len(maps), 1)), (slopes.cumsum(1)[:, :-1] * np.diff(edges)).cumsum(1)], axis=1)
    wanted = share * sums.sum(1)
    last = np.maximum((held >= wanted[:, None]).argmax(1), 1)
    rows = np.arange(len(maps))
    below, gain = held[rows, last - 1], held[rows, last] - held[rows, last - 1]
    part = np.divide(wanted - below, gain, out=np.zeros_like(gain), where=gain > 0)
    return np.where(wanted > 0, edges[last - 1] + part * (edges[last] - edges[last - 1]), np.nan)


@measure("radius_50", unit="px")
def radius_50(maps: Maps, frame: Frame) -> Maps:
    """The radius about the unit's centre that holds half of the sum."""
    return _radius(maps, frame, 0.5)


@measure("radius_90", unit="px")
def radius_90(maps: Maps, frame: Frame) -> Maps:
    """The radius about the unit's centre that holds 90 % of the sum."""
    return _radius(maps, frame, 0.9)


@measure("entropy_area", unit="px")
def entropy_area(maps: Maps, frame: Frame) -> Maps:
    """``exp(-sum p log p)``: as many pixels as an even map of the same entropy would cover."""
    flat = maps.reshape(len(maps), -1)
    total = flat.sum(1, keepdims=True)
    p = np.divide(flat, total, out=np.zeros_like(flat), where=total > 0)
    logs = np.log(p, out=np.zeros_like(p), where=p > 0)
    return np.where(total[:, 0] > 0, np.exp(-(p * logs).sum(1)), np.nan)


def _extent(maps: Maps, frame: Frame, axis: int) -> Maps:
    """The width about the centre that holds 95.45 % of the sum along one axis (four sigma of a Gaussian)."""
    rank = maps.ndim - 1
    marginal = maps.sum(axis=tuple(i + 1 for i in range(rank) if i != axis))
    one = Frame((frame.centre[axis],), (None,), (frame.image[axis],), (frame.offset[axis],))
    return 2 * _radius(marginal, one, 0.9545)


def _relative(axis_from_last: int) -> MeasureFunction:
    def relative(maps: Maps, frame: Frame) -> Maps:
        axis = maps.ndim - 2 - axis_from_last
        size = frame.sizes[axis] or frame.image[axis]
        return np.minimum(_extent(maps, frame, axis) / size, 1.0)

    relative.__doc__ = (
        f"The width that holds 95.45 % of the sum over the theoretical size, along {'xyz'[axis_from_last]}."
    )
    return relative


measure("relative_size_x", unit="1")(_relative(0))
measure("relative_size_y", unit="1", ranks=(2, 3))(_relative(1))
measure("relative_size_z", unit="1", ranks=(3,))(_relative(2))


@measure("relative_size", unit="1")
def relative_size(maps: Maps, frame: Frame) -> Maps:
    """Effective over theoretical size: the axes' geometric mean (a global field counts as the image)."""
    rank = maps.ndim - 1
    return np.exp(sum(np.log(np.maximum(_relative(i)(maps, frame), 1e-300)) for i in range(rank)) / rank)


@measure("hole_energy", unit="share")
def hole_energy(maps: Maps, frame: Frame) -> Maps:
    """Gridding: ``sum max(0, m - largest axis neighbour)^2 / sum m^2``: energy that stands alone on lattice phases.

    Of 50 images, its interval held the truth in 92.8 to 97.4 % of 1,000 repeats: a map of few images has more holes.
    """
    around = np.zeros_like(maps)
    for axis in range(1, maps.ndim):
        ahead, behind = [slice(None)] * maps.ndim, [slice(None)] * maps.ndim
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        around[tuple(behind)] = np.maximum(around[tuple(behind)], maps[tuple(ahead)])
        around[tuple(ahead)] = np.maximum(around[tuple(ahead)], maps[tuple(behind)])
    alone = (np.maximum(maps - around, 0) ** 2).reshape(len(maps), -1).sum(1)
    energy = (maps**2).reshape(len(maps), -1).sum(1)
    return np.divide(alone, energy, out=np.full(len(maps), np.nan), where=energy > 0)


@measure("edge_energy", unit="share")
def edge_energy(maps: Maps, frame: Frame) -> Maps:
    """The share of ``sum m^2`` outside the image's inner half (a quarter cut from each side of each axis).

    Of 50 images, its interval held the truth in 92.8 to 94.2 % of 1,000 repeats, always where the window lies inside.
    """
    energy = maps**2
    inner = energy
    for axis in range(maps.ndim - 1):
        place = frame.positions(maps, axis)
        keep = (place >= frame.image[axis] / 4 - 0.5) & (place < frame.image[axis] * 3 / 4 - 0.5)
        inner = np.compress(keep, inner, axis=axis + 1)
    total = energy.reshape(len(maps), -1).sum(1)
    return np.divide(
        total - inner.reshape(len(maps), -1).sum(1), total, out=np.full(len(maps), np.nan), where=total > 0
    )
