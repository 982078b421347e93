"""Which unit of a layer is asked for: its index, its place in the tensor, and the layer's centre where none is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.trf.axis import Axis, Part
from rftools.trf.layer_field import LayerField
from rftools.trf.tokens import Tokens
from rftools.units import Unit, Where

CLASS = "class"  # what stands for a unit's index where the class token is asked for


def mapped_unit(name: str, part: Part, shape: Sequence[int], wanted: Where | None) -> Unit | None:
    """The unit of a layer's map that is asked for, the central one where none is; None where there is no such unit."""
    dims = tuple(spatial_dims(part))
    if wanted is None:
        centre = _centre(part, shape, dims)
        return Unit(name, dims, centre, index=centre)
    if isinstance(wanted, str) or not _inside(wanted, [shape[d] for d in dims]):
        return None
    return Unit(name, dims, tuple(wanted), index=tuple(wanted))


def token_unit(name: str, tokens: Tokens, wanted: Where | None, registers: int) -> Unit | None:
    """As `mapped_unit`, of a layer of tokens: by the place on their grid, or by a token's name."""
    if isinstance(wanted, str):
        known = wanted == CLASS and len(tokens.loose) > registers
        return Unit(name, tokens.dims, tokens.loose[0], token=wanted) if known else None
    index = tuple(n // 2 for n in tokens.grid) if wanted is None else tuple(wanted)
    if not _inside(index, tokens.grid):
        return None
    place = tuple(int(i) for i in tokens.where[index])
    return Unit(name, tokens.dims, place, index=index, centre=tokens.centre(index))


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


def _centre(part: Part, shape: Sequence[int], dims: Sequence[int]) -> tuple[int, ...]:
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
