"""Which units of which layers are looked at, and where their fields lie."""

from __future__ import annotations

import fnmatch
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rftools.capture.shapes import shape_of
from rftools.erf.maps.seeds import Target
from rftools.erf.measures.registry import Frame
from rftools.erf.result import tag_of
from rftools.errors import RequestError, closest
from rftools.loading import Model
from rftools.trf import LayerField, Walked

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Place:
    """Where a layer's field can lie: the part of the image that is measured, and what measures need to know of it."""

    box: tuple[slice, ...]
    frame: Frame


@dataclass(frozen=True)
class Aim:
    """What one map is of: a layer's unit, with all of its ``channels`` or a single ``channel``.

    ``cell`` counts the unit's place in the grid of units that is asked for. A layer that has no such unit or channel
    keeps its place among the results, where there is nothing to see (``absent`` says why).
    """

    row: LayerField
    channels: int
    channel: int | None = None
    cell: tuple[int, ...] | None = None

    @property
    def absent(self) -> str | None:
        if self.row.unit is None:
            return f"no such unit: {extent(self.row).removeprefix('whose ')}"
        if self.channel is not None and self.channel >= self.channels:
            return f"no channel {self.channel}: the layer has {self.channels}"
        return None

    @property
    def tag(self) -> str:
        """What tells this aim from others of its layer."""
        return tag_of(self.row.unit or (), self.channel, self.cell)

    @property
    def key(self) -> str:
        return self.row.name + self.tag

    @property
    def target(self) -> Target:
        return Target(self.row.name, self.row.unit_dims, self.row.place, self.channel, self.tag)


def aims_at(
    rows: Sequence[LayerField], net: Walked, channels: Sequence[int] | None, grid: Sequence[int] | None = None
) -> list[Aim]:
    """The layers' units, or a ``grid`` of units of each, once for each of the ``channels``.

    Raises:
        RequestError: a channel that no layer has, a grid of another rank than all maps.
    """
    counts = [_channels(shape_of(net.layer(row.name).node), row) for row in rows]
    for channel in channels or ():
        if all(channel >= n for n in counts):
            row, most = max(zip(rows, counts, strict=True), key=lambda pair: pair[1])
            more = "" if len(rows) == 1 else ", the most of the layers asked for"
            raise RequestError(
                f"there is no channel {channel}: {row.name or 'the model'} has {most} (0 to {most - 1}){more}"
            )
    spread = [_spread(row, net, grid) for row in rows]
    if grid is not None and all(cell is None for own in spread for cell, _ in own):
        raise RequestError(_no_grid(rows[-1], net, grid))
    return [
        Aim(unit, n, channel, cell)
        for own, n in zip(spread, counts, strict=True)
        for cell, unit in own
        for channel in channels or (None,)
    ]


def _spread(
    row: LayerField, net: Walked, grid: Sequence[int] | None
) -> list[tuple[tuple[int, ...] | None, LayerField]]:
    """The units of the grid with their cells; a layer whose units lie otherwise keeps its own."""
    if grid is None or len(units := net.units(row)) != len(grid):
        return [(None, row)]
    lines = [evenly(n, k) for n, k in zip(units, grid, strict=True)]
    cells = itertools.product(*(range(len(line)) for line in lines))
    layer = net.layer(row.name)
    return [(cell, net.row(layer, tuple(line[c] for line, c in zip(lines, cell, strict=True)))) for cell in cells]


def evenly(extent: int, count: int) -> list[int]:
    """``count`` indices from the first to the last; of an odd number the central unit ``extent // 2`` is one.

    >>> evenly(8, 3), evenly(9, 4), evenly(2, 5), evenly(7, 1)
    ([0, 4, 7], [0, 3, 5, 8], [0, 1], [3])
    """
    if count >= extent:
        return list(range(extent))
    middle, last, half = extent // 2, extent - 1, count // 2
    if count % 2:
        before = [math.floor(middle * i / half + 0.5) for i in range(half)]
        return [*before, middle, *(middle + math.floor((last - middle) * i / half + 0.5) for i in range(1, half + 1))]
    return [math.floor(last * i / (count - 1) + 0.5) for i in range(count)]


def _no_grid(row: LayerField, net: Walked, grid: Sequence[int]) -> str:
    given, rank = "x".join(map(str, grid)), len(net.units(row))
    has = f"has units along {_axes(rank)}" if rank else "has no map"
    return f"a grid of {given} units takes maps of {_axes(len(grid))}, and {row.name or 'the model'} {has}"


def _axes(count: int) -> str:
    return "one axis" if count == 1 else f"{count} axes"


def _channels(shape: Sequence[int], row: LayerField) -> int:
    """How many values a unit of a layer has."""
    return math.prod(n for dim, n in enumerate(shape) if dim not in (0, *row.unit_dims))


def choose(
    rows: Iterable[LayerField], module: nn.Module, layers: Sequence[str] | str | None, *, some: bool = False
) -> list[LayerField]:
    """The layers to look at: by name or pattern, or all that hold kernels or matrices and still have a map.

    Each of them has the unit that was asked for; with ``some`` it is enough that one has it.
    """
    rows = list(rows)
    modules = dict(module.named_modules())
    known = [row for row in rows if row.name.partition("#")[0] in modules and "[" not in row.name]
    if layers is None:
        placed = [row for row in known if row.module and (row.unit or row.token)]
        found = [row for row in placed if _holds_weights(modules[row.name.partition("#")[0]])]
        if not found:
            raise RequestError("no layer with weights has a map; name a layer with --layer")
        return found
    asked = [layers] if isinstance(layers, str) else list(layers)
    found = []
    for name in asked:
        among = rows if "/" in name or "[" in name else known  # operators between modules, one of several outputs
        own = [row for row in among if row.name == name or (name and fnmatch.fnmatchcase(row.name, name))]
        if not own and name in modules:
            raise RequestError(f"layer {name!r} sees nothing of the input, or is not called")
        if not own:
            raise RequestError(_no_layer(name, rows))
        found += [row for row in own if row not in found]
    without = [row for row in found if row.unit is None]
    if without and not (some and len(without) < len(found)):
        raise RequestError(f"the unit lies outside the map of {without[0].name!r}, {extent(without[0])}")
    return found


def extent(row: LayerField) -> str:
    """What an index of a layer's units may be."""
    if row.grid is None:
        return f"whose output is {'x'.join(map(str, row.output_shape))}"
    return f"whose tokens are a grid of {'x'.join(map(str, row.grid))}"


def _no_layer(name: str, rows: Sequence[LayerField]) -> str:
    names = [row.name for row in rows]
    return f"no layer matches {name!r}{closest(name, names)}; there are {len(names)}"


def _holds_weights(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return weight is not None and getattr(weight, "ndim", 0) >= 2


def places(aims: Sequence[Aim], model: Model, *, whole: bool = False) -> dict[str, Place]:
    """Each aim's place: the theoretical window inside the image, or the ``whole`` image (occluding windows blur)."""
    size = model.require_input_size()[1:]
    return {aim.key: _place(aim.row, size, whole) for aim in aims}


def _place(row: LayerField, size: Sequence[int], whole: bool) -> Place:
    boxes = [None if whole else axis.clipped for axis in row.axes]
    box = tuple(slice(0, n) if b is None else slice(b[0], b[1] + 1) for b, n in zip(boxes, size, strict=True))
    frame = Frame(
        centre=tuple(centre_of(axis, n) for axis, n in zip(row.axes, size, strict=True)),
        sizes=tuple(axis.size for axis in row.axes),
        image=tuple(size),
        offset=tuple(s.start for s in box),
    )
    return Place(box, frame)


def centre_of(axis: Any, length: int) -> float:
    """The unit's own centre along an axis: of its window, or of the image where the field is global."""
    own = axis.unit_centre
    return (length - 1) / 2 if own is None else float(own)
