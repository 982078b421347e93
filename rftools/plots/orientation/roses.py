"""Orientation: polar plots of the axial angles of a layer's kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rftools.errors import RequestError
from rftools.plots.scene import (
    Axis,
    Band,
    Image,
    Line,
    Mark,
    Panel,
    PolarBars,
    Rect,
    Scene,
    layer_ticks,
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
TILES = 100  # kernels on a sheet of pictures


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
        raise RequestError("no kernel here has an orientation (nothing is pruned, or the kernels are isotropic)")
    if rows[0].axes is not None:
        raise RequestError(f"layer {layer!r} is 3-D: its axes lie on the sphere, and a rose has no place for them")
    if layer is not None and not rows[0].oriented:
        raise RequestError(f"layer {layer!r} has no oriented kernel; nothing to draw")
    chosen = [rows[round(i)] for i in np.linspace(0, len(rows) - 1, min(most, len(rows)))]
    single = len(chosen) == 1
    return Scene(
        panels=tuple(rose_panel(row, "channels" if result.of == "effective" else "kernels") for row in chosen),
        columns=2 if len(chosen) == 4 else min(3, len(chosen)),
        size=(480, 470) if single else (310, 350),
        title=f"{_subject(result)}, {short(result.model.name, 40)}",
        caption=caption(result) + (f" {len(chosen)} of {len(rows)} layers." if len(chosen) < len(rows) else ""),
        alt="Polar histograms: " + "; ".join(_words(row) for row in chosen) + ".",
    )


def _subject(result: OrientationResult) -> str:
    return "Orientation of effective fields" if result.of == "effective" else "Kernel orientation"


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


def depth(result: OrientationResult) -> Scene:
    """Anisotropy and resultant layer by layer: of the mean kernel, of all kernels pooled, and R beside the lattice's
    null, each with its 95 % interval.
    """
    rows = [row for row in result if row.kernels and row.pooled is not None and row.axes is None]
    if not rows and any(row.oriented for row in result if row.axes is not None):
        return spherical(result)
    if not rows:
        raise RequestError("no layer here has kernels in two dimensions; there is no orientation to draw")
    x = numbers(range(len(rows)))
    axis = Axis("layer", ticks=layer_ticks([row.name for row in rows]), limits=(-0.5, len(rows) - 0.5))
    pooled = [row.pooled for row in rows if row.pooled is not None]
    single: list[Mark] = [
        Band(colour="series-3", x=x, low=numbers(r.anisotropy_low for r in rows),
             high=numbers(r.anisotropy_high for r in rows)),
        Line(colour="series-3", label="mean kernel", x=x, y=numbers(r.anisotropy for r in rows), markers=True),
        Band(colour="series-1", x=x, low=numbers(p.low for p in pooled), high=numbers(p.high for p in pooled)),
        Line(colour="series-1", label="all kernels pooled", x=x, y=numbers(p.anisotropy for p in pooled), markers=True),
    ]  # fmt: skip
    lengths: list[Mark] = [
        Band(colour="series-2", x=x, low=numbers(r.resultant_low for r in rows),
             high=numbers(r.resultant_high for r in rows)),
        Line(colour="series-2", label="resultant R", x=x, y=numbers(r.resultant for r in rows), markers=True),
    ]  # fmt: skip
    lengths += _chance(rows, x)
    top = 1.08 * max((m for m in [*lengths[0].high, *lengths[-1].y] if m == m), default=1.0)  # type: ignore[attr-defined]
    kind = "channels' effective fields" if result.of == "effective" else "kernels"
    return Scene(
        panels=(
            Panel("Anisotropy", axis, Axis("0 isotropic, 1 a line", limits=(0, 1.03)), tuple(single)),
            Panel("Resultant", axis, Axis("0 all directions, 1 one direction", limits=(0, top)), tuple(lengths)),
        ),
        columns=2,
        size=(470, 380),
        title=f"{_subject(result)} through depth, {short(result.model.name, 40)}",
        caption=f"Of {kind}, layer by layer, with 95 % intervals. Pooled: all inertias summed, 0 where the layer as a "
        "whole looks in every direction though each kernel may be a line.",
        alt=f"Anisotropy and resultant of {len(rows)} layers.",
    )


def _chance(rows: Sequence[LayerOrientation], x: tuple[float, ...]) -> list[Line]:
    """What random taps on the same lattices reach in 95 % of cases, where any layer was tested."""
    if all(row.null_radius is None for row in rows):
        return []
    null = numbers(row.null_radius for row in rows)
    return [Line(colour="muted", label="chance (95 %)", x=x, y=null, dash="dash", markers=True)]


def spherical(result: OrientationResult) -> Scene:
    """The same for layers over volumes or frames, whose directions are axes on the sphere: fractional anisotropy, and
    the order parameter of the axes beside the lattice's null.
    """
    rows = [(row, row.axes, row.pooled) for row in result if row.axes is not None]
    x = numbers(range(len(rows)))
    axis = Axis("layer", ticks=layer_ticks([row.name for row, _, _ in rows]), limits=(-0.5, len(rows) - 0.5))
    one = "channel" if result.of == "effective" else "kernel"
    mean, pooled = (numbers(own.anisotropy if own else None for own in column) for column in list(zip(*rows))[1:])
    shapes = [
        Line(colour="series-3", label=f"mean {one}", x=x, y=mean, markers=True),
        Line(colour="series-1", label=f"all {one}s pooled", x=x, y=pooled, markers=True),
    ]
    order = numbers(own.order for _, own, _ in rows if own)
    orders = [Line(colour="series-2", label="order", x=x, y=order, markers=True)]
    orders += _chance([row for row, _, _ in rows], x)
    top = 1.08 * max((y for mark in orders for y in mark.y if y == y), default=1.0)
    return Scene(
        panels=(
            Panel("Fractional anisotropy", axis, Axis("0 a ball, 1 a line", limits=(0, 1.03)), tuple(shapes)),
            Panel("Order of the axes", axis, Axis("0 all round, 1 one direction", limits=(0, top)), tuple(orders)),
        ),
        columns=2,
        size=(470, 380),
        title=f"{_subject(result)} on the sphere, {short(result.model.name, 40)}",
        caption=f"Each {one} has a longest axis; the order (3 l1 - 1)/2, l1 the largest eigenvalue of the mean u u^T, "
        "says how far a layer's axes agree. Pooled: all inertias summed.",
        alt=f"Fractional anisotropy and order of {len(rows)} layers over three axes.",
    )


def kernels(result: OrientationResult, layer: str | None = None) -> Scene:
    """Kernels of one layer as small pictures, sorted by orientation, an even sample where there are many; those without
    an orientation come last.
    """
    kept = [row for row in result if row.examples is not None and row.oriented]
    rows = [result[layer]] if layer is not None else kept
    if not rows or rows[0].examples is None:
        raise RequestError("no kernels were kept to draw; ask for them: orientation(model, examples=100)")
    row = rows[0]
    own = row.examples
    assert own is not None
    columns = int(np.ceil(np.sqrt(len(own.kernels))))
    high = -(-len(own.kernels) // columns)
    marks: list[Mark] = []
    for place, (kernel, angle) in enumerate(zip(own.kernels, own.angles, strict=True)):
        top, left = divmod(place, columns)
        tile = (left + 0.1, left + 0.9, top + 0.02, top + 0.78)
        marks.append(Image(pixels=kernel_picture(kernel[..., None]), extent=tile))
        marks.append(Rect(colour="muted", extent=tile))
        if not np.isnan(angle):
            x, y = 0.09 * np.cos(np.radians(angle)), -0.09 * np.sin(np.radians(angle))
            marks.append(
                Line(colour="series-2", x=(left + 0.5 - x, left + 0.5 + x), y=(top + 0.88 - y, top + 0.88 + y))
            )
    return Scene(
        panels=(
            Panel(
                x=Axis(visible=False, limits=(0, columns)),
                y=Axis(visible=False, limits=(-0.02, high), reversed=True),
                marks=tuple(marks),
                equal=True,
                legend=False,
            ),
        ),
        size=(620, 640),
        title=f"Kernels by orientation, {short(row.name, 40)}",
        caption=f"{len(own.kernels)} of {row.kernels} kernels of {short(row.name, 60)} of "
        f"{short(result.model.name, 40)}, by the orientation of their taps (the tick below: 0° is along x, "
        "counter-clockwise as seen); those without one last. Grey is 0, white the largest positive and black the "
        "largest negative weight of each kernel.",
        alt=f"{len(own.kernels)} kernels as small pictures, sorted by orientation.",
    )


def kernel_picture(kernel: np.ndarray) -> np.ndarray:
    """A kernel ``(height, width, channels)`` as a picture: grey is 0, the largest weight black or white; three channels
    are red, green and blue, others are summed.

    >>> kernel_picture(np.array([[[1.0], [0.0], [-1.0]]], dtype=np.float32))[0, :, 0].tolist()
    [255, 128, 0]
    """
    shown = kernel if kernel.shape[-1] == 3 else np.repeat(kernel.sum(axis=-1, keepdims=True), 3, axis=-1)
    top = float(np.abs(shown).max()) or 1.0
    return np.round(127.5 + 127.5 * shown / top).astype(np.uint8)


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
