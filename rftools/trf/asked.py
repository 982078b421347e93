"""Which unit of a layer is asked for: its index, its place in the tensor, and the layer's centre where none is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.trf.axis import Axis, Part
from rftools.trf.layer_field import LayerField
from rftools.trf.tokens import Tokens

Unit = tuple[int, ...]


CLASS = "class"  # what stands for a unit's index where the class token is asked for


Where = Unit | str


@dataclass(frozen=True)
class Spot:
    """A unit of a layer: as it is asked for, and its ``place`` along the tensor dimensions ``dims``. ``token`` names
    one that has no place in the image, ``centre`` is where it lies (px) where the layer's law does not say it.
    """

    unit: Unit
    dims: tuple[int, ...]
    place: Unit
    token: str | None = None
    centre: tuple[float, ...] | None = None


def spot_of(
    part: Part, shape: Sequence[int], wanted: Where | None, tokens: Tokens | None, registers: int
) -> Spot | None:
    """The unit that is asked for; None where the layer does not have it."""
    if tokens is not None:
        return _token(tokens, wanted, registers)
    dims = tuple(spatial_dims(part))
    if wanted is None:
        centre = _centre(part, shape, dims)
        return Spot(centre, dims, centre)
    if isinstance(wanted, str) or not _inside(wanted, [shape[d] for d in dims]):
        return None
    return Spot(tuple(wanted), dims, tuple(wanted))


def _token(tokens: Tokens, wanted: Where | None, registers: int) -> Spot | None:
    if isinstance(wanted, str):
        loose = tokens.loose
        return Spot((), tokens.dims, loose[0], token=wanted) if wanted == CLASS and len(loose) > registers else None
    unit = tuple(n // 2 for n in tokens.grid) if wanted is None else tuple(wanted)
    if not _inside(unit, tokens.grid):
        return None
    place = tuple(int(i) for i in tokens.where[unit])
    return Spot(unit, tokens.dims, place, centre=tokens.centre(unit))


def _inside(unit: Sequence[int], sizes: Sequence[int]) -> bool:
    return len(unit) == len(sizes) and all(0 <= i < n for i, n in zip(unit, sizes, strict=True))


def check_index(unit: object) -> None:
    """Whether this can be a unit: whole numbers, one for each axis of a layer's map, or the name of a token.

    Raises:
        RequestError: it cannot.
    """
    if unit is None or isinstance(unit, str):
        return
    if not isinstance(unit, Iterable) or not all(isinstance(i, (int, np.integer)) for i in unit):
        raise RequestError(f"a unit is one whole number for each axis of the map, such as (3, 4), not {unit!r}")


def check_any(asked: Where | Mapping[str, Where] | None, rows: Sequence[LayerField]) -> None:
    if asked is None:
        return
    if isinstance(asked, Mapping):
        for row in rows:
            if row.name in asked and row.unit is None:
                raise RequestError(outside(asked[row.name], row))
    elif all(row.unit is None for row in rows):
        if asked == CLASS:
            raise RequestError("no layer has a class token; give a unit by its index, such as 3,4")
        among = [row for row in rows if row.module] or rows
        raise RequestError(outside(asked, max(among, key=lambda row: math.prod(row.output_shape[1:]))))


def outside(unit: Where, row: LayerField) -> str:
    """The line that says that a layer does not have this unit."""
    name = row.name or "the model"
    if isinstance(unit, str):
        if unit != CLASS:
            return f"unit {unit!r} is neither an index such as 3,4 nor 'class', the class token"
        return f"{name} has no class token; give a unit of it by its index"
    given = ",".join(map(str, unit))
    if row.grid is not None:
        grid = "x".join(map(str, row.grid))
        return f"unit {given} lies outside the map of {name}, whose tokens are a grid of {grid}; count from 0"
    shape = "x".join(map(str, row.output_shape))
    return f"unit {given} lies outside the map of {name}, whose output is {shape}; count from 0"


def spatial_dims(part: Part) -> list[int]:
    """The tensor dimensions along which some axis's field moves."""
    return sorted({dim for axis in part for dim in axis.dims})


def _centre(part: Part, shape: Sequence[int], dims: Sequence[int]) -> Unit:
    unit = []
    for dim in dims:
        carried = [axis for axis in part if dim in axis.moves_with]
        if len(carried) <= 1:
            unit.append(shape[dim] // 2)
        else:
            unit.append(_most_central(carried, dim, shape[dim] // 2))
    return tuple(unit)


def _most_central(axes: Sequence[Axis], dim: int, fallback: int) -> int:
    """Where several axes share a dimension (tokens): the index whose field lies nearest to the image's centre."""
    distance: NDArray[np.float64] | None = None
    for axis in axes:
        if axis.table.low.ndim - sum(n == 1 for n in axis.table.shape) != 1:
            return fallback
        low = axis.table.low.reshape(-1).astype(np.float64)
        width = np.array([mask.bit_length() for mask in axis.table.mask.reshape(-1)], dtype=np.float64)
        off = np.abs(low + (width - 1) / 2 - axis.length / 2) / axis.length
        distance = off if distance is None else np.maximum(distance, off)
    assert distance is not None
    return int(np.flatnonzero(distance <= distance.min() + 1e-9)[-1])
