"""One layer's kernels, however their weights were kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]  # float32; float64 where float32 would lose a weight


@dataclass(frozen=True)
class Kernels:
    """One layer's weight: ``weight`` is ``(out, in per group, *kernel)``, transposed convolutions turned round.

    ``zero_kind``: ``mask`` where a pruning mask is stored beside the weight, ``parametrization``, None where zeros
    could only be in the weight itself. ``dilation`` is one number an axis. ``shared`` are the other names under which
    the same weight stands; it is counted once.
    """

    name: str
    weight: Array
    zero_kind: str | None
    dilation: tuple[int, ...]
    groups: int = 1
    note: str | None = None
    shared: tuple[str, ...] = ()

    @cached_property
    def total(self) -> float:
        """The sum of all weights; not finite where any is not (or where the sum leaves float32)."""
        return float(self.weight.sum())

    @property
    def kernel(self) -> tuple[int, ...]:
        return self.weight.shape[2:]

    def shared_with(self, name: str) -> Kernels:
        """The same, with one more name that it has."""
        return replace(self, shared=(*self.shared, name))

    @property
    def remark(self) -> str | None:
        """What is said of the layer: its note, and which others have its weight."""
        others = f"counted once, shared with {', '.join(self.shared)}" if self.shared else None
        return "; ".join(text for text in (self.note, others) if text) or None
