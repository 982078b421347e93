"""The reverse walk: the exact support of one unit, pixel by pixel, from its layer back to the input.

Cotangents are boolean and made so again at every node, so that depth can't underflow; or they are path counts, kept
in range by one common factor. With ``surviving`` only weights that are not zero let a path through.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import fx

from rftools.capture import Graph, module_path, op_name, qualified_name
from rftools.capture.operators import BATCH_NORMS, KERNELS
from rftools.capture.shapes import shape_of
from rftools.errors import RequestError
from rftools.trf.engine import NO_FIELD, Evaluator
from rftools.trf.field import Field
from rftools.trf.flow import Flow
from rftools.trf.rules import RULES, Answer, NoRule, Rule, find_rule, make_call
from rftools.trf.rules.elementwise import CHOOSING
from rftools.trf.rules.norms import own_statistics
from rftools.trf.shortcuts import Step, blank, narrow, passes_on, shortcut
from rftools.trf.through import LinearSteps

WEIGHTED = KERNELS | BATCH_NORMS | {"addmm", "mul"}
LARGE = 1e60


@dataclass(frozen=True)
class Reverse:
    """Reverse walks over one graph. ``fields`` are the engine's, which say what an input reaches at all."""

    graph: Graph
    fields: Mapping[fx.Node, Answer]
    rules: Mapping[str, Rule]
    surviving: bool = False
    linear: LinearSteps = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "linear", LinearSteps(any_value=not self.surviving))

    def support(self, node: fx.Node, place: Mapping[int, int], *, channel: int | None = None) -> torch.Tensor:
        """Which input elements ``(C, *spatial)`` reach the unit at ``place`` (tensor dimension: index), as booleans."""
        return self._walk(node, place, channel, count=False) > 0

    def counts(self, node: fx.Node, place: Mapping[int, int]) -> torch.Tensor:
        """By how many paths, as shares of all: the field of a linear net with even weights; float64."""
        paths = self._walk(node, place, None, count=True)
        return paths / paths.sum().clamp_min(1e-300)

    def _walk(self, node: fx.Node, place: Mapping[int, int], channel: int | None, *, count: bool) -> torch.Tensor:
        source = self.graph.inputs[0]
        dtype = torch.float64 if count else torch.float32
        shape = shape_of(node)
        seed = torch.zeros([n if d in place or (d == 1 and channel is not None) else 1 for d, n in enumerate(shape)])
        index: list[Any] = [place.get(dim, slice(None)) for dim in range(seed.ndim)]
        if channel is not None:
            index[1] = channel
        seed[tuple(index)] = 1
        seed = seed.to(dtype).expand(shape)
        pending: dict[fx.Node, list[torch.Tensor | None]] = {node: [seed]}
        order = {n: i for i, n in enumerate(self.graph.nodes)}
        evaluate = Evaluator(self.graph, self.fields, surviving=self.surviving)
        while rest := [n for n in pending if n is not source]:
            latest = max(rest, key=lambda n: order.get(n, -1))
            if latest not in order:
                del pending[latest]  # a parameter
                continue
            given = pending.pop(latest)
            steps, settled = self._step(latest, given, evaluate, count)
            for origin, slot, value in steps:
                _add(pending, origin, slot, value, count, settled)
            if count:
                _rescale(pending)
        found = pending.get(source, [None])[0]
        return torch.zeros(shape_of(source)[1:], dtype=dtype) if found is None else found[0]

    def _step(
        self, node: fx.Node, cotangents: list[torch.Tensor | None], evaluate: Evaluator, count: bool
    ) -> tuple[Step, bool]:
        """What a node's cotangents ask of its inputs, and whether it hands them on as they are."""
        if node.target is operator.getitem:
            assert cotangents[0] is not None
            return [(node.args[0], int(cast(int, node.args[1])), cotangents[0])], True  # type: ignore[list-item]
        if qualified_name(node) in NO_FIELD:
            return [], True
        inputs = [n for n in dict.fromkeys(node.all_input_nodes) if self._reached(n)]
        rule = find_rule(node, self.rules)
        if not count and rule is RULES.get(qualified_name(node)) and (self.surviving or not _closes(node, evaluate)):
            own = self.linear.step(node, cotangents, evaluate)
            if own is not None:
                return own, True
        if rule is not None and not (self.surviving and op_name(node) in WEIGHTED) and not _closes(node, evaluate):
            short = shortcut(node, rule, cotangents, inputs)
            if short is not None:
                return short, passes_on(node, rule)
        dtype = next(c for c in cotangents if c is not None).dtype
        leaves = {n: _leaves(n, dtype) for n in inputs}
        with torch.enable_grad():
            outputs = self._forward(node, leaves, evaluate)
        pairs = [(o, c) for o, c in zip(outputs, cotangents, strict=False) if o is not None and c is not None]
        pairs = [(o, c) for o, c in pairs if o.requires_grad]
        if not pairs:
            return [], True
        flat = [(n, slot, leaf) for n, own in leaves.items() for slot, leaf in enumerate(own) if leaf is not None]
        gradients = torch.autograd.grad(
            [o for o, _ in pairs], [leaf for _, _, leaf in flat], [c for _, c in pairs], allow_unused=True
        )
        return [(n, slot, g) for (n, slot, _), g in zip(flat, gradients, strict=True) if g is not None], False

    def _reached(self, node: fx.Node) -> bool:
        return self.fields.get(node) is not None

    def _forward(
        self, node: fx.Node, leaves: Mapping[fx.Node, list[torch.Tensor | None]], evaluate: Evaluator
    ) -> list[torch.Tensor | None]:
        if self.surviving and op_name(node) in WEIGHTED:
            through = _through_weights(node, leaves, evaluate)
            if through is not None:
                return [through]
        rule = find_rule(node, self.rules)
        where = f"{qualified_name(node)} in {module_path(node) or 'the model'}"
        if rule is None:
            raise RequestError(f"no rule for {where}: the unit's support is not known")
        flows: dict[fx.Node, Any] = {}
        for n, own in leaves.items():
            made = [None if leaf is None else Flow(leaf) for leaf in own]
            flows[n] = made if isinstance(n.meta["val"], (list, tuple)) else made[0]
        try:
            answer: Any = rule(make_call(node, flows, evaluate, Flow))
        except NoRule as reason:
            raise RequestError(f"{where}: {reason}; the unit's support is not known") from reason
        several = list(answer) if isinstance(answer, (list, tuple)) else [answer]
        return [None if flow is None else flow.tensor for flow in several]


def _closes(node: fx.Node, evaluate: Evaluator) -> bool:
    """Whether constants may close paths through an operator, so that its own rule is to be followed."""
    if (
        op_name(node) == "lerp"
        or (op_name(node) in CHOOSING and (_has_constant(node, evaluate) or _has_number(node)))
        or evaluate.zeros(node) is not None
    ):
        return True
    return op_name(node) in KERNELS and evaluate.zeros(node.args[1]) is not None


def _has_constant(node: fx.Node, evaluate: Evaluator) -> bool:
    return any(evaluate.fixed(origin) is not None for origin in node.all_input_nodes)


def _has_number(node: fx.Node) -> bool:
    """Whether a number that may be a factor or an exponent of zero, or an end of a clamp, is among the arguments."""
    values = (*node.args[1:], *node.kwargs.values())
    return any(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def _leaves(node: fx.Node, dtype: torch.dtype) -> list[torch.Tensor | None]:
    value = node.meta["val"]
    values = value if isinstance(value, (list, tuple)) else [value]
    return [blank(tuple(v.shape), dtype) if isinstance(v, torch.Tensor) else None for v in values]


def _add(
    pending: dict[fx.Node, list[torch.Tensor | None]],
    node: fx.Node,
    slot: int,
    value: torch.Tensor,
    count: bool,
    settled: bool,
) -> None:
    """One more cotangent of a node; booleans (0 and 1) are made so again unless they are ``settled`` already."""
    slots = pending.setdefault(node, [])
    slots.extend([None] * (slot + 1 - len(slots)))
    before = slots[slot]
    if before is None and (count or settled):
        slots[slot] = value
        return
    slim = narrow(value)
    if not count and not settled:
        slim = (slim > 0).to(value.dtype)
    if before is not None:
        old = narrow(before)
        slim = old + slim if count else torch.maximum(old, slim)
    slots[slot] = slim.expand(value.shape)


def _rescale(pending: Mapping[fx.Node, list[torch.Tensor | None]]) -> None:
    """Divide everything that is under way by one factor, before counts leave the range of floats."""
    top = max((float(narrow(c).max()) for own in pending.values() for c in own if c is not None), default=0.0)
    if top > LARGE:
        for own in pending.values():
            own[:] = [None if c is None else (narrow(c) / top).expand(c.shape) for c in own]


def _through_weights(
    node: fx.Node, leaves: Mapping[fx.Node, list[torch.Tensor | None]], evaluate: Evaluator
) -> torch.Tensor | None:
    """The operator itself with every constant weight made 1 where it is not zero and 0 where it is."""
    if len(leaves) != 1:
        return None
    ((source, own),) = leaves.items()
    leaf = own[0]
    if leaf is None:
        return None
    name = op_name(node)
    if name in BATCH_NORMS:
        weight = evaluate(node.args[1])
        if weight is None or own_statistics(make_call(node, {}, evaluate)):
            return None
        shape = [1, -1] + [1] * (leaf.ndim - 2)
        return leaf * (weight != 0).to(leaf.dtype).reshape(shape)
    if name == "addmm":
        return leaf @ (_constant(node.args[2], evaluate) != 0).to(leaf.dtype)
    if name == "mul":
        other = node.args[1] if node.args[0] is source else node.args[0]
        factor = evaluate(other) if isinstance(other, fx.Node) else torch.tensor(float(cast(float, other)))
        if factor is None:  # a number that is drawn
            return None
        return (leaf * (factor != 0).to(leaf.dtype)).expand(shape_of(node))
    if node.args[0] is not source:
        return None
    mask = (_constant(node.args[1], evaluate) != 0).to(leaf.dtype)
    rest = fx.map_arg(tuple(node.args[3:]), evaluate)
    return cast(torch.Tensor, node.target(leaf, mask, None, *rest, **fx.map_arg(dict(node.kwargs), evaluate)))  # type: ignore[operator]


def _constant(value: Any, evaluate: Evaluator) -> torch.Tensor:
    found = evaluate(value)
    if not isinstance(found, torch.Tensor):
        raise RequestError("the surviving field needs the weights' values; the model's are on the meta device")
    return found


def unit_place(field: Field, dims: Sequence[int], unit: Sequence[int]) -> dict[int, int]:
    """A unit's index as tensor dimension: position; a batch of one is position 0."""
    place = dict(zip(dims, unit, strict=True))
    if 0 not in place and field.shape[:1] == (1,):
        place[0] = 0
    return place
