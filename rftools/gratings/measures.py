"""Measures of tuning curves. Arrays are ``(filters, orientations)``, orientations even over 180 degrees, in radians.

Indices are None (NaN here) where a filter answers nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SILENT = 1e-6  # responses below this share of the layer's largest are rounding
KAPPAS = np.geomspace(0.005, 60.0, 64)


def harmonic(outputs: Floats) -> Floats:
    """The amplitude of the first harmonic over evenly spaced phases, the last axis: ``|2/P sum y exp(-i phase)|``.

    >>> phases = 2 * np.pi * np.arange(8) / 8
    >>> float(harmonic(3 * np.cos(phases - 1) + 5).round(6))
    3.0
    """
    phases = 2 * np.pi * np.arange(outputs.shape[-1]) / outputs.shape[-1]
    amplitude: Floats = np.abs(outputs @ np.exp(-1j * phases)) * 2 / outputs.shape[-1]
    return amplitude


def rectified_mean(outputs: Floats) -> Floats:
    """The mean over phases, the last axis, of what is above zero."""
    mean: Floats = np.maximum(outputs, 0).mean(axis=-1)
    return mean


RESPONSES = {"F0": rectified_mean, "F1": harmonic}


def axial_mean(curves: Floats, orientations: Floats) -> NDArray[np.complex128]:
    """``sum r exp(2 i theta) / sum r``: its length is the global OSI, half its angle the preferred orientation."""
    total = curves.sum(axis=-1)
    weighted = curves @ np.exp(2j * orientations)
    return np.divide(weighted, total, out=np.full(total.shape, np.nan + 0j), where=total > 0)


def contrast_index(first: Floats, second: Floats) -> Floats:
    """``(a - b) / (a + b)``: the OSI of preferred and orthogonal, the DSI of preferred and opposite responses."""
    total = first + second
    return np.divide(first - second, total, out=np.full(total.shape, np.nan), where=total > 0)


def orientation_index(curves: Floats, best: NDArray[np.int64]) -> Floats:
    """``(R_pref - R_orth) / (R_pref + R_orth)`` with ``R_pref`` the response at index ``best``, 90 degrees apart."""
    half = curves.shape[-1] // 2
    orthogonal = (best + half) % curves.shape[-1]
    preferred, other = (np.take_along_axis(curves, i[..., None], -1)[..., 0] for i in (best, orthogonal))
    return contrast_index(preferred, other)


def peak_frequency(profile: Floats, frequencies: Floats, best: NDArray[np.int64]) -> Floats:
    """The frequency of the largest response, from the parabola through ``log r`` at three neighbouring frequencies.

    Exact for a Gaussian band, as a Gabor filter has; at either end of ``frequencies`` it is that end.

    >>> f = np.array([0.1, 0.2, 0.3])
    >>> peak_frequency(np.exp(-(((f - 0.22) / 0.1) ** 2))[None], f, np.array([1])).round(6).tolist()
    [0.22]
    """
    found = frequencies[best].copy()
    for filter_, k in enumerate(best):
        if not 0 < k < len(frequencies) - 1:
            continue
        own = profile[filter_, k - 1 : k + 2]
        if own.min() <= 0:
            continue
        a, b, _ = np.polyfit(frequencies[k - 1 : k + 2], np.log(own), 2)
        if a < 0:
            found[filter_] = np.clip(-b / (2 * a), frequencies[k - 1], frequencies[k + 1])
    return found


class Fit(NamedTuple):
    """``r = base + gain exp(kappa (cos 2(theta - centre) - 1))``: half width (degrees) and share of variance."""

    centre: Floats
    kappa: Floats
    half_width: Floats
    goodness: Floats


def fit_von_mises(curves: Floats, orientations: Floats) -> Fit:
    """The least-squares von Mises bump of each curve, its half width at half height, and R^2.

    Base and gain are linear, so R^2 at a given (centre, kappa) is the squared correlation of the curve and the bump:
    a grid of bumps, then finer grids about the best. Half height lies between base and peak at the opposite side:
    ``cos 2 d = 1 + log((1 + exp(-2 kappa)) / 2) / kappa``. Flat curves have none (NaN).
    """
    centred = curves - curves.mean(axis=-1, keepdims=True)
    power = (centred**2).sum(axis=-1)
    flat = np.sqrt(power) <= SILENT * np.maximum(np.abs(curves).max(axis=-1, initial=0.0), 1e-300)
    unit = centred / np.sqrt(np.where(flat, 1.0, power))[:, None]
    centres = np.arange(0, np.pi, np.pi / 180)
    grid = _bumps(centres[:, None], KAPPAS, orientations).reshape(-1, len(orientations))
    place = np.argmax(unit @ grid.T, axis=-1)
    centre, log_kappa = centres[place // len(KAPPAS)], np.log(KAPPAS[place % len(KAPPAS)])
    score = np.full(len(curves), -1.0)
    steps = np.linspace(-1.0, 1.0, 7)
    for shrink in 0.35 ** np.arange(9):
        near = centre[:, None, None] + np.radians(1.0) * shrink * steps[:, None]
        width = log_kappa[:, None, None] + 0.16 * shrink * steps
        near, width = (np.broadcast_to(v, (len(curves), 7, 7)).reshape(len(curves), 49) for v in (near, width))
        scores = np.einsum("cgo,co->cg", _bumps(near, np.exp(width), orientations), unit)
        best = scores.argmax(axis=-1)
        centre, log_kappa, score = (np.take_along_axis(v, best[:, None], 1)[:, 0] for v in (near, width, scores))
    kappa = np.exp(log_kappa)
    cosine = 1 + (np.log1p(np.exp(-2 * kappa)) - np.log(2)) / kappa
    half = np.degrees(np.arccos(np.clip(cosine, -1, 1))) / 2
    blank = np.where(flat, np.nan, 0.0)
    return Fit(np.mod(centre, np.pi) + blank, kappa + blank, half + blank, np.maximum(score, 0) ** 2 + blank)


def bump_through(curve: Floats, orientations: Floats, at: Floats) -> Floats:
    """The von Mises bump that is fitted to one curve, at the angles ``at``; NaN where the curve is flat."""
    fit = fit_von_mises(curve[None], orientations)
    if np.isnan(fit.kappa[0]):
        return np.full(len(at), np.nan)

    def shape(angle: Floats) -> Floats:
        bump: Floats = np.exp(fit.kappa[0] * (np.cos(2 * (angle - fit.centre[0])) - 1))
        return bump

    own = shape(orientations)
    gain = ((own - own.mean()) @ (curve - curve.mean())) / ((own - own.mean()) ** 2).sum()
    found: Floats = curve.mean() + gain * (shape(at) - own.mean())
    return found


def _bumps(centre: Floats, kappa: Floats, orientations: Floats) -> Floats:
    """Bumps over orientations, last axis, with mean 0 and length 1."""
    shape = kappa[..., None] * (np.cos(2 * (orientations - centre[..., None])) - 1)
    bumps = np.exp(shape)
    bumps = bumps - bumps.mean(axis=-1, keepdims=True)
    length: Floats = np.linalg.norm(bumps, axis=-1, keepdims=True)
    unit: Floats = bumps / np.maximum(length, 1e-300)
    return unit
