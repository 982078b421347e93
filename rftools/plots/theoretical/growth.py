"""Theoretical fields through depth, against the image's size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rftools.plots.kinds import kind
from rftools.plots.scene import (
    Band,
    Line,
    Mark,
    Panel,
    PlotAxis,
    Points,
    ReferenceLine,
    Scene,
    layer_axis,
    numbers,
)
from rftools.plots.theoretical.beside import beside

if TYPE_CHECKING:
    from rftools.trf.layer_field import LayerField
    from rftools.trf.result import TheoreticalResult

AXIS_NAMES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


@kind("rftools.trf", "growth", place=1)
def growth(result: TheoreticalResult, other: TheoreticalResult | None = None) -> Scene:
    """Field size of every layer, in execution order, against the image's size; a band spans what single branches see.

    ``other`` is drawn beside it: another net, or the same one changed.
    """
    if other is not None:
        return beside(result, other)
    rows = list(result)
    sides = () if result.input_size is None else result.input_size[1:]
    names = AXIS_NAMES.get(len(sides), tuple(f"axis {i}" for i in range(len(sides))))
    marks: list[Mark] = _branches(rows)
    curves = [[_size(row, axis, side) for row in rows] for axis, side in enumerate(sides)]
    for axis, curve in enumerate(curves):
        if curves.index(curve) == axis:  # axes with one course are one line, so that none hides another
            marks += _curve(rows, curve, axis, _named("field", names, [own == curve for own in curves]))
    for side in sorted(set(sides)):
        label = _named("image", names, [own == side for own in sides])
        label = "image size" if label == "image" else label
        marks.append(ReferenceLine(colour="series-2", label=f"{label} ({side} px)", value=side))
    sizes = [v for curve in curves for v in curve if v is not None]
    return Scene(
        panels=(
            Panel(
                title="Theoretical field through depth",
                x=layer_axis([row.name for row in rows]),
                y=PlotAxis("field size", "px", zero=True, log=bool(sizes) and max(sizes) > 60 * max(1, min(sizes))),
                marks=tuple(marks),
            ),
        ),
        caption="Side of the theoretical receptive field in input pixels, layer by layer in execution order. Above the "
        "dashed line a unit's field is larger than the image; open circles mark layers that see all of it."
        + (" The band reaches down to the field of the narrowest branch." if marks and _branches(rows) else ""),
        alt=_growth_alt(result, sizes),
    )


def _named(what: str, names: Sequence[str], chosen: Sequence[bool]) -> str:
    """What is drawn of which axes: of all of them without a word.

    >>> _named("field", ("depth", "height", "width"), [False, True, True]), _named("field", ("length",), [True])
    ('field, height and width', 'field')
    """
    return what if all(chosen) else f"{what}, {' and '.join(n for n, own in zip(names, chosen, strict=True) if own)}"


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
        Line(
            colour=colour,
            label=label,
            x=numbers(range(len(rows))),
            y=numbers(_unbroken(curve, whole)),
            markers=True,
            hover=hover,
        )
    ]
    if whole:
        heights = numbers(curve[i] for i in whole)
        marks.append(
            Points(colour="series-2", label="sees the whole image", x=numbers(whole), y=heights, symbol="open")
        )
    return marks


def _unbroken(curve: Sequence[float | None], whole: Sequence[int]) -> list[float | None]:
    """The line without the layers that see everything where it would fall to them: a global pool loses no field."""
    local = max((value for i, value in enumerate(curve) if value is not None and i not in whole), default=0.0)
    return [None if i in whole and value is not None and value < local else value for i, value in enumerate(curve)]


def _growth_alt(result: TheoreticalResult, sizes: Sequence[float]) -> str:
    if not sizes:
        return f"No field sizes are known for {result.model.name}."
    return (
        f"Line chart of {len(result)} layers of {result.model.name}: "
        f"fields from {min(sizes):g} to {max(sizes):g} pixels."
    )
