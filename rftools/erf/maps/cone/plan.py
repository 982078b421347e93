"""Which rule serves which node, how far the values are needed, and what the cone's work comes to."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import fx

import rftools.erf.maps.cone.axes
import rftools.erf.maps.cone.convolution
import rftools.erf.maps.cone.mixing
import rftools.erf.maps.cone.movement
import rftools.erf.maps.cone.normalisation
import rftools.erf.maps.cone.pixels
import rftools.erf.maps.cone.pooling
import rftools.erf.maps.cone.products
import rftools.erf.maps.cone.reshaping  # noqa: F401  (these register their rules)
from rftools.capture import Graph, op_name, qualified_name
from rftools.capture.operators import SHAPE_ONLY, aten
from rftools.capture.shapes import shape_of
from rftools.erf.maps.cone.base import BUILDERS, PreparedGraph, WindowedRule, build, operator_of
from rftools.erf.maps.cone.boxes import Box, full_box, union, volume
from rftools.erf.maps.cone.folding import HANDLERS, PARTS, unfolded
from rftools.erf.maps.cone.images import folds
from rftools.erf.maps.cone.pointwise import Scale, Unary
from rftools.erf.maps.cone.tape import Tape
from rftools.trf.engine import Evaluator

CROP = 0.7  # values are worked out in windows alone where that saves at least the rest of one forward pass
# Sums over windows of other sizes round differently, so that a relu near zero may flip: in single precision that was
# 1.5e-3 of a map's maximum in a ResNet-50 at 1,024 pixels. Whole values are autograd's own to the last bit.
CROPPED = (torch.float64,)
TAPED = 64.0  # multiplications an element that an operator without a rule is taken to need


@dataclass(frozen=True)
class NodeUnit:
    """One unit of a node: its index ``place`` along the tensor dimensions ``dims``; all channels together.

    ``folded`` dimensions after the images count as more of them: the net itself has them in its first dimension.
    """

    node: fx.Node
    dims: tuple[int, ...]
    place: tuple[int, ...]
    folded: int = 0

    def box(self) -> Box:
        spans = list(full_box(shape_of(self.node)))
        for dim, position in zip(self.dims, self.place, strict=True):
            if dim > 0:
                spans[dim - 1] = (position, position + 1)
        return tuple(spans)


@dataclass(frozen=True)
class Plan:
    """The nodes between the input and the units, each with its rule or its tape."""

    setting: PreparedGraph
    units: tuple[NodeUnit, ...]
    nodes: tuple[fx.Node, ...]
    rules: Mapping[fx.Node, WindowedRule]
    tapes: Mapping[fx.Node, Tape]
    passed: frozenset[fx.Node]
    need: Mapping[fx.Node, Box]

    @cached_property
    def stopped(self) -> frozenset[fx.Node]:
        """The nodes that pass no gradient back: inside ``torch.no_grad()``, or detached."""
        return frozenset(node for node in self.nodes if not passes_gradient(operator_of(node)))

    @property
    def input(self) -> fx.Node:
        return self.setting.graph.inputs[0]

    @property
    def steps(self) -> list[WindowedRule | Tape]:
        return [*self.rules.values(), *self.tapes.values()]

    @property
    def batchable(self) -> bool:
        """Whether several images may go through at once, though the graph was captured with one."""
        first = all(0 not in unit.dims for unit in self.units)
        return first and all(step.batchable for step in self.steps)

    def steps_back(self, node: fx.Node, box: Box) -> list[tuple[fx.Node, Box]]:
        """The boxes of a node's inputs that a box of the node depends on."""
        rule = self.rules.get(node)
        if rule is not None:
            return [(n, rule.reach(i, box)) for i, n in enumerate(rule.inputs)]
        tape = self.tapes.get(operator_of(node))
        return [] if tape is None else [(n, _whole(n)) for n in tape.inputs if _is_tensor(n)]

    def windows(self, starts: Sequence[tuple[fx.Node, Box]]) -> dict[fx.Node, Box]:
        """By node: the box on which the given boxes depend."""
        found: dict[fx.Node, Box] = {}
        for node, box in starts:
            found[node] = union(found[node], box) if node in found else box
        for node in reversed(self.nodes):
            if node in found:
                for origin, box in self.steps_back(node, found[node]):
                    found[origin] = union(found[origin], box) if origin in found else box
        return found

    def share_of_work(self, most: int = 8) -> float:
        """The multiplications inside the windows over those of whole gradients, from some units spread over all."""
        step = max(1, len(self.units) // most)
        inside = whole = 0.0
        for unit in self.units[::step]:
            for node, box in self.windows([(unit.node, unit.box())]).items():
                rule = self.rules.get(node)
                most_of_it = _whole(node)
                inside += TAPED * volume(most_of_it) if rule is None else rule.work(box)
                whole += TAPED * volume(most_of_it) if rule is None else rule.work(most_of_it)
        return inside / whole if whole else 1.0


def passes_gradient(node: fx.Node) -> bool:
    """Whether autograd follows the operator, as it was called."""
    return node.meta.get("gradient", True) and op_name(node) not in {"detach", "detach_"}


def _whole(node: fx.Node) -> Box:
    return full_box(shape_of(node))


def _is_tensor(node: fx.Node) -> bool:
    return isinstance(node.meta.get("val"), torch.Tensor)


class Constants(Evaluator):
    """Values that no input reaches, on one device."""

    def __init__(self, graph: Graph, device: torch.device) -> None:
        super().__init__(graph)
        self.device = device

    def _compute(self, node: fx.Node) -> Any:
        value = super()._compute(node)
        return value.to(self.device) if isinstance(value, torch.Tensor) else value


def make_plan(graph: Graph, units: Sequence[NodeUnit], device: torch.device) -> Plan:
    """Rules for everything between the input and the units, and the boxes on which values are needed."""
    graph, units = images_first(graph, units)
    reached = _reached(graph)
    setting = PreparedGraph(graph, Constants(graph, device), reached)
    live = _live(graph, units, reached)
    nodes = tuple(n for n in graph.nodes if n in live)
    rules, tapes = _steps(nodes, setting)
    passed = _fuse(nodes, rules, {unit.node for unit in units}, live)
    plan = Plan(setting, tuple(units), nodes, rules, tapes, passed, {})
    return Plan(setting, tuple(units), nodes, rules, tapes, passed, _needs(plan))


def images_first(graph: Graph, units: Sequence[NodeUnit]) -> tuple[Graph, Sequence[NodeUnit]]:
    """The graph and its units with images as the first dimension everywhere, where the net folds others into it."""
    found = unfolded(graph) if folds(graph) else None
    if found is None:
        return graph, units
    return found.graph, [NodeUnit(*found.unit(unit.node, unit.dims, unit.place)) for unit in units]


def without_rule(graph: Graph) -> float:
    """The share of the operators on the input's way that have no rule, read off their names."""
    named = {*BUILDERS, *(aten((*HANDLERS, *PARTS)) if folds(graph) else ())}
    follow = set(graph.inputs)
    for node in graph.nodes:
        if op_name(node) not in SHAPE_ONLY and any(source in follow for source in node.all_input_nodes):
            follow.add(node)
    ops = [node for node in graph.nodes if node in follow and operator_of(node) is node]
    return sum(qualified_name(node) not in named for node in ops) / max(1, len(ops))


def _reached(graph: Graph) -> frozenset[fx.Node]:
    found = set(graph.inputs[:1])
    for node in graph.nodes:
        if any(n in found for n in node.all_input_nodes):
            found.add(node)
    return frozenset(found)


def _live(graph: Graph, units: Sequence[NodeUnit], reached: frozenset[fx.Node]) -> set[fx.Node]:
    found = {unit.node for unit in units} & reached
    for node in reversed(graph.nodes):
        if node in found:
            found.update(n for n in node.all_input_nodes if n in reached)
    return found


def _steps(nodes: Sequence[fx.Node], setting: PreparedGraph) -> tuple[dict[fx.Node, WindowedRule], dict[fx.Node, Tape]]:
    rules: dict[fx.Node, WindowedRule] = {}
    tapes: dict[fx.Node, Tape] = {}
    for node in nodes:
        if not _is_tensor(node) and node.target is not operator.getitem:
            if not isinstance(node.meta.get("val"), (list, tuple)):
                tapes[node] = Tape(node, setting)  # a number that depends on the image
            continue
        rule = build(node, setting)
        if rule is not None:
            rules[node] = rule
        elif operator_of(node) not in tapes:
            tapes[operator_of(node)] = Tape(operator_of(node), setting)
    return rules, tapes


def _fuse(
    nodes: Sequence[fx.Node], rules: Mapping[fx.Node, WindowedRule], targets: set[fx.Node], live: set[fx.Node]
) -> frozenset[fx.Node]:
    """Batch normalisations whose factor the activation after them takes over."""
    passed = set()
    for node in nodes:
        rule = rules.get(node)
        if isinstance(rule, Unary):
            before = rule.inputs[0]
            scale = rules.get(before)
            users = [user for user in before.users if user in live]
            if isinstance(scale, Scale) and users == [node] and before not in targets:
                rule.absorb(scale)
                passed.add(before)
    return frozenset(passed)


def _needs(plan: Plan) -> dict[fx.Node, Box]:
    whole = {node: _whole(node) for node in (plan.input, *plan.nodes) if _is_tensor(node)}
    if plan.input.meta["val"].dtype not in CROPPED:
        return whole
    cropped = _cropped(plan)
    costs = [(rule.work(cropped.get(node, ())), rule.work(whole[node])) for node, rule in plan.rules.items()]
    saved = plan.tapes or sum(a for a, _ in costs) > CROP * sum(b for _, b in costs)
    return whole if saved else cropped


def _cropped(plan: Plan) -> dict[fx.Node, Box]:
    """Boxes that the values have to fill, for the gradients and for the values after them."""
    found: dict[fx.Node, Box] = {}
    for unit in plan.units:
        found[unit.node] = union(found[unit.node], unit.box()) if unit.node in found else unit.box()
    for node in reversed(plan.nodes):
        if node in found:
            rule = plan.rules.get(node)
            found[node] = rule.snap(found[node]) if rule is not None else _whole(node)
            for origin, box in plan.steps_back(node, found[node]):
                wanted = box if rule is not None and rule.croppable else _whole(origin)
                found[origin] = union(found[origin], wanted) if origin in found else wanted
    return found
