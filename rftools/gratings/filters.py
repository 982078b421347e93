"""From a unit's outputs to the tuning of its filters and the layer's summary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rftools.gratings.intervals import Resampled, around, direction_index, spread
from rftools.gratings.measures import (
    RESPONSES,
    SILENT,
    axial_mean,
    fit_von_mises,
    harmonic,
    orientation_index,
    peak_frequency,
    rectified_mean,
)
from rftools.gratings.result import Estimate, FilterTuning, LayerTuning
from rftools.gratings.stimuli import Place, Sweep
from rftools.trf import LayerField
from rftools.weights.statistics.axial import rayleigh, resultant

Floats = NDArray[np.float64]
NEAR_NYQUIST = 0.4  # cycles a pixel, above which a grating and its image in the pixel grid are hard to tell apart


def describe(row: LayerField, place: Place, sweep: Sweep, outputs: Floats, response: str, seed: int) -> LayerTuning:
    """One layer from its unit's ``outputs`` ``(gratings, filters)``, gratings in the order of `Sweep.shape`."""
    filters = outputs.shape[1]
    y = np.moveaxis(outputs.reshape(*sweep.shape, filters), -1, 0)  # filters, frequencies, waves, phases
    responses = RESPONSES[response](y)
    responses[responses <= SILENT * responses.max(initial=0.0)] = 0.0
    tuned = _filters(y, responses, sweep, response, seed)
    responding = sum(one.response > 0 for one in tuned)
    selective = [one for one in tuned if one.selective]
    length = mean = None
    if selective:
        length, mean = resultant(np.radians([one.orientation.value or 0.0 for one in selective]))
    return LayerTuning(
        name=row.name,
        unit=row.unit or (),
        centre=place.centre,
        field=place.field,
        diameter=sweep.size * place.diameter,
        orientations=sweep.orientations,
        frequencies=sweep.frequencies,
        temporal=sweep.temporal,
        filters=tuned,
        responding=responding,
        selective=len(selective),
        mean_orientation=None if mean is None else math.degrees(mean),
        resultant=length,
        p_rayleigh=None if length is None else rayleigh(len(selective), length),
        medians={key: _median(tuned, key) for key in ("global_osi", "osi", "half_width", "frequency", "modulation")},
        responses=responses,
        note=_note(tuned, responding),
    )


def _note(tuned: tuple[FilterTuning, ...], responding: int) -> str | None:
    """Why there is nothing, or of how many filters the orientation is not to be trusted to the degree."""
    if not responding:
        return "no filter answers to any grating"
    near = sum(one.frequency is not None and one.frequency > NEAR_NYQUIST for one in tuned)
    return f"{near} prefer over {NEAR_NYQUIST:g} cycles a pixel: aliasing turns their angles" if near else None


def _median(tuned: tuple[FilterTuning, ...], key: str) -> float | None:
    values = [getattr(one, key) for one in tuned]
    plain = [v.value if isinstance(v, Estimate) else v for v in values]
    known = [float(v) for v in plain if v is not None]
    return float(np.median(known)) if known else None


def _filters(y: Floats, responses: Floats, sweep: Sweep, response: str, seed: int) -> tuple[FilterTuning, ...]:
    filters, _, waves = responses.shape
    orientations, frequencies = np.radians(sweep.orientations), np.asarray(sweep.frequencies)
    number = len(orientations)
    which = responses.reshape(filters, -1).argmax(axis=1)
    best_frequency, best_wave = which // waves, which % waves
    everyone = np.arange(filters)
    curves = responses[everyone, best_frequency]
    at_best = y[everyone, best_frequency]
    folded = curves if waves == number else (curves[:, :number] + curves[:, number:]) / 2
    axial = axial_mean(folded, orientations)
    top = at_best[everyone, best_wave]
    modulation = np.divide(
        harmonic(np.maximum(top, 0)), rectified_mean(top), out=np.full(filters, np.nan), where=rectified_mean(top) > 0
    )
    fit = fit_von_mises(folded, orientations)
    found = {
        "response": curves[everyone, best_wave],
        "axial": axial,
        "frequency": peak_frequency(responses[everyone, :, best_wave], frequencies, best_frequency),
        "osi": orientation_index(folded, best_wave % number),
        "peak": np.asarray(sweep.orientations)[best_wave % number],
        "half_width": fit.half_width,
        "fit": fit.goodness,
        "modulation": modulation,
        "dsi": direction_index(curves, best_wave) if waves > number else None,
        "direction": np.mod(sweep.waves[best_wave], 360.0),
        "end": np.where(best_frequency == 0, "low", np.where(best_frequency == len(frequencies) - 1, "high", "")),
    }
    resampled = spread(at_best, response, orientations, best_wave, seed)
    return tuple(_one(f, found, resampled) for f in range(filters))


def _one(f: int, found: dict[str, Any], resampled: Resampled) -> FilterTuning:
    if found["response"][f] <= 0:
        blank = Estimate(None)
        return FilterTuning(f, 0.0, blank, None, None, None, blank, blank, None, None, False, None, None, None)
    length, noise = float(abs(found["axial"][f])), _number(resampled.noise[f])
    selective = noise is not None and length > noise
    dsi = found["dsi"]
    return FilterTuning(
        filter=f,
        response=float(found["response"][f]),
        orientation=_orientation(found["axial"][f], resampled.axial[:, f]),
        peak=float(found["peak"][f]),
        frequency=float(found["frequency"][f]),
        frequency_end=str(found["end"][f]) or None,
        osi=_estimate(found["osi"][f], resampled.osi[:, f]),
        global_osi=_estimate(length, np.abs(resampled.axial[:, f])),
        circular_variance=1 - length,
        noise=noise,
        selective=selective,
        half_width=_number(found["half_width"][f]),
        fit=_number(found["fit"][f]),
        modulation=_number(found["modulation"][f]),
        dsi=None if dsi is None or resampled.dsi is None else _estimate(dsi[f], resampled.dsi[:, f]),
        direction=None if dsi is None else float(found["direction"][f]),
    )


def _orientation(axial: complex, resampled: NDArray[np.complex128]) -> Estimate:
    if abs(axial) < SILENT:  # float32 rounding
        return Estimate(None)
    value = float(np.degrees(np.angle(axial)) / 2 % 180)
    value = 0.0 if value > 180 - 1e-9 else value
    return Estimate(value, *around(value, np.degrees(np.angle(resampled)) / 2, 180.0))


def _estimate(value: float, resampled: Floats) -> Estimate:
    return Estimate(_number(value), *around(float(value), resampled))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
