"""Maps of many targets by the cone: seeds, gradients at the input, channels aggregated."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from rftools.capture import Graph
from rftools.capture.shapes import shape_of
from rftools.erf.maps.cone.boxes import Box, Cotangent, cut
from rftools.erf.maps.cone.plan import NodeUnit, Plan, make_plan
from rftools.erf.maps.cone.walk import Walk, forget, forward

BUDGET = 0.06  # gradients under way, as a share of one forward pass's values
SMALLEST = 1 << 22
Aggregate = Callable[[int, int, torch.Tensor], torch.Tensor]
SeedOf = Callable[[int, torch.Tensor], torch.Tensor]
Sink = Callable[[int, int, torch.Tensor, Box], None]


class Cone:
    """The windowed gradients of units of one graph."""

    def __init__(self, graph: Graph, units: Sequence[NodeUnit], device: torch.device) -> None:
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

        def sink(number: int, _row: int, gradient: torch.Tensor, box: Box) -> None:
            whole = tuple((0, n) for n in x.shape[2:])
            cut(found[number], whole, box).copy_(aggregate(number, first, gradient))

        with self.forward(x) as taken:
            taken.back({n: seed(n, unit)[None] for n, unit in sorted(taken.units.items())}, sink)
        return found

    @contextlib.contextmanager
    def forward(self, x: torch.Tensor) -> Iterator[Pass]:
        """One forward pass, whose values are kept until all that is asked of it is done."""
        try:
            yield Pass(self.plan, x)
        finally:
            forget(self.plan)


class Pass:
    """A forward pass from which gradients go back: any seeds of any units, as often as wanted.

    ``units`` are the outputs of the units by their number: the images and the channels.
    """

    def __init__(self, plan: Plan, x: torch.Tensor) -> None:
        self.plan = plan
        self.x = x
        self.outputs = forward(plan, x)
        self.units = {
            n: output[_index(unit)].flatten(0, unit.folded) if (unit := plan.units[n]).folded else output[_index(unit)]
            for n, output in self.outputs.items()
        }
        values = sum(n.meta["val"].numel() for n in plan.nodes if isinstance(n.meta.get("val"), torch.Tensor))
        self.budget = max(SMALLEST, int(BUDGET * values * len(x) * x.element_size()))

    def back(self, seeds: Mapping[int, torch.Tensor], sink: Sink) -> None:
        """Take gradients back: ``seeds[number]`` is ``(seeds, *shape of the unit)``, a gradient map for each row.

        ``sink(number, row, gradient, box)`` gets each seed's gradient ``(images, channels, *sizes of the box)``;
        outside the box along the spatial axes it is zero.
        """
        owners: list[tuple[int, int]] = []
        starts: dict[int, Cotangent] = {}
        for number, rows in seeds.items():
            targets = tuple(range(len(owners), len(owners) + len(rows)))
            owners += [(number, row) for row in range(len(rows))]
            starts[number] = Cotangent(targets, self._placed(number, rows), self.plan.units[number].box())

        def arrived(gradient: Cotangent) -> None:
            for target, part in zip(gradient.targets, gradient.values.split(len(self.x)), strict=True):
                sink(*owners[target], _whole_channels(part, gradient, self.x.shape[1]), gradient.box[1:])

        Walk(self.plan, starts, arrived, self.budget).run()

    def _placed(self, number: int, rows: torch.Tensor) -> torch.Tensor:
        """Seeds one after the other, each with its unit's place in the output around it."""
        output = self.outputs[number]
        found = output.new_zeros((len(rows), *output.shape))
        index = (slice(None), *_index(self.plan.units[number]))
        found[index] = rows.reshape(found[index].shape)
        return found.flatten(0, 1) if found.ndim > 1 else found

    def most(self, number: int) -> int:
        """How many seeds of a unit go together in the memory that gradients may take."""
        return max(1, self.budget // (self.outputs[number].numel() * self.x.element_size()))


def _whole_channels(part: torch.Tensor, gradient: Cotangent, channels: int) -> torch.Tensor:
    low, high = gradient.box[0]
    if high - low == channels:
        return part
    whole = part.new_zeros((part.shape[0], channels, *part.shape[2:]))
    whole[:, low:high] = part
    return whole


def _index(unit: NodeUnit) -> tuple[Any, ...]:
    """Where the unit lies in the output on its own box."""
    index: list[Any] = [slice(None)] * len(shape_of(unit.node))
    for dim, place in zip(unit.dims, unit.place, strict=True):
        index[dim] = place if dim == 0 else 0
    return tuple(index)
