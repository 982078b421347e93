"""Bootstrap intervals of measures: images are drawn anew, their maps averaged, the measure taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rftools.erf.measures.registry import Definition, Frame, Mixed
from rftools.erf.result import Measure

RESAMPLES = 200
METHOD = (
    f"95 % BCa bootstrap over images ({RESAMPLES} resamples of the mean map; Efron 1987, doi:10.1080/01621459.1987."
    "10478410); below 20 images it tends to be too narrow, below 2 there is none"
)
CHUNK = 1 << 19  # numbers of means that are held at once: about as many as a processor keeps near

Geometry = dict[Any, dict[str, Any]]  # what measures need of windows, by window


def measure_all(
    maps: NDArray[np.float32],
    frame: Frame,
    definitions: Mapping[str, Definition],
    *,
    seed: int,
    geometry: Geometry | None = None,
) -> dict[str, Measure]:
    """Every measure of the mean of ``maps`` ``(N, *spatial)`` with its interval over the images.

    One that moves in steps has none: its resamples repeat a few values, and their spread says little of its error. Nor
    has one whose intervals do not hold the truth in 93 to 97 of a hundred (benchmarks/coverage_intervals.py).
    Windows that are alike share what is kept in ``geometry``.
    """
    rank, frame = maps.ndim - 1, _framed(frame, maps.shape[1:], {} if geometry is None else geometry)
    chosen = {name: d for name, d in definitions.items() if rank in d.ranks}
    whole = np.abs(maps.mean(0, dtype=np.float64))[None]
    if not whole.any():
        return {name: Measure(None, None, None, d.unit) for name, d in chosen.items()}
    values = _apply(whole, frame, chosen)
    if len(maps) < 2:
        return {name: Measure(_number(values[name][0]), None, None, d.unit) for name, d in chosen.items()}
    smooth = {name: d for name, d in chosen.items() if not d.no_interval}
    resampled, jackknife = _weighted(maps, _resampling(len(maps), seed), frame, smooth)
    found = {}
    for name, definition in chosen.items():
        value = float(values[name][0])
        period = 180.0 if definition.unit == "degrees" else None
        low, high = (None, None) if definition.no_interval else _bca(value, resampled[name], jackknife[name], period)
        if low is not None and high is not None and period is None:
            low, high = (float(v) for v in np.clip((low, high), *definition.within))
        found[name] = Measure(_number(value), low, high, definition.unit)
    return found


def _framed(frame: Frame, shape: tuple[int, ...], geometry: Geometry) -> Frame:
    return replace(frame, fixed=geometry.setdefault((frame, shape), {}))


def _resampling(count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The images' shares in each resample, and in each mean that leaves one image out."""
    draw = np.random.default_rng((seed, 11))
    shares = draw.multinomial(count, np.full(count, 1 / count), size=RESAMPLES) / count
    return shares, (1 - np.eye(count)) / (count - 1)


@dataclass(frozen=True)
class Difference:
    """How much a measure of a second model differs from the first one's, with its paired 95 % interval."""

    value: float | None
    low: float | None
    high: float | None
    unit: str

    @property
    def holds(self) -> bool | None:
        """Whether the interval leaves out zero; None where there is none."""
        return None if self.low is None or self.high is None else not self.low <= 0 <= self.high

    @property
    def verdict(self) -> str:
        """`holds` in words, empty where there is no interval."""
        return {None: "", True: "holds", False: "does not"}[self.holds]

    def __str__(self) -> str:
        if self.value is None:
            return "not defined"
        interval = "" if self.low is None else f" ({self.low:.4g} to {self.high:.4g}), {self.verdict}"
        return f"{self.value:+.4g} {'' if self.unit == '1' else self.unit}".rstrip() + interval


Sided = tuple[NDArray[np.float32], Frame]


def differences(
    first: Sided, second: Sided, definitions: Mapping[str, Definition], *, seed: int
) -> dict[str, Difference]:
    """Second minus first, of each measure of the mean maps; a resample takes the same images of both.

    The difference of two angles lies in [-90, 90).
    """
    count = len(first[0])
    chosen = {name: d for name, d in definitions.items() if first[0].ndim - 1 in d.ranks}
    smooth = {name: d for name, d in chosen.items() if not d.no_interval}
    drawn = _resampling(count, seed) if count > 1 else ()
    sides = []
    for maps, own in (first, second):
        frame = _framed(own, maps.shape[1:], {})
        whole = _apply(np.abs(maps.mean(0, dtype=np.float64))[None], frame, chosen)
        sides.append([whole, *_weighted(maps, drawn, frame, smooth)])
    found = {}
    for name, definition in chosen.items():
        period = 180.0 if definition.unit == "degrees" else None
        pairs = [(a[name], b[name]) for a, b in zip(*sides, strict=True) if name in a]
        value, *spread = (_wrapped(b - a, period) for a, b in pairs)
        low, high = _bca(float(value[0]), spread[0], spread[1], period) if spread else (None, None)
        found[name] = Difference(_number(value[0]), low, high, definition.unit)
    return found


def _wrapped(values: NDArray[np.float64], period: float | None) -> NDArray[np.float64]:
    return values if period is None else (values + period / 2) % period - period / 2


def half_width(measure: Measure) -> float | None:
    """Half the interval's width relative to the value, for an angle to 90 degrees; None where there is no interval.

    >>> half_width(Measure(10.0, 9.5, 10.5, "px"))
    0.05
    """
    if measure.value is None or measure.low is None or measure.high is None:
        return None
    scale = 90.0 if measure.unit == "degrees" else abs(measure.value)
    half = (measure.high - measure.low) / 2
    return half / scale if scale else (0.0 if half == 0 else None)


def _weighted(
    maps: NDArray[np.float32],
    shares: Sequence[NDArray[np.float64]],
    frame: Frame,
    definitions: Mapping[str, Definition],
) -> list[dict[str, NDArray[np.float64]]]:
    """For each of the ``shares`` the measures of the means that they make of the maps.

    Of maps that are not negative, sums are mixed where that is enough; elsewhere the means are formed.
    """
    flat = maps.reshape(len(maps), -1)
    linear = {n: d for n, d in definitions.items() if d.of_mixed is not None} if flat.min(initial=0) >= 0 else {}
    formed = {name: d for name, d in definitions.items() if name not in linear}
    single, own = maps.astype(np.float64) if linear else None, replace(frame, shared={})
    found = []
    for drawn in shares:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore", under="ignore"):
            mixed = Mixed(single, drawn) if single is not None else None
            values = {n: np.asarray(d.of_mixed(mixed, own)) for n, d in linear.items() if d.of_mixed and mixed}
        found.append(values | (_of_means(flat, drawn, maps.shape[1:], (frame, formed)) if formed else {}))
    return found


def _of_means(
    flat: NDArray[np.float32],
    shares: NDArray[np.float64],
    shape: tuple[int, ...],
    asked: tuple[Frame, Mapping[str, Definition]],
) -> dict[str, NDArray[np.float64]]:
    """The measures of means that are formed, some at a time, in the maps' own precision."""
    rows, weights = max(1, CHUNK // max(flat.shape[1], 1)), shares.astype(flat.dtype)
    parts = []
    for start in range(0, len(shares), rows):
        mixed = np.abs(weights[start : start + rows] @ flat).reshape(-1, *shape)
        parts.append(_apply(mixed, *asked))
    return {name: np.concatenate([part[name] for part in parts]) for name in asked[1]}


def _apply(maps: NDArray[Any], frame: Frame, definitions: Mapping[str, Definition]) -> dict[str, NDArray[np.float64]]:
    frame = replace(frame, shared={})  # what these maps share
    with np.errstate(invalid="ignore", divide="ignore", over="ignore", under="ignore"):
        mixed = Mixed(maps)
        return {
            name: np.asarray(d.function(maps, frame) if d.of_mixed is None else d.of_mixed(mixed, frame), np.float64)
            for name, d in definitions.items()
        }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _bca(
    value: float,
    resampled: NDArray[np.float64],
    jackknife: NDArray[np.float64],
    period: float | None,
) -> tuple[float | None, float | None]:
    """Bias-corrected and accelerated limits; for an angle, of its deviation from the estimate.

    The resamples' mean bias is taken off first, twice from them and once from the value: what BCa does by ranks, which
    run out where the bias is larger than the spread. The levels are widened as
    Student's are against the normal's, and by n / (n - 1), the bootstrap's too small variance (Hesterberg 2015,
    doi:10.1080/00031305.2015.1089789). Between the k-th and the next of so few resamples lies 1 / (resamples + 1) of
    their distribution: quantiles that count k / (resamples - 1) would cut off a hundredth too much.
    """
    from scipy.special import ndtr, ndtri, stdtrit

    resampled = resampled[np.isfinite(resampled)]
    jackknife = jackknife[np.isfinite(jackknife)]
    count = len(jackknife)
    if not np.isfinite(value) or len(resampled) < RESAMPLES // 2 or count < 2:
        return None, None
    centre = 0.0 if period is None else value
    if period is not None:
        resampled, jackknife = (((v - value + period / 2) % period) - period / 2 for v in (resampled, jackknife))
        value = 0.0
    bias = resampled.mean() - value
    resampled, value = resampled - 2 * bias, value - bias
    below = (resampled < value).mean() + (resampled == value).mean() / 2
    below = min(max(float(below), 0.5 / len(resampled)), 1 - 0.5 / len(resampled))
    rank = float(ndtri(below))
    deviation = jackknife.mean() - jackknife
    spread = (deviation**2).sum()
    skew = float((deviation**3).sum() / (6 * spread**1.5)) if spread > 0 else 0.0
    limits = []
    for level in (0.025, 0.975):
        z = rank + stdtrit(count - 1, level) * np.sqrt(count / (count - 1))
        share = ndtr(rank + z / (1 - skew * z)) if abs(1 - skew * z) > 1e-6 else level
        share = min(max(float(share), 0.0), 1.0)
        limits.append(float(np.quantile(resampled, share, method="weibull")) + centre)
    return limits[0], limits[1]
