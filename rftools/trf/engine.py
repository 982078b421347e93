"""The walk over a captured graph: every node's field from those of its inputs, by the registry's rules."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensor

from rftools.capture import Graph, module_path, qualified_name
from rftools.capture.operators import SHAPE_ONLY, SHAPED_BY_DATA, aten
from rftools.capture.shapes import shape_of
from rftools.trf.constants import Known
from rftools.trf.field import Field
from rftools.trf.rules import Answer, NoRule, Rule, find_rule, make_call

NO_FIELD = frozenset(aten(SHAPE_ONLY))


def walk(graph: Graph, rules: Mapping[str, Rule]) -> dict[fx.Node, Answer]:
    """The field of every node that an input reaches; the others are absent or None."""
    fields: dict[fx.Node, Answer] = {}
    for node in graph.inputs[:1]:
        fields[node] = Field.of_input(shape_of(node))
    evaluate = Evaluator(graph, fields)
    for node in graph.nodes:
        answer = _answer(node, fields, rules, evaluate)
        if answer is not None:
            fields[node] = answer
    return fields


def _answer(
    node: fx.Node, fields: Mapping[fx.Node, Answer], rules: Mapping[str, Rule], evaluate: Callable[[Any], Any]
) -> Answer:
    if node.target is operator.getitem:
        source = fields.get(node.args[0])  # type: ignore[arg-type]
        if isinstance(source, (list, tuple)):
            return source[node.args[1]]  # type: ignore[index]
        return source
    reached = [fields[n] for n in node.all_input_nodes if fields.get(n) is not None]
    if qualified_name(node) in NO_FIELD or not _has_tensor(node):
        return None
    if "left" in node.meta:
        return _unknown(node, reached or list(fields.values())[:1], node.meta["left"])
    if not reached:
        return None
    causes = [cause for answer in reached if (cause := _cause(answer))]
    if causes:
        return _unknown(node, reached, causes[0])
    if not _has_elements(node) and qualified_name(node) not in SHAPED_BY_DATA:
        return None
    rule = find_rule(node, rules)
    where = f"{qualified_name(node)} in {module_path(node) or 'the model'}"
    if rule is None:
        return _unknown(node, reached, f"no rule for {where}")
    try:
        return rule(make_call(node, fields, evaluate))
    except NoRule as reason:
        return _unknown(node, reached, f"{where}: {reason}")


def _tensors(node: fx.Node) -> list[torch.Tensor]:
    value = node.meta.get("val")
    values = value if isinstance(value, (list, tuple)) else [value]
    return [item for item in values if isinstance(item, torch.Tensor)]


def _has_tensor(node: fx.Node) -> bool:
    return bool(_tensors(node))


def _has_elements(node: fx.Node) -> bool:
    return any(tensor.numel() != 0 for tensor in _tensors(node))


def _cause(answer: Answer) -> str | None:
    fields = [answer] if isinstance(answer, Field) else [f for f in answer or () if f is not None]
    return next((field.cause for field in fields if field.cause), None)


def _unknown(node: fx.Node, reached: list[Answer], cause: str) -> Answer:
    like = next(
        field for answer in reached for field in ([answer] if isinstance(answer, Field) else answer or ()) if field
    )
    value = node.meta["val"]
    if isinstance(value, torch.Tensor):
        return Field.of_unknown(like, tuple(value.shape), cause)
    return [Field.of_unknown(like, tuple(v.shape), cause) if isinstance(v, torch.Tensor) else None for v in value]


class Evaluator(Known):
    """What is known of a captured graph's values; ``fields`` say which nodes the input reaches."""

    def __init__(
        self, graph: Graph, fields: Mapping[fx.Node, Answer] | None = None, *, surviving: bool = False
    ) -> None:
        super().__init__()
        self.graph = graph
        self.fields = fields if fields is not None else {}
        self.any_value = not surviving
        self.parameters: dict[fx.Node, bool] = {}
        self.order = {node: number for number, node in enumerate(graph.nodes)}
        self.done = 0

    def reached(self, node: fx.Node) -> bool:
        return self.fields.get(node) is not None

    def origin(self, node: fx.Node) -> Any:
        constant = self.graph.constants.get(node.name)
        unknown = (
            constant is None or node.name in self.graph.written or constant.is_meta or isinstance(constant, FakeTensor)
        )
        return None if unknown or constant is None else constant.detach()

    def learned(self, node: fx.Node) -> bool:
        if self.reached(node):
            return False
        if node not in self.parameters:  # of a constant it never changes, and many ways lead back to the same ones
            if node.op == "call_function":
                self.parameters[node] = any(self.learned(origin) for origin in node.all_input_nodes)
            else:
                self.parameters[node] = isinstance(self.graph.constants.get(node.name), torch.nn.Parameter)
        return self.parameters[node]

    def before(self, node: fx.Node) -> Iterator[fx.Node]:
        if node in self.patterns:
            return
        upto = self.order.get(node, -1)
        for number in range(self.done, upto):  # in order, so that no chain of operators is too long for the stack
            self.done = number + 1
            if self.reached(self.graph.nodes[number]):
                yield self.graph.nodes[number]
        yield node
