"""The effective map by distance from the unit's centre."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.plots.effective.places import own_place
from rftools.plots.effective.reading import flat
from rftools.plots.kinds import kind
from rftools.plots.scene import Line, Panel, PlotAxis, Scene, even, numbers, short

if TYPE_CHECKING:
    from rftools.erf.result import EffectiveLayer, EffectiveResult


@kind("rftools.erf", "profile", place=4)
def profile(result: EffectiveResult, layers: tuple[str, ...] = ()) -> Scene:
    """Mean of the map over rings around the unit's centre, by distance, at most six layers."""
    rows = [result[name] for name in layers] if layers else [row for row in result.central() if row.map.any()]
    rows = even(rows, 6) if rows else []
    if not rows:
        raise RequestError("no layer has an effective map; nothing to draw")
    unit = "samples" if rows[0].map.ndim == 1 else "px"
    marks = []
    for index, row in enumerate(rows):
        distance, mean = radial(flat(row), _places(row))
        reach = np.flatnonzero(mean > 1e-3)
        kept = slice(0, int(reach[-1]) + 2 if len(reach) else 1)
        x, y = numbers(distance[kept]), numbers(mean[kept])
        marks.append(Line(colour=f"series-{index + 1}", label=short(row.key), x=x, y=y))
    return Scene(
        panels=(
            Panel(
                title="Radial profile",
                x=PlotAxis("distance from the unit's own place", unit),
                y=PlotAxis("mean gradient, share of the largest"),
                marks=tuple(marks),
            ),
        ),
        caption="Mean of the effective map over rings one pixel wide around the unit's own place: at the end of a "
        "window that looks back.",
        alt=f"Radial profiles of {len(rows)} layers.",
    )


def _places(row: EffectiveLayer) -> list[float] | None:
    """The unit's own place along the drawn axes."""
    found = [own_place(row, axis) for axis in range(-min(2, row.map.ndim), 0)]
    known = [place for place in found if place is not None]
    return known if len(known) == len(found) else None


def radial(values: NDArray[np.float64], centre: list[float] | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ring means: ``mean[k]`` over pixels at a distance in ``[k - 0.5, k + 0.5)``, as shares of the largest.

    >>> import numpy as np
    >>> distance, mean = radial(np.eye(3)[[1]].repeat(1, axis=0), None)
    >>> mean.tolist()
    [1.0, 0.0]
    """
    middle = centre if centre is not None else [(n - 1) / 2 for n in values.shape]
    offsets = np.indices(values.shape) - np.reshape(middle, (-1,) + (1,) * values.ndim)
    ring = np.floor(np.sqrt((offsets**2).sum(axis=0)) + 0.5).astype(int).ravel()
    counts = np.bincount(ring)
    sums = np.bincount(ring, weights=values.ravel())
    kept = counts > 0
    mean = sums[kept] / counts[kept]
    top = mean.max(initial=0.0)
    return np.flatnonzero(kept).astype(np.float64), mean / top if top > 0 else mean
