"""Which layers count as convolutions, for limits and findings alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rftools.trf.layer_field import LayerField


def weighted(rows: Iterable[LayerField]) -> list[LayerField]:
    """The rows of convolutions: what has a kernel and a place. A container that ends with one is not counted again."""
    known = list(rows)
    parents = {row.name[:i] for row in known for i, char in enumerate(row.name) if char in "./"}
    if len(known) > 1:
        parents.add("")
    return [row for row in known if row.op.startswith("conv") and row.axes and row.name not in parents]
