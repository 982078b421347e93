"""What lies over a map: window, ellipse and centre, contours, and what was looked at under them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.plots.effective.reading import centre_of, centroid, value_of, window_of
from rftools.plots.effective.regions import rings
from rftools.plots.scene import (
    Dash,
    Ellipse,
    Extent,
    Line,
    Mark,
    Points,
    Rect,
    numbers,
)

if TYPE_CHECKING:
    from rftools.erf.result import EffectiveLayer, EffectiveResult

HELD = (50, 90, 99)  # per cent of the sum that contours hold
DASHES: tuple[Dash, ...] = ("solid", "dash", "dot")


def outlines(row: EffectiveLayer, frame: Extent) -> list[Mark]:
    """The theoretical window, the one-sigma ellipse and the unit's centre, over a map in input pixels."""
    marks: list[Mark] = []
    window = window_of(row)
    if window is not None:
        (top, bottom), (left, right) = window
        inside = (
            max(left - 0.5, frame[0]),
            min(right + 0.5, frame[1]),
            max(top - 0.5, frame[2]),
            min(bottom + 0.5, frame[3]),
        )
        marks.append(Rect(colour="overlay", label="theoretical window", extent=inside))
    radii = [value_of(row, name) for name in ("ellipse_major", "ellipse_minor", "ellipse_angle")]
    if None not in radii:
        major, minor, angle = (float(v) for v in radii if v is not None)
        marks.append(
            Ellipse(colour="overlay-3", label="one sigma", centre=centroid(row), radii=(major, minor), angle=angle)
        )
    centre = centre_of(row)
    if centre is not None and len(centre) == 2:
        marks.append(Points(colour="overlay", x=(centre[1],), y=(centre[0],), symbol="cross"))
    return marks


def contours(values: NDArray[np.float64], *, rimmed: bool = False) -> list[Mark]:
    """Lines around the smallest areas that hold `HELD` per cent of the sum, of the map smoothed (`rings`: none where
    such an area is scattered). ``rimmed`` ones are light, to lie over a map.
    """
    lines: list[Mark] = []
    for share, dash, found in zip(HELD, DASHES, rings(values, [share / 100 for share in HELD]), strict=True):
        if not found:
            continue
        x = [place for points in found for place in (*(points[:, 0] - 0.5).tolist(), np.nan)]
        y = [place for points in found for place in (*(points[:, 1] - 0.5).tolist(), np.nan)]
        colour, label = ("over-dark", None) if rimmed else ("overlay-2", f"holds {share} %")
        lines.append(Line(colour=colour, label=label, x=numbers(x), y=numbers(y), dash=dash))
    return lines


def beneath(result: EffectiveResult, image: str, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """What was looked at, in grey and paler, so that lines stand out; None where it is not known, or is noise."""
    if image not in ("first", "mean"):
        raise RequestError(f"no image {image!r}; there are the first and the mean")
    pixels = result.pictures.get(image)
    if pixels is None or pixels.shape[:2] != shape or result.source.endswith("noise"):
        return None
    grey = pixels.astype(np.float64) @ (0.299, 0.587, 0.114)
    return np.repeat((40 + 0.6 * grey).astype(np.uint8)[..., None], 3, axis=2)


def shares_held(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each pixel, the share of the sum (%) that pixels of larger value hold: 0 at the maximum.

    >>> shares_held(np.array([[4.0, 1.0], [3.0, 2.0]])).tolist()
    [[0.0, 90.0], [40.0, 70.0]]
    """
    levels, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    sums = np.cumsum((levels * counts)[::-1])[::-1]
    above = np.append(sums[1:], 0.0)
    held: NDArray[np.float64] = 100 * above[places].reshape(values.shape) / max(float(sums[0]), 1e-300)
    return held
