"""Polar histograms of the axial angles of a layer's kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rftools.errors import RequestError
from rftools.plots.kinds import kind
from rftools.plots.orientation.reading import subject
from rftools.plots.orientation.sphere import spherical
from rftools.plots.scene import (
    Axis,
    Line,
    Mark,
    Panel,
    PolarBars,
    Scene,
    even,
    numbers,
    short,
)

if TYPE_CHECKING:
    from rftools.weights.results import LayerOrientation, OrientationResult

MOST = 12  # panels on a sheet
FEWEST = 5  # oriented kernels that make a layer worth a panel unasked
READING = (
    "0° is along x, counter-clockwise as seen. An orientation has no direction, so the upper half is mirrored. Areas "
    "are true: a sector's radius is the square root of its share."
)


@kind("rftools.orientation", "polar", place=1)
def rose(result: OrientationResult, layer: str | None = None, most: int = MOST) -> Scene:
    """Polar histograms of kernel orientation, one a layer that has five oriented kernels or more (an even choice
    of ``most``), or ``layer`` alone.

    The dotted ring is a uniform distribution; the line is the layer's mean axis, as long as its resultant, which
    random taps on the same lattice keep inside the dashed ring in 95 % of cases.
    """
    flat = [row for row in result if row.axes is None]
    rows = [result[layer]] if layer is not None else [row for row in flat if row.oriented >= FEWEST]
    if not rows and any(row.oriented for row in result if row.axes is not None):
        return spherical(result)
    if not rows:
        raise RequestError(
            "no kernel here has an orientation (nothing is pruned, or the kernels are isotropic); "
            'the sizes of weights may have one: --mass abs (mass="abs")'
        )
    if rows[0].axes is not None:
        raise RequestError(f"layer {layer!r} is 3-D: its axes lie on the sphere, and a rose has no place for them")
    if layer is not None and not rows[0].oriented:
        raise RequestError(f"layer {layer!r} has no oriented kernel; nothing to draw")
    chosen = even(rows, most)
    single = len(chosen) == 1
    return Scene(
        panels=tuple(rose_panel(row, "channels" if result.of == "effective" else "kernels") for row in chosen),
        columns=2 if len(chosen) == 4 else min(3, len(chosen)),
        size=(480, 470) if single else (310, 350),
        title=f"{subject(result)}, {short(result.model.name, 40)}",
        caption=caption(result) + (f" {len(chosen)} of {len(rows)} layers." if len(chosen) < len(rows) else ""),
        alt="Polar histograms: " + "; ".join(_words(row) for row in chosen) + ".",
    )


def caption(result: OrientationResult) -> str:
    """How to read a rose: which angles, which way they are counted, and what the lines are."""
    axis = "The line is the mean axis, as long as the resultant R (the outer circle is 1), the arcs its 95 % interval"
    if result.of == "effective":
        whose = "the ellipses of each channel's effective field"
        return f"Angles of {whose}: {READING} Dotted: a uniform distribution. {axis}."
    taps = {"survivors": "the surviving taps", "abs": "taps weighed by |w|", "square": "taps weighed by w²"}
    spikes = "Spikes come from the few directions that a small lattice offers"
    chance = "random taps on the same lattice keep R inside the dashed ring in 95 % of cases"
    return f"Angles of {taps[result.mass]}: {READING} Dotted: a uniform distribution. {spikes}. {axis}" + (
        f"; {chance}." if any(row.null_radius is not None for row in result) else "."
    )


def _words(row: LayerOrientation) -> str:
    if row.mean_angle is None:
        return f"{short(row.name)}, no mean axis"
    return f"{short(row.name)}, mean axis {row.mean_angle:.0f}°, resultant {row.resultant:.2f}"


def rose_panel(row: LayerOrientation, what: str = "kernels") -> Panel:
    edges = np.asarray(row.histogram.edges, dtype=np.float64)
    counts = np.asarray(row.histogram.counts, dtype=np.float64)
    share = counts / max(1.0, counts.sum())
    density = share / np.diff(edges) * 180.0  # 1 where uniform
    radii = np.sqrt(density)
    full_edges, full = mirrored(edges, radii)
    hover = tuple(
        f"{a:g} to {b:g}°: {c:g} {what} ({100 * s:.1f} %)" for a, b, c, s in zip(edges, edges[1:], counts, share)
    )
    outer = float(max(1.15, radii.max(initial=0.0) * 1.08))
    circle = numbers(range(0, 361, 3))
    marks: list[Mark] = [
        PolarBars(colour="series-1", label=what, edges=full_edges, radii=full, hover=hover * 2),
        Line(colour="muted", label="uniform", x=circle, y=(1.0,) * len(circle), dash="dot"),
    ]
    if row.null_radius is not None:
        ring = (outer * row.null_radius,) * len(circle)
        marks.append(Line(colour="series-3", label="chance (95 %)", x=circle, y=ring, dash="dash"))
    if row.mean_angle is not None and row.resultant is not None:
        length = outer * float(row.resultant)
        angle = float(row.mean_angle)
        marks.append(
            Line(colour="series-2", label="mean axis", x=(angle + 180.0, angle, angle), y=(length, 0.0, length))
        )
        marks += _arcs(row, 0.97 * outer)
    return Panel(
        title=_title(row, what), y=Axis(limits=(0.0, outer), ticks=((1.0, ""),)), marks=tuple(marks), polar=True
    )


def _arcs(row: LayerOrientation, radius: float) -> list[Mark]:
    """The mean axis's interval, at both its ends; none where it leaves nothing out."""
    if row.angle_low is None or row.angle_high is None or row.angle_high - row.angle_low >= 175:
        return []
    ends = np.linspace(row.angle_low, row.angle_high, 30)
    x = numbers([*ends, ends[-1], *(ends + 180)])
    y = (*[radius] * 30, float("nan"), *[radius] * 30)
    return [Line(colour="series-2", label="its 95 % interval", x=x, y=y)]


def mirrored(edges: np.ndarray, radii: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """A histogram over 180 degrees, continued by its point reflection to the full circle.

    >>> import numpy as np
    >>> mirrored(np.array([0.0, 90.0, 180.0]), np.array([1.0, 2.0]))
    ((0.0, 90.0, 180.0, 270.0, 360.0), (1.0, 2.0, 1.0, 2.0))
    """
    return numbers([*edges, *(edges[1:] + 180.0)]), numbers([*radii, *radii])


def _title(row: LayerOrientation, what: str) -> str:
    resultant = "" if row.resultant is None else f", R = {row.resultant:.3f}"
    chance = "" if row.p_lattice is None else f", p = {row.p_lattice:.2g}"
    return f"{short(row.name, 26)}\n{row.oriented} {what}{resultant}{chance}"
