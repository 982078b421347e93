"""The units whose fields are measured, and the part of the image where each of them can lie."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from rftools.capture.shapes import shape_of
from rftools.erf.measures import Frame
from rftools.errors import RequestError
from rftools.loading import Model
from rftools.reading import check
from rftools.trf import LayerField, Walked
from rftools.units import Unit, centre_of, evenly, extent, unit_of


@dataclass(frozen=True)
class ChosenUnit:
    """A unit with its layer's theoretical field.

    A layer that has no such unit or channel keeps its place among the results, where there is nothing to see:
    ``absent`` says why.
    """

    row: LayerField
    unit: Unit
    absent: str | None = None


@dataclass(frozen=True)
class Window:
    """The part of the image where a unit's field can lie, which is what is measured, and what measures need of it."""

    box: tuple[slice, ...]
    frame: Frame


def chosen_units(
    rows: Sequence[LayerField], net: Walked, channels: Sequence[int] | None, grid: Sequence[int] | None = None
) -> list[ChosenUnit]:
    """The layers' units, or a ``grid`` of units of each, once for each of the ``channels``.

    Raises:
        RequestError: a channel that no layer has, a grid of another rank than all maps.
    """
    counts = [_channels(shape_of(net.layer(row.name).node), row) for row in rows]
    _check_channels(rows, counts, channels)
    cells = [_cells(row, net, grid) for row in rows]
    if grid is not None and all(cell is None for own in cells for cell, _ in own):
        raise RequestError(_no_grid(rows[-1], net, grid))
    check("units", sum(map(len, cells)) * len(channels or (None,)), "the grid and the channels")
    return [
        ChosenUnit(at, unit_of(at, channel, cell), _absent(at, channel, count))
        for own, count in zip(cells, counts, strict=True)
        for cell, at in own
        for channel in channels or (None,)
    ]


def _check_channels(rows: Sequence[LayerField], counts: Sequence[int], channels: Sequence[int] | None) -> None:
    for channel in channels or ():
        if all(channel >= n for n in counts):
            row, most = max(zip(rows, counts, strict=True), key=lambda pair: pair[1])
            more = "" if len(rows) == 1 else ", the most of the layers asked for"
            raise RequestError(
                f"there is no channel {channel}: {row.name or 'the model'} has {most} (0 to {most - 1}){more}"
            )


def _absent(row: LayerField, channel: int | None, count: int) -> str | None:
    if row.unit is None:
        return f"no such unit: {extent(row).removeprefix('whose ')}"
    if channel is not None and channel >= count:
        return f"no channel {channel}: the layer has {count}"
    return None


def _cells(row: LayerField, net: Walked, grid: Sequence[int] | None) -> list[tuple[tuple[int, ...] | None, LayerField]]:
    """The units of the grid with their cells; a layer whose units lie otherwise keeps its own."""
    if grid is None or len(units := net.units(row)) != len(grid):
        return [(None, row)]
    lines = [evenly(n, k) for n, k in zip(units, grid, strict=True)]
    cells = itertools.product(*(range(len(line)) for line in lines))
    layer = net.layer(row.name)
    return [(cell, net.row(layer, tuple(line[c] for line, c in zip(lines, cell, strict=True)))) for cell in cells]


def _no_grid(row: LayerField, net: Walked, grid: Sequence[int]) -> str:
    given, rank = "x".join(map(str, grid)), len(net.units(row))
    has = f"has units along {_axes(rank)}" if rank else "has no map"
    return f"a grid of {given} units takes maps of {_axes(len(grid))}, and {row.name or 'the model'} {has}"


def _axes(count: int) -> str:
    return "one axis" if count == 1 else f"{count} axes"


def _channels(shape: Sequence[int], row: LayerField) -> int:
    """How many values a unit of a layer has."""
    return math.prod(n for dim, n in enumerate(shape) if dim not in (0, *row.unit_dims))


def windows(chosen: Sequence[ChosenUnit], model: Model, *, whole: bool = False) -> dict[str, Window]:
    """Each unit's theoretical window inside the image, or the ``whole`` image (occlusion blurs beyond the window)."""
    size = model.require_input_size()[1:]
    return {one.unit.key: _window(one.row, size, whole) for one in chosen}


def _window(row: LayerField, size: Sequence[int], whole: bool) -> Window:
    boxes = [None if whole else axis.clipped for axis in row.axes]
    box = tuple(slice(0, n) if b is None else slice(b[0], b[1] + 1) for b, n in zip(boxes, size, strict=True))
    frame = Frame(
        centre=tuple(centre_of(axis, n) for axis, n in zip(row.axes, size, strict=True)),
        sizes=tuple(axis.size for axis in row.axes),
        image=tuple(size),
        offset=tuple(s.start for s in box),
    )
    return Window(box, frame)
