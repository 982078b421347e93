"""Maps of many targets by the cone: seeds, gradients at the input, channels aggregated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from rftools.capture import Graph
from rftools.erf.cone.boxes import Cotangent, cut
from rftools.erf.cone.plan import Plan, Unit, make_plan
from rftools.erf.cone.walk import Walk, forget, forward
from rftools.trf.rules.registry import shape_of

BUDGET = 0.06  # gradients under way, as a share of one forward pass's values
SMALLEST = 1 << 22
Aggregate = Callable[[int, int, torch.Tensor], torch.Tensor]
SeedOf = Callable[[int, torch.Tensor], torch.Tensor]


class Cone:
    """The windowed gradients of units of one graph."""

    def __init__(self, graph: Graph, units: Sequence[Unit], device: torch.device) -> None:
        self.plan: Plan = make_plan(graph, units, device)

    def maps(self, x: torch.Tensor, seed: SeedOf, aggregate: Aggregate) -> Mapping[int, torch.Tensor]:
        """By target number: ``(images, *spatial)``, the aggregated gradient of the unit, zero outside its window.

        ``seed(number, unit)`` gives the gradients of the unit's channels, in their shape. ``aggregate(number, first,
        gradient)`` takes away the channels of ``(images, channels, *spatial)``, ``first`` being the first image; it
        has to give zero where all of them are. Where an operator takes one image only, they go through one by one.
        """
        if self.plan.batchable or len(x) == 1:
            return self._maps(x, 0, seed, aggregate)
        rows = [self._maps(x[i : i + 1], i, seed, aggregate) for i in range(len(x))]
        return {number: torch.cat([row[number] for row in rows]) for number in rows[0]}

    def _maps(self, x: torch.Tensor, first: int, seed: SeedOf, aggregate: Aggregate) -> dict[int, torch.Tensor]:
        found = {n: x.new_zeros((len(x), *x.shape[2:])) for n in range(len(self.plan.units))}

        def sink(gradient: Cotangent) -> None:
            for target, part in zip(gradient.targets, gradient.values.split(len(x)), strict=True):
                part = _whole_channels(part, gradient, x.shape[1])
                box = tuple((0, n) for n in x.shape[2:])
                cut(found[target], box, gradient.box[1:]).copy_(aggregate(target, first, part))

        try:
            outputs = forward(self.plan, x)
            seeds = {n: self._seed(n, outputs[n], seed) for n in sorted(outputs)}
            Walk(self.plan, seeds, sink, self._budget(x)).run()
        finally:
            forget(self.plan)
        return found

    def _seed(self, number: int, output: torch.Tensor, seed: SeedOf) -> torch.Tensor:
        index = _index(self.plan.units[number])
        found = torch.zeros_like(output)
        found[index] = seed(number, output[index])
        return found if found.ndim else found.reshape(1)

    def _budget(self, x: torch.Tensor) -> int:
        values = sum(n.meta["val"].numel() for n in self.plan.nodes if isinstance(n.meta.get("val"), torch.Tensor))
        return max(SMALLEST, int(BUDGET * values * len(x) * x.element_size()))


def _whole_channels(part: torch.Tensor, gradient: Cotangent, channels: int) -> torch.Tensor:
    low, high = gradient.box[0]
    if high - low == channels:
        return part
    whole = part.new_zeros((part.shape[0], channels, *part.shape[2:]))
    whole[:, low:high] = part
    return whole


def _index(unit: Unit) -> tuple[Any, ...]:
    """Where the unit lies in the output on its own box."""
    index: list[Any] = [slice(None)] * len(shape_of(unit.node))
    for dim, place in zip(unit.dims, unit.place, strict=True):
        index[dim] = place if dim == 0 else 0
    return tuple(index)
