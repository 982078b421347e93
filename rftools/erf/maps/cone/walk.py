"""One forward pass for all units, then all gradients back through the graph, each inside its own windows."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import fx

from rftools.erf.maps.cone.base import Share, WindowedRule, operator_of
from rftools.erf.maps.cone.boxes import Box, Cotangent, Patch, cut, full_box, joined, stack, union, volume
from rftools.erf.maps.cone.plan import Plan

OVERHEAD = 10  # reading and turning a kernel costs as much as this many positions
GAIN = 0.9  # targets are stacked where that takes at most this share of the work

Sink = Callable[[Cotangent], None]


def forward(plan: Plan, x: torch.Tensor) -> dict[int, torch.Tensor]:
    """Run the graph, let every rule keep what it needs; returns the output around each unit (on the unit's box)."""
    values: dict[fx.Node, Any] = {plan.input: Patch(x, full_box(x.shape))}
    last = _last_uses(plan)
    units: dict[int, torch.Tensor] = {}
    with torch.no_grad():
        for node in plan.nodes:
            found = _value(plan, node, values)
            if found is not None:
                values[node] = found
            for number, unit in enumerate(plan.units):
                if unit.node is node:
                    units[number] = cut(found.values, found.box, unit.box()).clone()
            for done in last.get(node, ()):
                values.pop(done, None)
    return units


def _value(plan: Plan, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
    rule = plan.rules.get(node)
    if rule is not None:
        return rule.run([values[n] for n in rule.inputs], plan.need[node])
    if node.target is operator.getitem:
        item = values[operator_of(node)][node.args[1]]
        return Patch(item, full_box(item.shape)) if isinstance(item, torch.Tensor) else item
    tape = plan.tapes.get(node)
    if tape is None:
        return None  # several outputs, each of which has a rule
    result = tape.run([v.values if isinstance(v := values[n], Patch) else v for n in tape.inputs])
    return Patch(result, full_box(result.shape)) if isinstance(result, torch.Tensor) else result


def _last_uses(plan: Plan) -> dict[fx.Node, list[fx.Node]]:
    """By node: the values that nothing after it reads."""
    last: dict[fx.Node, fx.Node] = {}
    for node in plan.nodes:
        rule = plan.rules.get(node)
        for origin in (*node.all_input_nodes, *(rule.inputs if rule else ())):
            last[origin] = node
    found: dict[fx.Node, list[fx.Node]] = {}
    for origin, node in last.items():
        found.setdefault(node, []).append(origin)
    return found


def forget(plan: Plan) -> None:
    """Drop what the forward pass kept."""
    for step in plan.steps:
        step.forget()


class Walk:
    """The gradients of all units, node by node, from where they start; ``sink`` gets each one's at the input.

    ``budget`` bounds the bytes of gradients under way: above it, half of the targets go on to the input first.
    """

    def __init__(self, plan: Plan, starts: Mapping[int, Cotangent], sink: Sink, budget: int) -> None:
        self.plan = plan
        self.starts = starts
        self.sink = sink
        self.budget = budget
        self.order = {node: i for i, node in enumerate(plan.nodes)}

    def run(self) -> None:
        waiting: dict[fx.Node, list[int]] = {}
        for number in self.starts:
            waiting.setdefault(self.plan.units[number].node, []).append(number)
        with torch.no_grad():
            self._from(len(self.plan.nodes) - 1, {}, waiting)

    def _from(self, top: int, pending: dict[fx.Node, list[Cotangent]], waiting: dict[fx.Node, list[int]]) -> None:
        """Down from node number ``top``; ``waiting`` are the units that start on the way."""
        for position in range(top, -1, -1):
            node = self.plan.nodes[position]
            parts = pending.pop(node, [])
            parts += [self.starts[number] for number in waiting.pop(node, ())]
            if not parts:
                continue
            self._step(node, parts, pending)
            del parts
            active = sorted({t for own in pending.values() for c in own for t in c.targets})
            if len(active) > 1 and sum(c.bytes for own in pending.values() for c in own) > self.budget:
                self._from(position - 1, _only(pending, set(active[len(active) // 2 :])), {})
                pending = _only(pending, set(active[: len(active) // 2]))
        for found in joined(pending.pop(self.plan.input, [])):
            self.sink(found)

    def _step(self, node: fx.Node, parts: list[Cotangent], pending: dict[fx.Node, list[Cotangent]]) -> None:
        groups = joined(parts)
        parts.clear()
        rule = self.plan.rules.get(node)
        if rule is not None and rule.heavy:
            groups = stacked(groups, rule.positions, self.budget // 2)
        while groups:
            group = groups.pop()
            for origin, share in self._shares(node, rule, group):
                found = Cotangent(group.targets, share.values, share.box, share.own)
                pending.setdefault(origin, []).append(found)
        if rule is not None:
            rule.rest()

    def _shares(self, node: fx.Node, rule: WindowedRule | None, group: Cotangent) -> Sequence[tuple[fx.Node, Share]]:
        if node in self.plan.stopped:
            return []
        if rule is not None:
            if node in self.plan.passed:
                return [(rule.inputs[0], Share(0, group.box, group.values, group.own))]
            shares = rule.back(group.values, group.box, group.images, group.own)
            return [(rule.inputs[share.index], share) for share in shares]
        tape = self.plan.tapes[operator_of(node)]
        slot = int(node.args[1]) if node.target is operator.getitem else None  # type: ignore[arg-type]
        shares = tape.back(slot, group.values, group.box, group.images)
        return [(tape.inputs[share.index], share) for share in shares]


def _only(pending: Mapping[fx.Node, list[Cotangent]], wanted: set[int]) -> dict[fx.Node, list[Cotangent]]:
    found = {}
    for node, own in pending.items():
        kept = [part for c in own if (part := c.of(wanted)) is not None]
        if kept:
            found[node] = kept
    return found


def stacked(groups: list[Cotangent], positions: Callable[[Box], int], limit: int) -> list[Cotangent]:
    """Groups whose windows are alike, or so small that reading the kernel outweighs them, become one."""
    left = sorted(groups, key=lambda group: volume(group.box))
    done: list[list[Cotangent]] = []
    for group in left:
        if done and _pays([*done[-1], group], positions, limit):
            done[-1].append(group)
        else:
            done.append([group])
    return [own[0] if len(own) == 1 else stack(own) for own in done]


def _pays(groups: Sequence[Cotangent], positions: Callable[[Box], int], limit: int) -> bool:
    *before, last = groups
    earlier = before[0].box
    for group in before[1:]:
        earlier = union(earlier, group.box)
    outer = union(earlier, last.box)
    count = sum(len(group.targets) for group in groups)
    rows = groups[0].images
    apart = rows * (positions(earlier) * (count - len(last.targets)) + positions(last.box) * len(last.targets))
    together = rows * positions(outer) * count
    size = count * rows * volume(outer) * last.values.element_size()
    return size <= limit and together + OVERHEAD <= GAIN * (apart + 2 * OVERHEAD)
