"""Which gratings are shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from rftools.errors import RequestError
from rftools.gratings.stimuli import NYQUIST, Place, Sweep, default_frequencies
from rftools.reading import check as check_limit

DRIFT = 0.25  # cycles a frame at most, where nothing else is asked


class Options(TypedDict, total=False):
    """The fields of `Gratings`, which says what each means and what it is where it is not given."""

    orientations: int
    frequencies: Sequence[float] | None
    phases: int
    contrast: float
    size: float
    temporal: float | None


@dataclass(frozen=True)
class Gratings:
    """``orientations`` evenly over 180 degrees (an even number), at spatial ``frequencies`` in cycles a pixel (None:
    half octaves from half a cycle a field to 0.5) and ``phases``. ``contrast`` about mid-grey is above 0 and up to 1,
    all channels alike; ``size`` is the disc's diameter in diagonals of the field, of which 1 covers the field whole.
    ``temporal`` is the drift in cycles a frame, for nets over frames (None: one cycle a field, 0.25 at most).
    """

    orientations: int = 24
    frequencies: Sequence[float] | None = None
    phases: int = 8
    contrast: float = 1.0
    size: float = 1.0
    temporal: float | None = None

    def check(self, image: Sequence[int]) -> None:
        """Raise `RequestError` for numbers out of their range, and for inputs ``(C, *spatial)`` that have no plane."""
        if len(image) < 3:
            raise RequestError("gratings have an orientation in a picture plane; a 1-D net has none")
        if self.orientations < 4 or self.orientations % 2:
            raise RequestError(
                f"{self.orientations} orientations; it takes an even number, 4 or more, so that each has its orthogonal"
            )
        if self.phases < 3:
            raise RequestError(f"{self.phases} phases; a first harmonic takes 3 or more")
        check_limit("units", self.orientations * self.phases * len(self.frequencies or (1,)), "the gratings")
        if not 0 < self.contrast <= 1:
            raise RequestError(f"contrast {self.contrast:g} is not above 0 and up to 1")
        if not (self.size > 0 and math.isfinite(self.size)):
            raise RequestError(f"size {self.size:g}; the disc's diameter in fields is a positive number")
        _check_frequencies("frequency", self.frequencies)
        _check_frequencies("temporal frequency", None if self.temporal is None else [self.temporal])
        if self.temporal is not None and len(image) != 4:
            raise RequestError("a temporal frequency needs a net over frames (input CxDxHxW); this one takes pictures")

    def sweep(self, place: Place) -> Sweep:
        """The gratings for units of this place and field."""
        angles = tuple(180.0 * k / self.orientations for k in range(self.orientations))
        chosen = self.frequencies
        frequencies = default_frequencies(place.seen) if chosen is None else tuple(sorted(set(map(float, chosen))))
        drift = 0.0
        if len(place.image) == 3:
            drift = self.temporal or min(DRIFT, 1 / min(place.field[0], place.image[0]))
        return Sweep(angles, frequencies, self.phases, drift, self.contrast, self.size)


def _check_frequencies(name: str, values: Sequence[float] | None) -> None:
    bad = [f for f in values or () if not 0 < f <= NYQUIST]
    if bad or (values is not None and not len(values)):
        raise RequestError(f"{name} {bad[0] if bad else 'none'} is not above 0 and up to {NYQUIST} cycles a sample")
