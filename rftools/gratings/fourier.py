"""What a first layer must answer to gratings, from its kernels alone: their Fourier amplitude."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rftools.weights.statistics.shapes import coordinates

Floats = NDArray[np.float64]


def fourier_amplitude(
    weight: NDArray[np.float32],
    orientations: Sequence[float],
    frequencies: Sequence[float],
    *,
    gains: Sequence[float] | None = None,
    dilation: tuple[int, int] = (1, 1),
) -> Floats:
    """``|sum_c g_c sum_p w_c[p] exp(-2 pi i f n.p)|`` of filters ``(out, in, height, width)``, the amplitude with which
    a first layer's output swings as a grating moves over it: ``(out, frequencies, orientations)``.

    ``n`` is the unit vector at ``orientation + 90`` degrees, ``p`` the taps in input pixels, y up.

    Args:
        orientations: of the bars, in degrees.
        frequencies: in cycles a pixel.
        gains: what a grating of amplitude 1 is in each input channel (contrast / 2 / std); 1 where not given.

    >>> bars = np.zeros((1, 1, 1, 2), dtype=np.float32)
    >>> bars[0, 0, 0] = [-1.0, 1.0]  # an edge that stands upright
    >>> fourier_amplitude(bars, [0, 90], [0.5]).round(6).tolist()
    [[[0.0, 2.0]]]
    """
    mixed = np.asarray(weight, dtype=np.float64)
    own = np.ones(mixed.shape[1]) if gains is None else np.asarray(gains, dtype=np.float64)
    mixed = np.einsum("oc...,c->o...", mixed, own).reshape(len(mixed), -1)
    positions = coordinates(weight.shape[2:], tuple(float(d) for d in dilation))
    waves = np.radians(np.asarray(orientations, dtype=np.float64) + 90.0)
    along = positions @ np.stack([np.cos(waves), np.sin(waves)])  # taps, orientations
    turning = np.exp(-2j * np.pi * np.asarray(frequencies)[:, None, None] * along)
    amplitude: Floats = np.abs(np.einsum("ot,fta->ofa", mixed, turning))
    return amplitude
