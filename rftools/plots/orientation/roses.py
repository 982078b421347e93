"""Polar histograms of the axial angles of a layer's kernels."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from rftools.errors import RequestError
from rftools.plots.kinds import kind
from rftools.plots.orientation.kernels import kernel_picture
from rftools.plots.orientation.reading import subject
from rftools.plots.orientation.sectors import Directions, rose_of
from rftools.plots.orientation.sphere import spherical
from rftools.plots.scene import (
    Panel,
    Scene,
    Thumbnail,
    even,
    short,
)

if TYPE_CHECKING:
    from rftools.weights.results import LayerOrientation, OrientationResult

MOST = 12  # panels on a sheet
SHOWN = 12  # kernels of a layer that are shown as pictures
FEWEST = 5  # oriented kernels that make a layer worth a panel unasked
READING = (
    "0° is along x, counter-clockwise as seen; 180° is the same axis. Areas are true: a sector's radius is the square "
    "root of its share."
)


@kind("rftools.orientation", "polar", place=1)
def rose(result: OrientationResult, layer: str | None = None, most: int = MOST, full: bool = False) -> Scene:
    """Polar histograms of kernel orientation, one a layer that has five oriented kernels or more (an even choice
    of ``most``), or ``layer`` alone.

    On the half circle, since an axis has no direction, or mirrored to the ``full`` one. Green is what random taps on
    the same lattice give. Layers whose q is not small are grey; the others have their mean axis, as long as R.
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
        panels=tuple(
            rose_panel(row, "channels" if result.of == "effective" else "kernels", full=full) for row in chosen
        ),
        columns=2 if len(chosen) == 4 else min(3, len(chosen)),
        size=_size(single, full),
        title=f"{subject(result)}, {short(result.model.name, 40)}",
        caption=caption(result) + (f" {len(chosen)} of {len(rows)} layers." if len(chosen) < len(rows) else ""),
        alt="Polar histograms: " + "; ".join(_words(row) for row in chosen) + ".",
    )


def _size(single: bool, full: bool) -> tuple[int, int]:
    if full:
        return (480, 470) if single else (310, 350)
    return (560, 400) if single else (340, 270)


def caption(result: OrientationResult) -> str:
    """How to read a rose: which angles, which way they are counted, and what the lines are."""
    axis = (
        "Grey: no preference (q at least 0.05). Where there is one, the line is the mean axis, as long as the "
        "resultant R (the outer circle is 1), and the band on the rim its 95 % interval."
    )
    if result.of == "effective":
        axis = axis.replace("(q at least 0.05)", "(p at least 0.05), or none that could be tested")
        return f"Angles of the ellipses of each channel's effective field: {READING} Dotted: an even spread. {axis}"
    taps = {"survivors": "the surviving taps", "abs": "taps weighed by |w|", "square": "taps weighed by w²"}
    if any(row.chance is not None for row in result):
        null = "Green: what random taps on the same lattice give, as many in each kernel, with their 95 % envelope."
    else:
        null = "Dotted: an even spread; spikes come from the few directions that a small lattice offers."
    return f"Angles of {taps[result.mass]}: {READING} {null} {axis}"


def _words(row: LayerOrientation) -> str:
    if row.mean_angle is None:
        return f"{short(row.name)}, no mean axis"
    return f"{short(row.name)}, mean axis {row.mean_angle:.0f}°, resultant {row.resultant:.2f}"


def rose_panel(row: LayerOrientation, what: str = "kernels", *, full: bool = False) -> Panel:
    """One layer's directions against what random taps on its lattice give."""
    known = row.mean_angle is not None and row.resultant is not None
    mean = (float(row.mean_angle or 0), row.angle_low, row.angle_high, float(row.resultant or 0)) if known else None
    found = Directions(
        what,
        row.histogram.edges,
        row.histogram.counts,
        chance=row.chance,
        mean=mean,
        surprise=surprise(row),
    )
    return replace(rose_of(found, _title(row, what), full=full), examples=_examples(row))


def _examples(row: LayerOrientation) -> tuple[Thumbnail, ...]:
    """Kernels with their angles, where some were kept: an even sample of `SHOWN` at most."""
    if row.examples is None:
        return ()
    pairs = [pair for pair in zip(row.examples.kernels, row.examples.angles, strict=True) if not math.isnan(pair[1])]
    return tuple(Thumbnail(kernel_picture(kernel[..., None]), f"{angle:.0f}°") for kernel, angle in even(pairs, SHOWN))


def surprise(row: LayerOrientation) -> float | None:
    """How seldom chance gives as much: q over the layers, or p where there is none."""
    return next((value for value in (row.q, row.p_lattice, row.p_rayleigh) if value is not None), None)


def _title(row: LayerOrientation, what: str) -> str:
    resultant = "" if row.resultant is None else f", R = {row.resultant:.3f}"
    value = surprise(row)
    chance = "" if value is None else f", {'p' if row.q is None else 'q'} = {value:.2g}"
    return f"{short(row.name, 26)}\n{row.oriented} {what}{resultant}{chance}"
