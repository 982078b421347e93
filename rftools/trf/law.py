"""How a field moves with the unit: ``F(o) = phases[o mod P] + (o div P) * jump``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from rftools.trf.sets import (
    Bits,
    hull,
    shift,
    union,
)
from rftools.trf.taps import Taps

MOST_PHASES = 64


STATUSES = ("exact", "unit", "bound", "unknown")


def worst(statuses: Iterable[str]) -> str:
    """The least certain of several statuses.

    >>> worst(["exact", "bound", "unit"])
    'bound'
    """
    return max(statuses, key=STATUSES.index)


@dataclass(frozen=True)
class Law:
    """``F(o) = phases[o mod P] + (o div P) * jump`` along tensor dimension ``dim`` (None: the same for every unit)."""

    dim: int | None
    jump: int
    phases: tuple[Bits, ...]

    def at(self, index: int) -> Bits:
        if self.dim is None:
            return self.phases[0]
        turn, residue = divmod(index, len(self.phases))
        return shift(self.phases[residue], turn * self.jump)

    @property
    def stride(self) -> float:
        return self.jump / len(self.phases)

    @property
    def mean_centre(self) -> float | None:
        """The centre at index 0, averaged over the phases: what branches must agree on to be aligned."""
        centres = []
        for index, bits in enumerate(self.phases):
            ends = hull(bits)
            if ends is not None:
                centres.append((ends[0] + ends[1]) / 2 - index * self.stride)
        return sum(centres) / len(centres) if centres else None

    def through(self, taps: Taps) -> Law | None:
        """The law after an operator that reads this tensor at ``taps``; None where it has too many phases."""
        if not taps.offsets:
            return None
        period = len(self.phases)
        repeat = period // math.gcd(period, abs(taps.step)) if taps.step else 1
        new_period = taps.period * repeat
        if new_period > MOST_PHASES:
            return None
        jump = self.jump * (taps.step * repeat) // period
        phases = tuple(
            union(self.at(offset + (r // taps.period) * taps.step) for offset in taps.offsets[r % taps.period])
            for r in range(new_period)
        )
        return _shortest(Law(self.dim, jump, phases))

    def join(self, other: Law) -> Law | None:
        """The law of a sum of both; None where they move at different speeds or along different dimensions."""
        if self.dim != other.dim or self.stride != other.stride:
            return None
        period = math.lcm(len(self.phases), len(other.phases))
        if period > MOST_PHASES:
            return None
        jump = self.jump * period // len(self.phases)
        phases = tuple(union([self.at(r), other.at(r)]) for r in range(period))
        return _shortest(Law(self.dim, jump, phases))


def _shortest(law: Law) -> Law:
    """The same law with the fewest phases."""
    period = len(law.phases)
    for candidate in range(1, period):
        if period % candidate or (law.jump * candidate) % period:
            continue
        jump = law.jump * candidate // period
        turns = (divmod(r, candidate) for r in range(period))
        if all(law.phases[r] == shift(law.phases[rest], turn * jump) for r, (turn, rest) in enumerate(turns)):
            return Law(law.dim, jump, law.phases[:candidate])
    return law
