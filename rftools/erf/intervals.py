"""Bootstrap intervals of measures: images are drawn anew, their maps averaged, the measure taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rftools.erf.measures.registry import Definition, Frame
from rftools.erf.result import Measure

RESAMPLES = 200
METHOD = (
    f"95 % BCa bootstrap over images ({RESAMPLES} resamples of the mean map; Efron 1987, doi:10.1080/01621459.1987."
    "10478410); below 20 images it tends to be too narrow, below 2 there is none"
)
CHUNK = 1 << 22  # numbers held at once


def measure_all(
    maps: NDArray[np.float32], frame: Frame, definitions: Mapping[str, Definition], *, seed: int
) -> dict[str, Measure]:
    """Every measure of the mean of ``maps`` ``(N, *spatial)`` with its interval over the images.

    One that moves in steps has none: its resamples repeat a few values, and their spread says little of its error.
    """
    rank, frame = maps.ndim - 1, replace(frame, fixed={})
    chosen = {name: d for name, d in definitions.items() if rank in d.ranks}
    whole = np.abs(maps.mean(0, dtype=np.float64))[None]
    if not whole.any():
        return {name: Measure(None, None, None, d.unit) for name, d in chosen.items()}
    values = _apply(whole, frame, chosen)
    if len(maps) < 2:
        return {name: Measure(_number(values[name][0]), None, None, d.unit) for name, d in chosen.items()}
    smooth = {name: d for name, d in chosen.items() if not d.steps}
    shares, left_out = _resampling(len(maps), seed)
    resampled = _weighted(maps, shares, frame, smooth)
    jackknife = _weighted(maps, left_out, frame, smooth)
    found = {}
    for name, definition in chosen.items():
        value = float(values[name][0])
        period = 180.0 if definition.unit == "degrees" else None
        low, high = (None, None) if definition.steps else _bca(value, resampled[name], jackknife[name], period)
        found[name] = Measure(_number(value), low, high, definition.unit)
    return found


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


Sided = tuple[NDArray[np.float32], Frame]


def differences(
    first: Sided, second: Sided, definitions: Mapping[str, Definition], *, seed: int
) -> dict[str, Difference]:
    """Second minus first, of each measure of the mean maps; a resample takes the same images of both.

    The difference of two angles lies in [-90, 90).
    """
    count = len(first[0])
    chosen = {name: d for name, d in definitions.items() if first[0].ndim - 1 in d.ranks}
    smooth = {name: d for name, d in chosen.items() if not d.steps}
    weights = [np.full((1, count), 1 / count), *(_resampling(count, seed) if count > 1 else ())]
    sides = [
        [_weighted(maps, shares, frame, smooth if i else chosen) for i, shares in enumerate(weights)]
        for maps, frame in (first, second)
    ]
    found = {}
    for name, definition in chosen.items():
        period = 180.0 if definition.unit == "degrees" else None
        own = [(a[name], b[name]) for a, b in zip(*sides, strict=True) if name in a]
        value, *spread = (_wrapped(b - a, period) for a, b in own)
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
    maps: NDArray[np.float32], shares: NDArray[np.float64], frame: Frame, definitions: Mapping[str, Definition]
) -> dict[str, NDArray[np.float64]]:
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    rows = max(1, CHUNK // max(flat.shape[1], 1))
    parts = []
    for start in range(0, len(shares), rows):
        mixed = np.abs(shares[start : start + rows] @ flat).reshape(-1, *maps.shape[1:])
        parts.append(_apply(mixed, frame, definitions))
    return {name: np.concatenate([part[name] for part in parts]) for name in definitions}


def _apply(
    maps: NDArray[np.float64], frame: Frame, definitions: Mapping[str, Definition]
) -> dict[str, NDArray[np.float64]]:
    frame = replace(frame, shared={}, fixed={} if frame.fixed is None else frame.fixed)  # shared: these maps' own
    with np.errstate(invalid="ignore", divide="ignore", over="ignore", under="ignore"):
        return {name: np.asarray(d.function(maps, frame), dtype=np.float64) for name, d in definitions.items()}


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
    doi:10.1080/00031305.2015.1089789).
    """
    from scipy.stats import norm, t

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
    rank = norm.ppf(below)
    deviation = jackknife.mean() - jackknife
    spread = (deviation**2).sum()
    skew = float((deviation**3).sum() / (6 * spread**1.5)) if spread > 0 else 0.0
    limits = []
    for level in (0.025, 0.975):
        z = rank + t.ppf(level, count - 1) * np.sqrt(count / (count - 1))
        share = norm.cdf(rank + z / (1 - skew * z)) if abs(1 - skew * z) > 1e-6 else level
        limits.append(float(np.quantile(resampled, min(max(float(share), 0.0), 1.0))) + centre)
    return limits[0], limits[1]
