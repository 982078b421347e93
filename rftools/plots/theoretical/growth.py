"""Theoretical fields: their size through depth, and one unit's window to scale on an input picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.plots.picture import neutral_picture
from rftools.plots.scene import (
    Axis,
    Band,
    Dash,
    Heatmap,
    Image,
    Line,
    Mark,
    Mask,
    Panel,
    Points,
    Rect,
    Rule,
    Scene,
    layer_ticks,
    numbers,
    short,
)
from rftools.trf.result import AxisField, LayerField, TheoreticalResult

AXIS_NAMES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def growth(result: TheoreticalResult, other: TheoreticalResult | None = None) -> Scene:
    """Field size of every layer, in execution order, against the image's size; a band spans what single branches see.

    ``other`` is drawn beside it: another net, or the same one changed.
    """
    if other is not None:
        return _beside(result, other)
    rows = list(result)
    sides = () if result.input_size is None else result.input_size[1:]
    names = AXIS_NAMES.get(len(sides), tuple(f"axis {i}" for i in range(len(sides))))
    marks: list[Mark] = _branches(rows)
    curves = [[_size(row, axis, side) for row in rows] for axis, side in enumerate(sides)]
    same = all(curve == curves[0] for curve in curves)
    for axis, curve in enumerate(curves[:1] if same else curves):
        marks += _curve(rows, curve, axis, "field" if same else f"field, {names[axis]}")
    for side in sorted(set(sides)):
        label = "image size" if len(set(sides)) == 1 else f"image {names[sides.index(side)]}"
        marks.append(Rule(colour="series-2", label=f"{label} ({side} px)", value=side))
    sizes = [v for curve in curves for v in curve if v is not None]
    return Scene(
        panels=(
            Panel(
                title="Theoretical field through depth",
                x=Axis("layer", ticks=layer_ticks([row.name for row in rows]), limits=(-0.5, max(1, len(rows)) - 0.5)),
                y=Axis("field size", "px", log=bool(sizes) and max(sizes) > 60 * max(1, min(sizes))),
                marks=tuple(marks),
            ),
        ),
        caption="Side of the theoretical receptive field in input pixels, layer by layer in execution order. Above the "
        "dashed line a unit's field is larger than the image; open circles mark layers that see all of it."
        + (" The band reaches down to the field of the narrowest branch." if marks and _branches(rows) else ""),
        alt=_growth_alt(result, sizes),
    )


def _branches(rows: Sequence[LayerField]) -> list[Mark]:
    """From the narrowest branch's field to the widest's, where a layer has branches that differ."""
    spans = [
        (i, min(a.min_size for a in row.axes if a.min_size is not None), max(a.size or 0 for a in row.axes))
        for i, row in enumerate(rows)
        if row.axes and all(a.min_size is not None and a.size is not None for a in row.axes)
    ]
    if len(spans) < 2 or not any(low < high for _, low, high in spans):
        return []
    x, low, high = (numbers(values) for values in zip(*spans, strict=True))
    return [Band(colour="series-1", label="narrowest to widest branch", x=x, low=low, high=high)]


def _beside(first: TheoreticalResult, second: TheoreticalResult) -> Scene:
    """Two nets in one drawing: layer by layer where their layers have the same names, by share of depth elsewhere."""
    names = [row.name for row in first]
    aligned = names == [row.name for row in second]
    results = (first, second)
    labels = [short(result.model.name) for result in results]
    marks: list[Mark] = []
    for colour, label, result in zip(("series-1", "series-3"), labels, results, strict=True):
        sizes = [_widest(row) for row in result]
        steps = range(len(sizes)) if aligned else [i / max(1, len(sizes) - 1) for i in range(len(sizes))]
        hover = tuple(
            f"{label}, {row.name or '(model)'}: {'-' if size is None else f'{size:g} px'}"
            for row, size in zip(result, sizes, strict=True)
        )
        dash: Dash = "solid" if colour == "series-1" else "dash"
        marks.append(
            Line(colour=colour, label=label, x=numbers(steps), y=numbers(sizes), markers=True, hover=hover, dash=dash)
        )
    sides = {max(result.input_size[1:]) for result in results if result.input_size}
    marks += [Rule(colour="series-2", label=f"image size ({side} px)", value=side) for side in sorted(sides)]
    known = [y for mark in marks if isinstance(mark, Line) for y in mark.y if not math.isnan(y)]
    ticks = layer_ticks(names) if aligned else None
    x = Axis("layer", ticks=ticks, limits=(-0.5, max(1, len(names)) - 0.5)) if aligned else Axis("share of depth")
    log = bool(known) and max(known) > 60 * max(1, min(known))
    return Scene(
        panels=(
            Panel(
                title="Theoretical fields side by side", x=x, y=Axis("field size", "px", log=log), marks=tuple(marks)
            ),
        ),
        caption="Side of the theoretical receptive field, the larger of its axes, in input pixels"
        + (", layer by layer." if aligned else "; layers by their place between the first (0) and the last (1)."),
        alt=f"Line chart of the fields of {labels[0]} and {labels[1]} through depth.",
    )


def _widest(row: LayerField) -> int | None:
    sizes = [axis.size for axis in row.axes]
    return None if not sizes or None in sizes else max(size for size in sizes if size is not None)


def surviving(result: TheoreticalResult) -> Scene:
    """What pruning left of each layer's field: the shares of its pixels and of its sides, inside the image.

    Raises:
        RequestError: no layer has a surviving field; `rftools.theoretical` works it out on request.
    """
    rows = [row for row in result if row.surviving is not None]
    if not rows:
        raise RequestError("no surviving field to draw; ask for it with surviving=True")
    x = numbers(range(len(rows)))
    pixels = numbers(100 * row.surviving.share for row in rows if row.surviving is not None)
    sides = numbers(_side_left(row) for row in rows)
    hover = tuple(
        f"{row.name or '(model)'}: {share:.1f} % of the pixels" for row, share in zip(rows, pixels, strict=True)
    )
    few = len(rows) < 80
    return Scene(
        panels=(
            Panel(
                title="Field left by pruning",
                x=Axis("layer", ticks=layer_ticks([row.name for row in rows]), limits=(-0.5, len(rows) - 0.5)),
                y=Axis("share that is left", "%", limits=(0.0, 105.0)),
                marks=(
                    Line(colour="series-2", label="smallest side", x=x, y=sides, dash="dash", markers=few),
                    Line(colour="series-1", label="pixels", x=x, y=pixels, markers=few, hover=hover),
                    Rule(colour="muted", label="the architecture's field", value=100.0, dash="dot"),
                ),
            ),
        ),
        caption="What the weights that are not zero leave of the central unit's field, through all layers before it: "
        "100 % is the architecture's own field inside the image. Sides fall where whole rows or columns are gone, "
        "pixels also where holes opened.",
        alt=f"Surviving share of the fields of {len(rows)} layers of {result.model.name}: "
        f"from {min(pixels):.0f} to {max(pixels):.0f} % of the pixels.",
    )


def _side_left(row: LayerField) -> float:
    """The smallest ratio of surviving to whole side over the axes, in percent."""
    assert row.surviving is not None
    whole = [1 if axis.clipped is None else axis.clipped[1] - axis.clipped[0] + 1 for axis in row.axes]
    return 100 * min(left / side for left, side in zip(row.surviving.sizes, whole, strict=True))


def _size(row: LayerField, axis: int, side: int) -> float | None:
    if axis >= len(row.axes):
        return None
    field = row.axes[axis]
    return float(side) if field.global_ else None if field.size is None else float(field.size)


def _curve(rows: Sequence[LayerField], curve: Sequence[float | None], axis: int, label: str) -> list[Mark]:
    colour = "series-1" if axis == 0 else f"series-{3 + axis}"
    hover = tuple(
        f"{row.name or '(model)'}: {'-' if size is None else f'{size:g} px'} ({row.status})"
        for row, size in zip(rows, curve, strict=True)
    )
    whole = [i for i, row in enumerate(rows) if axis < len(row.axes) and row.axes[axis].global_]
    marks: list[Mark] = [
        Line(colour=colour, label=label, x=numbers(range(len(rows))), y=numbers(curve), markers=True, hover=hover)
    ]
    if whole:
        heights = numbers(curve[i] for i in whole)
        marks.append(
            Points(colour="series-2", label="sees the whole image", x=numbers(whole), y=heights, symbol="open")
        )
    return marks


def _growth_alt(result: TheoreticalResult, sizes: Sequence[float]) -> str:
    if not sizes:
        return f"No field sizes are known for {result.model.name}."
    return (
        f"Line chart of {len(result)} layers of {result.model.name}: "
        f"fields from {min(sizes):g} to {max(sizes):g} pixels."
    )


def window(result: TheoreticalResult, layer: str | None = None, picture: NDArray[np.uint8] | None = None) -> Scene:
    """One unit's field, to scale, on an input picture: its window, what the border leaves, and its holes.

    ``layer`` defaults to the last one whose window is known and not the whole image; 1-D inputs are drawn as a
    strip, 3-D ones by their last two axes.
    """
    row = _pick(result, layer)
    sides = list(result.input_size or ())[1:]
    if len(row.axes) != len(sides) or not sides:
        raise RequestError(f"layer {row.name!r} has no field along the input's axes to draw")
    down, across = _plane(row.axes)
    height, width = (max(1, sides[-1] // 8), sides[-1]) if len(sides) == 1 else (sides[-2], sides[-1])
    if picture is None:
        picture = neutral_picture(height, width)
    frame = (-0.5, width - 0.5, -0.5, height - 0.5)
    marks: list[Mark] = [Image(pixels=picture, extent=frame)]
    marks += _outlines(down, across, height, frame)
    if row.unit is not None:
        marks.append(_centre(row, height))
    size = "whole image" if across.global_ else f"{across.size} px"
    place = "-" if row.unit is None else row.unit_name
    return Scene(
        panels=(
            Panel(
                title=f"{row.name or '(model)'}: unit ({place}), field {size}",
                x=Axis("input column" if len(sides) > 1 else "input index", "px"),
                y=Axis("input row", "px", reversed=True, visible=len(sides) > 1),
                marks=tuple(marks),
                equal=True,
            ),
        ),
        size=(520, max(190, min(560, round(430 * height / width) + 90))),
        caption="The unit's theoretical window to scale on the input; tinted is what inside the image reaches the "
        "unit, so gaps in the tint are holes. The dashed frame is the image's border."
        + (" Of three axes the last two are drawn." if len(sides) == 3 else ""),
        alt=f"Input picture with the field of unit ({place}) of layer {row.name or 'the model'}: {size}.",
    )


def paths(result: TheoreticalResult, layer: str | None = None, picture: NDArray[np.uint8] | None = None) -> Scene:
    """By how many paths each input pixel reaches the unit, as shades on the input; what no path reaches stays clear.

    ``layer`` defaults to the last one whose paths were counted.
    """
    counted = [row for row in result if row.paths is not None]
    row = result[layer] if layer is not None else counted[-1] if counted else None
    if row is None or row.paths is None:
        raise RequestError("no paths were counted; ask for them by layer: theoretical(..., paths=[layer])")
    counts = row.paths
    while counts.ndim > 2:
        counts = counts.sum(0)
    flat = counts.ndim == 1
    counts = np.repeat(counts[None], max(1, counts.shape[-1] // 8), axis=0) if flat else counts
    height, width = counts.shape
    frame = (-0.5, width - 0.5, -0.5, height - 0.5)
    shades = np.where(counts > 0, counts / max(float(counts.max()), 1e-300), np.nan)
    logs = np.log10(np.where(counts > 0, shades, 1.0))
    depth = float(np.floor(logs.min())) if logs.min() < -1 else -1.0
    values = np.where(counts > 0, np.maximum(logs, depth), np.nan)
    marks: list[Mark] = [
        Image(pixels=neutral_picture(height, width) if picture is None else picture, extent=frame),
        Heatmap(values=values, extent=frame, limits=(depth, 0.0), bar="paths (log10 of the most)"),
        Rect(colour="series-6", label="image", extent=frame, dash="dash"),
    ]
    across = row.axes[-1]
    down = None if flat else row.axes[-2]
    if across.window is not None and (down is None or down.window is not None):
        top, bottom = (0, height - 1) if down is None or down.window is None else down.window
        extent = (across.window[0] - 0.5, across.window[1] + 0.5, top - 0.5, bottom + 0.5)
        marks.append(Rect(colour="overlay", label="theoretical window", extent=extent))
    place = row.unit_name
    reached = int((counts > 0).sum() if not flat else (counts[0] > 0).sum())
    return Scene(
        panels=(
            Panel(
                title=f"{short(row.name)}: paths to unit ({place})",
                x=Axis("input index" if flat else "input column", "px"),
                y=Axis("input row", "px", reversed=True, visible=not flat),
                marks=tuple(marks),
                equal=True,
            ),
        ),
        size=(600, max(200, min(560, round(430 * height / width) + 90))),
        caption="How many paths lead from each input pixel to the unit, relative to the pixel with most of them: the "
        f"field of a linear net with even weights. {reached:,} pixels are reached; pixels without shade inside the "
        "window are holes." + (" Three axes: summed over the first." if row.paths.ndim == 3 else ""),
        alt=f"Input picture shaded by the number of paths to unit ({place}) of {row.name or 'the model'}.",
    )


def _pick(result: TheoreticalResult, layer: str | None) -> LayerField:
    if layer is not None:
        return result[layer]
    known = [row for row in result if row.axes and all(a.clipped is not None for a in row.axes)]
    local = [row for row in known if not any(a.global_ for a in row.axes)]
    if not known:
        raise RequestError("no layer's window is known; nothing to draw")
    return (local or known)[-1]


def _plane(axes: Sequence[AxisField]) -> tuple[AxisField | None, AxisField]:
    return (None if len(axes) == 1 else axes[-2]), axes[-1]


def _outlines(
    down: AxisField | None, across: AxisField, height: int, frame: tuple[float, float, float, float]
) -> list[Mark]:
    marks: list[Mark] = []
    rows = [True] * height if down is None else _reached(down, height)
    columns = _reached(across, round(frame[1] - frame[0]))
    marks.append(Mask(colour="overlay-2", values=np.outer(rows, columns), extent=frame, opacity=0.42))
    if across.window is not None and (down is None or down.window is not None):
        top, bottom = (0, height - 1) if down is None or down.window is None else down.window
        left, right = across.window
        extent = (left - 0.5, right + 0.5, top - 0.5, bottom + 0.5)
        marks.append(Rect(colour="overlay", label="theoretical window", extent=extent))
    marks.append(Rect(colour="series-6", label="image", extent=frame, dash="dash"))
    return marks


def _reached(axis: AxisField, side: int) -> list[bool]:
    if axis.support is not None:
        inside = set(axis.support)
        return [i in inside for i in range(side)]
    low, high = axis.clipped if axis.clipped is not None else (0, side - 1) if axis.global_ else (1, 0)
    return [low <= i <= high for i in range(side)]


def _centre(row: LayerField, height: int) -> Points:
    where = []
    for axis in row.axes[-2:]:
        hull = axis.window or axis.clipped
        middle = math.nan if hull is None else (hull[0] + hull[1]) / 2
        where.append(middle if axis.unit_centre is None else axis.unit_centre)
    y = (height - 1) / 2 if len(where) == 1 else where[0]
    return Points(colour="overlay", label="its centre", x=(where[-1],), y=(y,), symbol="cross")
