"""Which layers say most of a net, where not all are to be measured: those that change resolution or end a stage."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rftools.trf import LayerField

MOST = 24  # layers, however many change the resolution
FEW = 12  # layers, where that many are there: others between fill them up


def stages(rows: Sequence[LayerField]) -> list[LayerField]:
    """Of layers in their order: the first and the last, those whose units lie closer or wider than the layer's before
    (they change the resolution), and the ones before these (they end a stage); at most `MOST`.

    Where these are few, others are added, evenly, up to `FEW`.
    """
    chosen = {0, len(rows) - 1} if rows else set()
    for number, (before, after) in enumerate(pairwise(rows)):
        if _resolution(before) != _resolution(after):
            chosen |= {number, number + 1}
    if len(chosen) > MOST:
        chosen = {sorted(chosen)[place] for place in _even(len(chosen), MOST)}
    left = [number for number in range(len(rows)) if number not in chosen]
    chosen |= {left[place] for place in _even(len(left), FEW - len(chosen))}
    return [rows[number] for number in sorted(chosen)]


def _resolution(row: LayerField) -> tuple[object, ...]:
    return tuple(axis.stride for axis in row.axes)


def _even(length: int, count: int) -> list[int]:
    """So many places among ``length``, the first and the last of them if there are two.

    >>> _even(10, 4), _even(3, 5), _even(4, 0)
    ([0, 3, 6, 9], [0, 1, 2], [])
    """
    if count >= length:
        return list(range(length))
    return [round(place * (length - 1) / max(count - 1, 1)) for place in range(max(count, 0))]
