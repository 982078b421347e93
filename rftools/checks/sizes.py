"""The effective size that a report speaks of: the diameter about the unit's centre that holds half of the gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rftools.trf.layer_field import side_of

if TYPE_CHECKING:
    from rftools.erf.intervals import Difference
    from rftools.erf.result import EffectiveLayer

MEASURE = "radius_50"  # moves evenly with the map; sizes by a threshold jump, and saturate where the window is small
Interval = tuple[float, float | None, float | None]


def effective_size(row: EffectiveLayer) -> Interval | None:
    """``2 radius_50`` in input pixels, with its 95 % interval; None where the map does not define it.

    Of a unit of a sequence that looks to one side only (a causal one) it is ``radius_50``: half of the gradient lies
    within so many samples from the unit's own place.

    Of a map that fills a square window evenly it is ``2 sqrt(1 / (2 pi)) = 0.80`` of the side, of a Gaussian
    ``2 sqrt(2 ln 2) = 2.35`` standard deviations, its width at half of its height.

    >>> from tests import drawn
    >>> effective_size(drawn.effective()["conv2"])
    (5.0, 4.5, 5.5)
    """
    return _scaled(row.measures.get(MEASURE), sides_of(row.theoretical))


def sides_of(theoretical: object) -> int:
    """1 for a unit of a sequence that looks back only, so that its own place is its window's end, else 2.

    >>> sides_of({"axes": [{"start": -7, "size": 8}]}), sides_of({"axes": [{"start": -3, "size": 7}]})
    (1, 2)
    """
    axes = theoretical.get("axes", []) if isinstance(theoretical, Mapping) else []
    start, size = (axes[0].get("start"), axes[0].get("size")) if len(axes) == 1 else (None, None)
    return 1 if start is not None and size is not None and size > 1 and start + size - 1 <= 0 else 2


def lag(row: EffectiveLayer, share: float) -> int | None:
    """Of a causal unit of a sequence: the fewest samples, its own place the first, that hold ``share`` of its map.

    None of other units, and where nothing moves the unit.

    >>> from types import SimpleNamespace
    >>> axes = [{"start": -3, "size": 4, "window": (1, 4)}]
    >>> row = SimpleNamespace(theoretical={"axes": axes}, map=[0.0, 1.0, 2.0, 3.0, 4.0, 0.0])
    >>> lag(row, 0.4), lag(row, 0.5), lag(row, 1.0)
    (1, 2, 4)
    """
    axes = row.theoretical.get("axes", [])
    if sides_of(row.theoretical) != 1 or not axes[0].get("window"):
        return None
    _, last = axes[0]["window"]
    back = [abs(float(value)) for value in row.map[: last + 1]][::-1]
    held, wanted = 0.0, share * sum(back) * (1 - 1e-12)
    for count, value in enumerate(back, start=1):
        held += value
        if held >= wanted > 0:
            return count
    return None


def effective_share(row: EffectiveLayer) -> Interval | None:
    """The effective size with its interval as a share of the theoretical side inside the image, where both are known.

    The side is `rftools.trf.layer_field.side_of` the window's extents.

    >>> from tests import drawn
    >>> [round(share, 3) for share in effective_share(drawn.effective()["conv2"])]
    [0.333, 0.3, 0.367]
    """
    found = effective_size(row)
    axes = (row.theoretical or {}).get("axes", [])
    sides = [hull[1] - hull[0] + 1 for axis in axes if (hull := axis.get("clipped")) is not None]
    if found is None or not sides:
        return None
    side = side_of(sides)
    value, low, high = found
    return value / side, None if low is None else low / side, None if high is None else high / side


def size_change(found: Difference | None, sides: int = 2) -> Interval | None:
    """A difference of effective sizes from that of their radii."""
    return _scaled(found, sides)


def _scaled(found: object, by: int) -> Interval | None:
    value, low, high = (getattr(found, end, None) for end in ("value", "low", "high"))
    if value is None:
        return None
    return by * value, None if low is None else by * low, None if high is None else by * high
