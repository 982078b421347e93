"""What gradients are taken of: the weight that each channel of a unit gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from rftools.units import Unit


@dataclass
class Seeds:
    """The gradients from which the backward passes start: a weight for every channel of each unit.

    ``power`` takes a random sign a channel, the same for all images; ``positive`` the slope of ``relu``; the others the
    plain sum.
    """

    units: Sequence[Unit]
    aggregation: str
    generator: torch.Generator
    signs: dict[int, torch.Tensor] = field(default_factory=dict)

    def __call__(self, number: int, values: torch.Tensor) -> torch.Tensor:
        unit = self.units[number]
        if self.aggregation == "positive":
            return unit.only((values > 0).to(values.dtype))
        if self.aggregation == "power":
            if number not in self.signs:
                self.signs[number] = self._drawn(values, unit)
            return unit.only(self.signs[number].expand(values.shape))
        return unit.only(torch.ones_like(values))

    def _drawn(self, values: torch.Tensor, unit: Unit) -> torch.Tensor:
        shape = values.shape[1:] if 0 not in unit.dims else values.shape
        return torch.randint(0, 2, shape, generator=self.generator).to(values.device, values.dtype) * 2 - 1
