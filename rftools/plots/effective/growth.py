"""Effective against theoretical size through depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rftools.errors import RequestError
from rftools.plots.effective.reading import axes_of, clipped_size
from rftools.plots.kinds import kind
from rftools.plots.scene import (
    Band,
    Line,
    Mark,
    Panel,
    PlotAxis,
    Scene,
    layer_axis,
    numbers,
)

if TYPE_CHECKING:
    from rftools.erf.result import EffectiveLayer, EffectiveResult

DISCS = {"radius_50": "diameter that holds half of the sum", "radius_90": "diameter that holds 90 % of the sum"}


@kind("rftools.erf", "growth", place=2)
def growth(result: EffectiveResult, measure: str | None = None) -> Scene:
    """Effective against theoretical size through depth, with the intervals of ``measure``: the width that holds 95.45 %
    of the sum, where it is measured (``relative_size``). A radius is drawn as a diameter. The dotted line grows
    with the root of depth, as in random nets (Luo et al., arXiv:1701.04128).
    """
    rows = result.central()
    known = sorted({name for row in rows for name in row.measures})
    measure = measure or ("relative_size" if "relative_size" in known else "radius_50")
    if measure not in known:
        raise RequestError(f"no measure {measure!r}; measured are {', '.join(known) or 'none'}")
    sizes = [_sizes(row, measure) for row in rows]
    x = numbers(range(len(rows)))
    effective = numbers(value for value, _, _ in sizes)
    theoretical = numbers((_inside if measure == "relative_size" else clipped_size)(row) for row in rows)
    hover = tuple(f"{row.key or '(model)'}: {value:.3g} px" for row, value in zip(rows, effective, strict=True))
    named = "width of 95 % of the sum" if measure == "relative_size" else DISCS.get(measure, measure)
    marks: list[Mark] = [
        Line(colour="series-2", label="theoretical, inside the image", x=x, y=theoretical, dash="dash", markers=True),
        Band(
            colour="series-1",
            label="95 % interval",
            x=x,
            low=numbers(low for _, low, _ in sizes),
            high=numbers(high for _, _, high in sizes),
        ),
        Line(colour="series-1", label=f"effective ({named})", x=x, y=effective, markers=True, hover=hover),
    ]
    if len(rows) > 2:
        marks.append(Line(colour="muted", label="as the root of depth", x=x, y=_root(effective), dash="dot"))
    return Scene(
        panels=(
            Panel(
                title="Effective against theoretical field",
                x=layer_axis([row.key for row in rows]),
                y=PlotAxis("side", "px", zero=True),
                marks=tuple(marks),
            ),
        ),
        caption="Size of the effective field with its 95 % interval (bootstrap over images) below the side of the "
        "theoretical one, clipped to the image."
        + (" The dotted line is the best one that grows with the root of depth." if len(rows) > 2 else ""),
        alt=f"Two curves over {len(rows)} layers of {result.model.name}: theoretical and effective field size.",
    )


def _sizes(row: EffectiveLayer, measure: str) -> tuple[float | None, float | None, float | None]:
    """A measure with its interval; a share of the theoretical size in pixels of it, a radius as a diameter."""
    found = row.measures.get(measure)
    if found is None:
        return None, None, None
    scale = _full_size(row) if measure == "relative_size" else 2.0 if measure in DISCS else 1.0
    low, high = (None if limit is None else limit * scale for limit in (found.low, found.high))
    return (None if found.value is None else found.value * scale), low, high


def _full_size(row: EffectiveLayer) -> float:
    """What `relative_size` is relative to: the theoretical size, where global the image's, the axes' geometric mean."""
    sides = [axis["size"] or axis["clipped"][1] - axis["clipped"][0] + 1 for axis in axes_of(row)]
    return float(np.prod(sides)) ** (1 / len(sides))


def _inside(row: EffectiveLayer) -> float | None:
    """The theoretical size inside the image as `relative_size` has it: the geometric mean over all axes."""
    sides = [hull[1] - hull[0] + 1 for axis in axes_of(row) if (hull := axis.get("clipped")) is not None]
    return float(np.prod(sides)) ** (1 / len(sides)) if sides else None


def _root(effective: tuple[float, ...]) -> tuple[float, ...]:
    """``c sqrt(1), c sqrt(2), ...`` with the c of least squares."""
    root = np.sqrt(np.arange(1, len(effective) + 1))
    values = np.array(effective)
    there = np.isfinite(values)
    share = float(root[there] @ values[there] / max(root[there] @ root[there], 1e-300))
    return numbers(share * root)
