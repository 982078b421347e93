"""Which layers count as convolutions, for limits and findings alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rftools.trf.layer_field import LayerField


def weighted(rows: Iterable[LayerField]) -> list[LayerField]:
    """The rows of convolutions: what has a kernel and a place. A container that ends with one is not counted again."""
    return [row for row in _leaves(list(rows)) if row.op.startswith("conv") and row.axes]


def mapped(rows: Iterable[LayerField]) -> list[LayerField]:
    """The rows that follow a net to its depth: convolutions, and where linear layers over places come after the last
    of them (transformers, ConvNeXt) these too.
    """
    leaves = _leaves(list(rows))
    convolutions = [row for row in leaves if row.op.startswith("conv") and row.axes]
    placed = [row for row in leaves if row.op.startswith("linear") and row.axes and (row.unit or row.token)]
    late = placed and (not convolutions or leaves.index(placed[-1]) > leaves.index(convolutions[-1]))
    chosen = {row.name for row in (*convolutions, *placed)}
    return [row for row in leaves if row.name in chosen] if late else convolutions


def _leaves(known: list[LayerField]) -> list[LayerField]:
    """The rows that hold no others. A module that is one operator and nothing else (a subclass of a convolution, which
    is recorded as a module and its operator) is one row, under the module's name.
    """
    if len(known) < 2:
        return known
    held = Counter(row.name[:i] for row in known for i, char in enumerate(row.name) if char in "./")
    by_name = {row.name: row for row in known}
    single = {
        parent: row.name
        for row in known
        if (parent := row.name.rpartition("/")[0]) and held[parent] == 1 and _same(by_name.get(parent), row)
    }
    inner = set(single.values())
    parents = (held.keys() | {""}) - single.keys()
    return [row for row in known if row.name not in parents and row.name not in inner]


def _same(module: LayerField | None, operator: LayerField) -> bool:
    return module is not None and (module.op, module.axes) == (operator.op, operator.axes)
