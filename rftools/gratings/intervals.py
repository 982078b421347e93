"""Intervals of tuning measures, and the global OSI that a filter without orientation would show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rftools.gratings.measures import RESPONSES, axial_mean, contrast_index, orientation_index

Floats = NDArray[np.float64]
RESAMPLES = 200
READY = 512  # resamplings of phases that are prepared
FLOOR = 0.01  # a global OSI that the pixel grid and float32 can make
METHOD = (
    f"95 % bootstrap over phases ({RESAMPLES} resamples, phases drawn anew at every orientation); the noise level of "
    "the global OSI is its 95 % quantile if all orientations had the same mean and their own spread over phases, "
    f"{FLOOR} at least. The phases shown are evenly spaced, which is more exact than drawing them: with F0 the "
    "intervals are wide rather than narrow; F1 is fitted to each resample, and a linear unit's has no width"
)


@dataclass(frozen=True)
class Resampled:
    """Resampled measures, ``(resamples, filters)``; ``noise`` is ``(filters,)``."""

    axial: NDArray[np.complex128]
    osi: Floats
    dsi: Floats | None
    noise: Floats


def spread(outputs: Floats, response: str, orientations: Floats, best: NDArray[np.int64], seed: int) -> Resampled:
    """Resample ``outputs`` ``(filters, waves, phases)``, with twice as many waves as orientations where they move.

    ``best`` is the wave that each filter prefers; it stays, so that the largest of noisy responses is not taken anew.
    """
    draw = np.random.default_rng((seed, 17))
    waves, phases = outputs.shape[1:]
    ready = _prepared(outputs, response, _resamplings(phases, response, draw))
    found = RESPONSES[response](outputs)
    level = found.mean(axis=1, keepdims=True)
    inflation = np.sqrt(phases / (phases - 1))  # of a mean over resamples, whose variance is too small by that
    number = len(orientations)
    moving = waves > number
    places = np.arange(waves)
    axial, osi, dsi, null = [], [], [], []
    for _ in range(RESAMPLES):
        curves = ready[draw.integers(0, len(ready), waves), :, places].T
        folded = _folded(curves, number)
        axial.append(axial_mean(folded, orientations))
        osi.append(orientation_index(folded, best % number))
        if moving:
            dsi.append(direction_index(curves, best))
        even = np.maximum(level + inflation * (curves - found), 0)
        null.append(np.abs(axial_mean(_folded(even, number), orientations)))
    with np.errstate(invalid="ignore"):
        noise = np.maximum(np.quantile(np.stack(null), 0.95, axis=0), FLOOR)
    return Resampled(np.stack(axial), np.stack(osi), np.stack(dsi) if moving else None, noise)


def _folded(curves: Floats, number: int) -> Floats:
    """Responses by orientation: the mean over the two ways of moving."""
    return curves if curves.shape[-1] == number else (curves[:, :number] + curves[:, number:]) / 2


def direction_index(curves: Floats, best: NDArray[np.int64]) -> Floats:
    """``(R_pref - R_opp) / (R_pref + R_opp)``, the opposite direction of motion being half the waves further."""
    waves = curves.shape[-1]
    ways = (np.take_along_axis(curves, i[:, None], 1)[:, 0] for i in (best, (best + waves // 2) % waves))
    return contrast_index(*ways)


def _resamplings(phases: int, response: str, draw: np.random.Generator) -> NDArray[np.complex128]:
    """Linear maps ``(resamplings, phases)`` from outputs to a resample's response: weights of its mean for F0, those of
    its least-squares first harmonic for F1 (of at least three distinct phases).
    """
    counts = draw.multinomial(phases, np.full(phases, 1 / phases), size=4 * READY)
    if response == "F0":
        return (counts[:READY] / phases).astype(np.complex128)
    counts = counts[(counts > 0).sum(axis=1) >= min(3, phases)][:READY]
    angle = 2 * np.pi * np.arange(phases) / phases
    design = np.stack([np.ones(phases), np.cos(angle), np.sin(angle)], axis=1)
    root = np.sqrt(counts)[:, :, None]
    solved = np.linalg.pinv(root * design) * root.swapaxes(1, 2)
    weights: NDArray[np.complex128] = solved[:, 1] - 1j * solved[:, 2]
    return weights


def _prepared(outputs: Floats, response: str, maps: NDArray[np.complex128]) -> Floats:
    """Every resampling's responses ``(resamplings, filters, waves)``."""
    if response == "F0":
        return np.moveaxis(np.maximum(outputs, 0) @ maps.real.T, -1, 0)
    return np.moveaxis(np.abs(outputs @ maps.T), -1, 0)


def around(value: float, resampled: Floats, period: float | None = None) -> tuple[float | None, float | None]:
    """The 2.5 and 97.5 % quantiles; of an angle, those of its deviation from ``value``."""
    resampled = resampled[np.isfinite(resampled)]
    if not np.isfinite(value) or len(resampled) < RESAMPLES // 2:
        return None, None
    if period is not None:
        resampled = (resampled - value + period / 2) % period - period / 2 + value
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(low), float(high)
