"""Windowed sinusoidal gratings around one unit's field.

A grating's orientation is that of its bars: degrees counter-clockwise as seen, 0 along x (horizontal bars), y up. Its
wave vector, along which brightness changes and a drifting grating moves, stands 90 degrees further.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rftools.loading import Normalisation

Floats = NDArray[np.float64]
NYQUIST = 0.5
MOST_FREQUENCIES = 12
EDGE = 0.25  # the soft edge's width in radii of the flat part


@dataclass(frozen=True)
class Place:
    """Where gratings are shown: the unit's centre and field in input pixels, in the order of the tensor's axes.

    ``image`` is the input's size. Of three axes the first is time.
    """

    centre: tuple[float, ...]
    field: tuple[int, ...]
    image: tuple[int, ...]

    @property
    def diameter(self) -> float:
        """The diagonal of the field in the picture plane: a disc that covers the field whole."""
        return math.hypot(*self.field[-2:])

    @property
    def seen(self) -> int:
        """The longer side of the field in the picture plane, at most the image's."""
        return max(min(f, n) for f, n in zip(self.field[-2:], self.image[-2:], strict=True))


@dataclass(frozen=True)
class Sweep:
    """Which gratings are shown: every orientation (degrees) at every frequency (cycles a pixel) and phase.

    ``temporal`` is in cycles a frame; where it is not 0, each orientation drifts both ways.
    """

    orientations: tuple[float, ...]
    frequencies: tuple[float, ...]
    phases: int
    temporal: float = 0.0
    contrast: float = 1.0
    size: float = 1.0

    @property
    def waves(self) -> Floats:
        """Directions of the wave vector in degrees: 90 beyond the orientations, and 180 further for motion back."""
        there = np.asarray(self.orientations) + 90.0
        return np.concatenate([there, there + 180.0]) if self.temporal else there

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frequencies, waves, phases."""
        return len(self.frequencies), len(self.waves), self.phases


def default_frequencies(seen: int) -> tuple[float, ...]:
    """Half octaves, or wider steps where there would be more than 12, from half a cycle in the field to 0.5 a pixel.

    >>> [round(f, 3) for f in default_frequencies(4)]
    [0.125, 0.177, 0.25, 0.354, 0.5]
    """
    lowest = min(NYQUIST / max(seen, 1), NYQUIST / 2)
    steps = min(MOST_FREQUENCIES - 1, math.ceil(2 * math.log2(NYQUIST / lowest)))
    return tuple(float(f) for f in np.geomspace(lowest, NYQUIST, steps + 1))


def even_phases(count: int) -> Floats:
    """``count`` phases evenly over the full circle, in radians."""
    return 2 * np.pi * np.arange(count) / count


def disc(place: Place, size: float) -> Floats:
    """The window: 1 up to ``size`` half diameters of the field from its centre, then a raised cosine down to 0."""
    x, y = _plane(place)
    radius = size * place.diameter / 2
    beyond = np.clip((np.hypot(x, y) - radius) / max(EDGE * radius, 1e-9), 0.0, 1.0)
    window: Floats = (1 + np.cos(np.pi * beyond)) / 2
    return window


def _plane(place: Place) -> tuple[Floats, Floats]:
    """Coordinates of the pixels about the unit's centre, x to the right and y up."""
    rows, columns = (np.arange(n) - c for n, c in zip(place.image[-2:], place.centre[-2:], strict=True))
    x, y = np.meshgrid(columns, -rows)
    return x, y


def patterns(place: Place, sweep: Sweep) -> Iterator[NDArray[np.float32]]:
    """One array ``(phases, *image)`` of values in -1..1 a frequency and wave, in the order of `Sweep.shape`.

    ``window cos(2 pi f (x cos w + y sin w) - 2 pi g t - phase)``, ``w`` the wave vector's direction, ``g`` the temporal
    frequency.
    """
    x, y = _plane(place)
    window = disc(place, sweep.size)
    phases = even_phases(sweep.phases).reshape(-1, *[1] * len(place.image))
    for frequency in sweep.frequencies:
        for wave in np.radians(sweep.waves):
            angle = 2 * np.pi * frequency * (x * np.cos(wave) + y * np.sin(wave))
            if len(place.image) == 3:
                time = np.arange(place.image[0]) - place.centre[0]
                angle = angle - 2 * np.pi * sweep.temporal * time[:, None, None]
            yield (sweep.contrast * window * np.cos(angle - phases)).astype(np.float32)


def as_input(pattern: NDArray[np.float32], channels: int, norm: Normalisation | None) -> NDArray[np.float32]:
    """A pattern in all channels alike, about mid-grey: pixels ``(1 + pattern) / 2`` put through the normalisation, or
    the pattern itself where the net has none.
    """
    wide = np.repeat(pattern[:, None], channels, axis=1)
    if norm is None:
        return wide
    shape = (1, -1, *[1] * (wide.ndim - 2))
    mean, std = (np.reshape(v, shape) for v in (norm.mean, norm.std))
    return (((1 + wide) / 2 - mean) / std).astype(np.float32)
