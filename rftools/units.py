"""Units of layers: which one is meant, and which of a net's layers and units are chosen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rftools.errors import RequestError, closest
from rftools.rows import matching, names_of

if TYPE_CHECKING:
    import torch
    from torch import nn


Where = tuple[int, ...] | str  # a unit as it is asked for: by its index, or by the name of a token


@dataclass(frozen=True)
class Unit:
    """One unit of a layer: its index ``place`` along the dimensions ``dims`` of the output tensor, the batch being 0.

    All of the unit's channels together, or the one with number ``channel`` alone (counted over all dimensions that are
    neither the batch nor in ``dims``). ``index`` is the unit as it is asked for: in a layer of tokens a place on the
    grid that they make of the image. ``token`` names one that has no place in the image, ``centre`` is where it lies
    (px) where the layer's law does not say it. ``cell`` counts its place in a grid of units that was asked for.
    """

    layer: str
    dims: tuple[int, ...]
    place: tuple[int, ...]
    channel: int | None = None
    index: tuple[int, ...] = ()
    token: str | None = None
    centre: tuple[float, ...] | None = None
    cell: tuple[int, ...] | None = None

    @property
    def key(self) -> str:
        """What tells it from all others: the layer's name, the index where several are asked for, the channel."""
        return self.layer + tag_of(self.index, self.channel, self.cell)

    def of(self, output: torch.Tensor) -> torch.Tensor:
        """The unit in its layer's output: what is left are the batch and the channels."""
        index: list[Any] = [slice(None)] * output.ndim
        for dim, place in zip(self.dims, self.place, strict=True):
            index[dim] = place
        return output[tuple(index)]

    def rows(self, values: torch.Tensor) -> torch.Tensor:
        """A unit's channels in one dimension, ``(images, channels)``; one row where space is folded into the batch."""
        return values.reshape(1 if 0 in self.dims else values.shape[0], -1)

    def only(self, weights: torch.Tensor) -> torch.Tensor:
        """The weights of a unit's channels with zero for those that are not asked for."""
        if self.channel is None:
            return weights
        rows = self.rows(weights)
        if not 0 <= self.channel < rows.shape[1]:
            raise RequestError(f"layer {self.layer!r} has channels 0 to {rows.shape[1] - 1}; {self.channel} is none")
        found = rows.new_zeros(rows.shape)
        found[:, self.channel] = rows[:, self.channel]
        return found.reshape(weights.shape)


def tag_of(index: Sequence[int], channel: int | None, cell: Sequence[int] | None) -> str:
    """What tells a layer's rows apart: an at sign and the unit where there are several, a colon and the channel.

    >>> tag_of((3, 4), 7, (0, 1)), tag_of((3, 4), None, None)
    ('@3,4:7', '')
    """
    where = "" if cell is None else f"@{','.join(map(str, index))}"
    return where if channel is None else f"{where}:{channel}"


class UnitRow(Protocol):
    """What is read of a layer's row: its name, its module's path, and which of its units it speaks of, if it has it."""

    @property
    def name(self) -> str: ...
    @property
    def module(self) -> str | None: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...
    @property
    def grid(self) -> tuple[int, ...] | None: ...
    @property
    def unit(self) -> tuple[int, ...] | None: ...
    @property
    def token(self) -> str | None: ...
    @property
    def unit_dims(self) -> tuple[int, ...]: ...
    @property
    def place(self) -> tuple[int, ...]: ...


Row = TypeVar("Row", bound=UnitRow)


def unit_of(row: UnitRow, channel: int | None = None, cell: tuple[int, ...] | None = None) -> Unit:
    """The unit that a row speaks of."""
    return Unit(row.name, row.unit_dims, row.place, channel, row.unit or (), row.token, cell=cell)


def choose(
    rows: Iterable[Row], module: nn.Module, layers: Sequence[str] | str | None, *, some: bool = False
) -> list[Row]:
    """The layers to look at: by name or pattern, or all that hold kernels or matrices and still have a map.

    Each of them has the unit that was asked for; with ``some`` it is enough that one has it.

    Raises:
        RequestError: no layer of that name, none that holds weights, or one without the unit.
    """
    rows = list(rows)
    modules = dict(module.named_modules())
    if layers is None:
        return _weighted(rows, modules)
    found: list[Row] = []
    for name in names_of(layers):
        found += [row for row in _matching(rows, modules, name) if row not in found]
    without = [row for row in found if row.unit is None]
    if without and not (some and len(without) < len(found)):
        raise RequestError(f"the unit lies outside the map of {without[0].name!r}, {extent(without[0])}")
    return found


def _known(rows: Sequence[Row], modules: dict[str, nn.Module]) -> list[Row]:
    """The rows that are of modules, as a whole."""
    return [row for row in rows if _module_of(row.name) in modules]


def _module_of(name: str) -> str:
    """The module whose call a row is: ``conv`` of ``conv#1``; nothing of one of several outputs, ``lstm#1[0]``."""
    module, _, call = name.partition("#")
    return module if "[" not in call else name


def _weighted(rows: Sequence[Row], modules: dict[str, nn.Module]) -> list[Row]:
    placed = [row for row in _known(rows, modules) if row.module and (row.unit or row.token)]
    found = [row for row in placed if _holds_weights(modules[row.name.partition("#")[0]])]
    if not found:
        raise RequestError("no layer with weights has a map; name a layer with --layer")
    return found


def _matching(rows: Sequence[Row], modules: dict[str, nn.Module], name: str) -> list[Row]:
    # A slash or a bracket names operators between modules, or one of several outputs.
    among = rows if "/" in name or "[" in name else _known(rows, modules)
    found = matching(name, [row.name for row in among])
    own = [row for row in among if row.name in found]
    if not own and name in modules:
        raise RequestError(f"layer {name!r} sees nothing of the input, or is not called")
    if not own:
        names = [row.name for row in rows]
        raise RequestError(f"no layer matches {name!r}{closest(name, names)}; there are {len(names)}")
    return own


def _holds_weights(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return weight is not None and getattr(weight, "ndim", 0) >= 2


def extent(row: UnitRow) -> str:
    """What an index of a layer's units may be."""
    if row.grid is None:
        return f"whose output is {'x'.join(map(str, row.output_shape))}"
    return f"whose tokens are a grid of {'x'.join(map(str, row.grid))}"


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


def centre_of(axis: Any, length: int) -> float:
    """A unit's own centre along an axis of its field: of its window, or of the image where the field is global."""
    own = axis.unit_centre
    return (length - 1) / 2 if own is None else float(own)
