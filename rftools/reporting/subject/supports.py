"""Which input pixels reach each unit, at the border too: the engine's tables as runs of indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rftools.capture import Graph

Run = tuple[int, int]
#: layer -> input axis -> the runs of input pixels that reach each output index
Supports = Mapping[str, Sequence[Sequence[Sequence[Run]] | None]]


def supports(graph: Graph) -> dict[str, list[list[list[Run]] | None]]:
    """For every layer, input axis and output index: the runs ``(first, last)`` of input pixels that reach it.

    A field's law tells a unit's window, but where paths cross a border on their way, in the padding of some layer
    in between, fewer pixels reach the unit than the window holds. The engine's tables know which. None stands for
    an axis whose sets depend on several output dimensions.
    """
    from rftools.trf.engine import walk
    from rftools.trf.field import Field

    fields = walk(graph, {})
    found = {}
    for layer in graph.layers:
        field = fields.get(layer.node)
        if isinstance(field, Field) and not field.cause:
            found[layer.name] = [_along(axis.table) for axis in field.merged()]
    return found


def _along(table: Any) -> list[list[Run]] | None:
    moving = [dim for dim, extent in enumerate(table.shape) if extent > 1]
    if len(moving) > 1:
        return None
    count = table.shape[moving[0]] if moving else 1
    places = ([i if moving and dim == moving[0] else 0 for dim in range(len(table.shape))] for i in range(count))
    return [runs(*table.at(place)) for place in places]


def runs(low: int, mask: int) -> list[Run]:
    """A set of indices, bit ``i`` of ``mask`` standing for ``low + i``, as runs ``(first, last)``.

    >>> runs(3, 0b110111)
    [(3, 5), (7, 8)]
    """
    bits = bin(mask)[:1:-1] + "0"
    found, begin = [], None
    for i, bit in enumerate(bits):
        if bit == "1" and begin is None:
            begin = i
        elif bit == "0" and begin is not None:
            found.append((low + begin, low + i - 1))
            begin = None
    return found
