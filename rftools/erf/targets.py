"""Which units of which layers are looked at, and where their fields lie."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rftools.capture import Graph
from rftools.erf.measures import Frame
from rftools.erf.seeds import Target
from rftools.errors import RequestError, closest
from rftools.loading import Model
from rftools.trf import LayerField
from rftools.trf.rules.registry import shape_of

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

    A layer that has no such channel keeps its place among the results, where there is nothing to see (``absent``).
    """

    row: LayerField
    channels: int
    channel: int | None = None

    @property
    def absent(self) -> bool:
        return self.channel is not None and self.channel >= self.channels

    @property
    def tag(self) -> str:
        """What tells this aim from others of its layer."""
        return "" if self.channel is None else f":{self.channel}"

    @property
    def key(self) -> str:
        return self.row.name + self.tag

    @property
    def target(self) -> Target:
        return Target(self.row.name, self.row.unit_dims, self.row.unit or (), self.channel, self.tag)


def aims_at(rows: Sequence[LayerField], graph: Graph, channels: Sequence[int] | None) -> list[Aim]:
    """The layers' units, once for each of the ``channels``.

    Raises:
        RequestError: a channel that no layer has.
    """
    shapes = {layer.name: shape_of(layer.node) for layer in graph.layers}
    counts = [_channels(shapes[row.name], row) for row in rows]
    for channel in channels or ():
        if all(channel >= n for n in counts):
            row, most = max(zip(rows, counts, strict=True), key=lambda pair: pair[1])
            more = "" if len(rows) == 1 else ", the most of the layers asked for"
            raise RequestError(
                f"there is no channel {channel}: {row.name or 'the model'} has {most} (0 to {most - 1}){more}"
            )
    return [Aim(row, n, channel) for row, n in zip(rows, counts, strict=True) for channel in channels or (None,)]


def _channels(shape: Sequence[int], row: LayerField) -> int:
    """How many values a unit of a layer has."""
    return math.prod(n for dim, n in enumerate(shape) if dim not in (0, *row.unit_dims))


def choose(rows: Iterable[LayerField], module: nn.Module, layers: Sequence[str] | str | None) -> list[LayerField]:
    """The layers to look at: by name or pattern, or all that hold kernels or matrices and still have a map."""
    rows = list(rows)
    modules = dict(module.named_modules())
    known = [row for row in rows if row.name.partition("#")[0] in modules and "[" not in row.name]
    if layers is None:
        found = [
            row for row in known if row.module and row.unit and _holds_weights(modules[row.name.partition("#")[0]])
        ]
        if not found:
            raise RequestError("no layer with weights has a map; name a layer with --layer")
        return found
    asked = [layers] if isinstance(layers, str) else list(layers)
    found = []
    for name in asked:
        among = rows if "/" in name or "[" in name else known  # operators between modules, one of several outputs
        own = [row for row in among if row.name == name or (name and fnmatch.fnmatchcase(row.name, name))]
        if not own:
            raise RequestError(_no_layer(name, rows))
        found += [row for row in own if row not in found]
    for row in found:
        if row.unit is None:
            raise RequestError(f"the unit lies outside the map of {row.name!r}, whose output is {row.output_shape}")
    return found


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
    if axis.window is None or (axis.global_ and axis.local_centre is None):
        return (length - 1) / 2
    return float(axis.local_centre) if axis.local_centre is not None else sum(axis.window) / 2
