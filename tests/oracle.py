"""Ground truth for theoretical fields that owes nothing to the engine: poison an input row and see who notices."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx, nn

from rftools.capture import Graph, capture


def run_graph(graph: Graph, x: torch.Tensor) -> dict[fx.Node, Any]:
    """The value of every node, worked out operator by operator in the precision of ``x``."""
    values: dict[fx.Node, Any] = {graph.inputs[0]: x}

    def value(node: fx.Node) -> Any:
        if node not in values:
            values[node] = graph.constants[node.name]
        return values[node]

    with torch.set_grad_enabled(x.requires_grad):
        for node in graph.nodes:
            args, kwargs = fx.map_arg(node.args, value), fx.map_arg(node.kwargs, value)
            schema = getattr(node.target, "_schema", None)
            if schema is not None and schema.is_mutable:  # keep what other layers hold as it was
                args = fx.node.map_aggregate(args, lambda a: a.clone() if isinstance(a, torch.Tensor) else a)
            values[node] = node.target(*args, **kwargs) if node.target is not operator.getitem else args[0][args[1]]
    return values


class Oracle:
    """Which input rows reach which output elements of every layer, by experiment, in float64.

    ``upper``: rows whose NaN arrives (it also passes coefficients that are zero by construction).
    ``lower``: rows whose change changes the value (a maximum may hide one).
    """

    def __init__(self, module: nn.Module, input_size: tuple[int, ...], draws: int = 3) -> None:
        self.module = module.double().eval()
        self.size = input_size
        self.graph = capture(self.module, input_size)
        generator = torch.Generator().manual_seed(0)
        self.bases = [torch.rand((1, *input_size), generator=generator, dtype=torch.float64) for _ in range(draws)]
        self.clean = [run_graph(self.graph, base) for base in self.bases]
        with torch.no_grad():
            own = self.module(self.bases[0])
        if isinstance(own, torch.Tensor) and self.graph.outputs:  # the captured graph computes what the module computes
            torch.testing.assert_close(self.clean[0][self.graph.outputs[0][1]], own)
        self.poisoned: dict[tuple[int, int], dict[fx.Node, Any]] = {}
        self.changed: dict[tuple[int, int], list[dict[fx.Node, Any]]] = {}
        self.generator = generator

    def _row(self, base: torch.Tensor, axis: int, index: int, fill: torch.Tensor | float) -> torch.Tensor:
        x = base.clone()
        place = (slice(None), slice(None)) + (slice(None),) * axis + (index,)
        x[place] = fill if isinstance(fill, float) else fill[place]
        return x

    def upper(self, node: fx.Node, axis: int, place: tuple[int, ...]) -> list[int]:
        """Rows whose NaN reaches the element (any channel) at ``place`` of the node's output."""
        found = []
        for index in range(self.size[1 + axis]):
            key = (axis, index)
            if key not in self.poisoned:
                self.poisoned[key] = run_graph(self.graph, self._row(self.bases[0], axis, index, float("nan")))
            if bool(self.poisoned[key][node][place].isnan().any()):
                found.append(index)
        return found

    def lower(self, node: fx.Node, axis: int, place: tuple[int, ...]) -> list[int]:
        """Rows whose change changes the element (any channel) at ``place`` of the node's output."""
        found = []
        for index in range(self.size[1 + axis]):
            key = (axis, index)
            if key not in self.changed:
                other = torch.rand((1, *self.size), generator=self.generator, dtype=torch.float64) * 4 - 2
                self.changed[key] = [run_graph(self.graph, self._row(b, axis, index, other)) for b in self.bases]
            pairs = zip(self.clean, self.changed[key], strict=True)
            if any(bool((clean[node][place] != new[node][place]).any()) for clean, new in pairs):
                found.append(index)
        return found
