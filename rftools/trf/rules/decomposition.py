"""Operators without a rule of their own are taken apart, by torch's own decompositions, into some that have one."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch import fx
from torch.utils import _pytree as pytree

from rftools.capture import qualified_name
from rftools.trf.constants import Known, Pattern
from rftools.trf.offsets import MOST_STEPS
from rftools.trf.rules.registry import RULES, Answer, Call, NoRule, Rule, make_call

# What torch raises where it can't work an operator out without values, or has no decomposition that can be traced.
UNTRACEABLE = (RuntimeError, NotImplementedError, TypeError, ValueError)


def find_rule(node: fx.Node, own: Mapping[str, Rule]) -> Rule | None:
    """The rule for a node's operator, the caller's own first; what has none may be made of operators that have."""
    name = qualified_name(node)
    return own.get(name) or RULES.get(name) or by_parts(node, own)


def by_parts(node: fx.Node, own: Mapping[str, Rule]) -> Rule | None:
    """A rule for ``node``'s operator that follows the operators it is made of; None where it can't be taken apart.

    The parts' own rules apply, ``own`` first, whatever carries them.
    """
    graph = _traced(node)
    return None if graph is None else lambda call: _through(call, graph, own)


def taken_apart(call: Call) -> Answer:
    """The answer of the operators that the call is made of, for a rule that leaves some calls to them.

    Raises:
        NoRule: torch has no decomposition of it.
    """
    rule = by_parts(call.node, {})
    if rule is None:
        raise NoRule("it can't be taken apart")
    return rule(call)


def _traced(node: fx.Node) -> fx.GraphModule | None:
    from torch._decomp import core_aten_decompositions
    from torch.fx.experimental.proxy_tensor import make_fx

    if not isinstance(node.target, torch._ops.OpOverload):
        return None
    leaves, form = pytree.tree_flatten((node.args, node.kwargs))
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, fx.Node)]

    def operate(*tensors: torch.Tensor) -> Any:
        given = list(leaves)
        for place, tensor in zip(places, tensors, strict=True):
            given[place] = tensor
        args, kwargs = pytree.tree_unflatten(given, form)
        return node.target(*args, **kwargs)  # type: ignore[operator]

    if any(not isinstance(leaves[i].meta.get("val"), torch.Tensor) for i in places):
        return None
    blank = [torch.empty(v.shape, dtype=v.dtype) for v in (leaves[i].meta["val"] for i in places)]
    try:
        without_writes = torch.func.functionalize(operate, remove="mutations")
        graph = make_fx(without_writes, dict(core_aten_decompositions()), tracing_mode="fake")(*blank)
    except UNTRACEABLE:
        return None
    made_of = [part for part in graph.graph.nodes if part.op == "call_function"]
    same = any(qualified_name(part) == qualified_name(node) for part in made_of)
    return None if same or not made_of else graph


def _through(call: Call, graph: fx.GraphModule, own: Mapping[str, Rule]) -> Answer:
    """The answer of the last part."""
    outer = [leaf for leaf in pytree.tree_leaves((call.node.args, call.node.kwargs)) if isinstance(leaf, fx.Node)]
    entries = [part for part in graph.graph.nodes if part.op == "placeholder"]
    fields = {part: call.fields.get(node) for part, node in zip(entries, outer, strict=True)}
    values = _Values(graph, dict(zip(entries, outer, strict=True)), call, fields)
    for part in graph.graph.nodes:
        if part.op == "call_function" and any(fields.get(n) is not None for n in part.all_input_nodes):
            fields[part] = _part(part, fields, values, call, own)
    (result,) = next(part for part in graph.graph.nodes if part.op == "output").args
    if isinstance(result, fx.Node):
        return fields.get(result)
    return [fields.get(part) for part in result]  # type: ignore[misc]


def _part(
    part: fx.Node, fields: Mapping[fx.Node, Answer], values: _Values, call: Call, own: Mapping[str, Rule]
) -> Answer:
    if part.target is operator.getitem:
        several = fields[part.args[0]]  # type: ignore[index]
        return several[part.args[1]] if isinstance(several, (list, tuple)) else several  # type: ignore[index]
    rule = find_rule(part, own)
    if rule is None:
        raise NoRule(f"no rule for its part {qualified_name(part)}")
    return rule(make_call(part, fields, values, call.carrier))


class _Values(Known):
    """What is known of the parts' values: of those outside, what the call knows."""

    def __init__(
        self,
        graph: fx.GraphModule,
        outer: Mapping[fx.Node, fx.Node],
        call: Call,
        fields: Mapping[fx.Node, Answer],
    ) -> None:
        super().__init__()
        self.graph, self.outer, self.call, self.fields = graph, outer, call, fields
        self.any_value = getattr(call.evaluate, "any_value", True)
        self.parameters: dict[fx.Node, bool] = {}

    def reached(self, node: fx.Node) -> bool:
        return self.fields.get(node) is not None

    def origin(self, node: fx.Node) -> Any:
        if node in self.outer:
            return self.call.evaluate(self.outer[node])
        return getattr(self.graph, str(node.target))

    def learned(self, node: fx.Node) -> bool:
        if self.reached(node):
            return False
        if node in self.outer:
            asked = getattr(self.call.evaluate, "learned", None)
            return asked is not None and bool(asked(self.outer[node]))
        if node not in self.parameters:
            self.parameters[node] = any(self.learned(origin) for origin in node.all_input_nodes)
        return self.parameters[node]

    def before(self, node: fx.Node) -> tuple[fx.Node, ...]:
        return () if node in self.patterns or node in self.outer else (node,)

    def zeros(self, value: Any) -> Pattern:
        return self.call.zeros(self.outer[value]) if value in self.outer else super().zeros(value)

    def offset(self, value: Any, steps: int = MOST_STEPS) -> torch.Tensor | None:
        if value in self.outer:
            asked = getattr(self.call.evaluate, "offset", None)
            return None if asked is None else asked(self.outer[value], steps)
        return super().offset(value, steps)
