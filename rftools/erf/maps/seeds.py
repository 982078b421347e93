"""What gradients are taken of: units of layers, and the weight that each channel of a unit gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from rftools.errors import RequestError

AGGREGATIONS = ("abs", "power", "positive", "signed")


@dataclass(frozen=True)
class Target:
    """A unit of a layer: ``name`` is the layer's, ``place`` its index along the output dimensions ``dims``.

    All of the unit's channels together, or the one with number ``channel`` alone (counted over all dimensions that are
    neither the batch nor in ``dims``). ``tag`` tells targets of one layer apart: maps are kept by ``key``.
    """

    name: str
    dims: tuple[int, ...]
    place: tuple[int, ...]
    channel: int | None = None
    tag: str = ""

    @property
    def key(self) -> str:
        return self.name + self.tag

    @property
    def path(self) -> str:
        return self.name.partition("#")[0]

    @property
    def call(self) -> int:
        return int(self.name.partition("#")[2] or 0)

    def unit(self, output: torch.Tensor) -> torch.Tensor:
        """The unit in the layer's output: what is left are the batch and the channels."""
        index: list[Any] = [slice(None)] * output.ndim
        for dim, place in zip(self.dims, self.place, strict=True):
            index[dim] = place
        return output[tuple(index)]

    def rows(self, unit: torch.Tensor) -> torch.Tensor:
        """A unit's channels in one dimension, ``(images, channels)``; one row where space is folded into the batch."""
        return unit.reshape(1 if 0 in self.dims else unit.shape[0], -1)

    def only(self, weights: torch.Tensor) -> torch.Tensor:
        """The weights of a unit's channels with zero for those that are not asked."""
        if self.channel is None:
            return weights
        rows = self.rows(weights)
        if not 0 <= self.channel < rows.shape[1]:
            raise RequestError(f"layer {self.name!r} has channels 0 to {rows.shape[1] - 1}; {self.channel} is none")
        found = torch.zeros_like(rows)
        found[:, self.channel] = rows[:, self.channel]
        return found.reshape(weights.shape)


@dataclass
class Seeds:
    """The gradients from which the backward passes start: a weight for every channel of each target's unit.

    ``power`` takes a random sign a channel, the same for all images; ``positive`` the slope of ``relu``; the others the
    plain sum.
    """

    targets: Sequence[Target]
    aggregation: str
    generator: torch.Generator
    signs: dict[int, torch.Tensor] = field(default_factory=dict)

    def __call__(self, number: int, unit: torch.Tensor) -> torch.Tensor:
        target = self.targets[number]
        if self.aggregation == "positive":
            return target.only((unit > 0).to(unit.dtype))
        if self.aggregation == "power":
            if number not in self.signs:
                self.signs[number] = self._drawn(unit, target)
            return target.only(self.signs[number].expand(unit.shape))
        return target.only(torch.ones_like(unit))

    def _drawn(self, unit: torch.Tensor, target: Target) -> torch.Tensor:
        shape = unit.shape[1:] if 0 not in target.dims else unit.shape
        return torch.randint(0, 2, shape, generator=self.generator).to(unit.device, unit.dtype) * 2 - 1
