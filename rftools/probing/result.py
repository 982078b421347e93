"""What `rftools.probe` returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rftools.erf.result import Measure
from rftools.results import Result
from rftools.rows import ShownRow


@dataclass(frozen=True, repr=False)
class SizeSeen(ShownRow):
    """How much is told right at one size: ``share``, with its 95 % interval, of ``count`` pictures (or places)."""

    name: str
    size: int
    share: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, repr=False)
class Probed(Result[SizeSeen]):
    """A curve of accuracy over sizes, a row each, and the size that follows from it.

    ``behavioural`` is the size at which 95 % of what the net tells beyond ``chance`` is there (occlusion, shuffling),
    or up to which it is (distance, pairs); its value is None where nothing is told beyond chance. ``reach`` is, for
    pairs, the widest view over which two marks have any influence on each other. ``theoretical`` and ``effective``
    are of ``layer``, the last convolution: its size (None where units differ, as in recurrent nets), and twice the
    radius that holds half of its gradient; of units that look back only the radius, which is the stretch before them.
    """

    SCHEMA: ClassVar[tuple[str, int]] = ("rftools.probe", 1)

    method: str
    source: str
    unit: str
    chance: float
    whole: float | None
    behavioural: Measure
    reach: int | None
    layer: str | None
    theoretical: int | None
    effective: Measure | None
    seed: int

    def _body(self) -> dict[str, Any]:
        parts = ("method", "source", "unit", "chance", "whole", "behavioural", "reach", "layer", "theoretical")
        return {name: getattr(self, name) for name in parts} | {
            "effective": self.effective,
            "seed": self.seed,
            "curve": [vars(row) for row in self.layers],
        }

    def columns(self) -> tuple[str, ...]:
        return ("size", "share", "low", "high", "count")

    def records(self) -> Sequence[Sequence[Any]]:
        return [(row.size, row.share, row.low, row.high, row.count) for row in self.layers]

    @property
    def shown(self) -> str:
        """What the net was shown, and how."""
        return f"{self.method}, {self.source}"

    def remarks(self) -> tuple[str, ...]:
        """The answer in a sentence or two."""
        found = [self._answer()]
        if self.reach is not None:
            found.append(f"two marks have influence on each other over at most {self.reach} {self.unit}")
        if self.theoretical is not None:
            half = "" if self.effective is None else f", half of its gradient lies within {self.effective.value:.0f}"
            found.append(f"{self.layer} can see {self.theoretical} {self.unit}{half}")
        return tuple(found)

    @property
    def rises(self) -> bool:
        """Whether more is told of more that is shown; of marks farther apart less is."""
        return self.method in ("occlusion", "shuffling")

    @property
    def open_ended(self) -> bool:
        """Whether the field may be larger than all that was shown."""
        return not self.rises and self.behavioural.value == self.layers[-1].size

    def _answer(self) -> str:
        own = self.behavioural
        if own.value is None:
            return f"nothing is told beyond chance ({self.chance:.0%}): no field can be measured by what the net does"
        interval = "" if own.low is None else f" (95 % interval {own.low:g} to {own.high:g})"
        if self.rises:
            return f"95 % of what is told beyond chance is there from {own.value:g} {self.unit} on{interval}"
        if self.open_ended:
            return f"95 % of the best is reached up to the widest view that was asked for, {own.value:g} {self.unit}"
        return f"95 % of the best is reached up to {own.value:g} {self.unit}{interval}"
