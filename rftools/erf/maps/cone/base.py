"""What a windowed rule is: how far a box reaches back, the values it keeps, and the gradient inside the box."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import fx

from rftools.capture import Graph, qualified_name
from rftools.capture.shapes import shape_of
from rftools.erf.maps.cone.boxes import Box, Patch, full_box, volume
from rftools.trf.engine import Evaluator


@dataclass(frozen=True)
class Share:
    """What one input of an operator gets: its number among the rule's inputs, the box and the gradient on it."""

    index: int
    box: Box
    values: torch.Tensor
    own: bool = True


MISSING = object()


@dataclass(frozen=True)
class PreparedGraph:
    """A graph, its constants on the device, and the nodes that the input reaches."""

    graph: Graph
    evaluate: Evaluator
    reached: frozenset[fx.Node]
    schemas: dict[Any, dict[str, tuple[int, Any]]] = field(default_factory=dict)

    def slots(self, target: Any) -> dict[str, tuple[int, Any]]:
        """An operator's arguments by name: their position and default; read once, as schemas are slow to read."""
        if target not in self.schemas:
            self.schemas[target] = {
                slot.name: (position, slot.default_value if slot.has_default_value() else MISSING)
                for position, slot in enumerate(target._schema.arguments)
            }
        return self.schemas[target]

    def dynamic(self, value: Any) -> bool:
        return isinstance(value, fx.Node) and value in self.reached


class NotWindowed(Exception):
    """The operator, called in this way, has no windowed rule."""


class WindowedRule:
    """A node's operator on boxes.

    ``inputs`` are the nodes that it differentiates for. ``croppable``: its values can be worked out on a box alone.
    ``batchable``: it takes more images than the graph was captured with. ``heavy``: worth the copies of stacking
    targets. ``cost``: multiplications an output element.
    """

    croppable = False
    batchable = True
    heavy = False
    cost = 1.0

    def __init__(self, node: fx.Node, setting: PreparedGraph, inputs: Sequence[fx.Node]) -> None:
        self.node = node
        self.setting = setting
        self.inputs = tuple(inputs)
        self.shape = shape_of(node)
        self.shapes = [shape_of(n) for n in inputs]

    def reach(self, index: int, box: Box) -> Box:
        """The box of an input that the box of the output depends on."""
        raise NotImplementedError

    def snap(self, box: Box) -> Box:
        """The box on which values are worked out so that they hold ``box``."""
        return box if self.croppable else full_box(self.shape)

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        """The values on ``box``; keeps what the gradient needs."""
        values = self.call([patch.values for patch in patches])
        self.keep(patches, Patch(values, box))
        return Patch(values, box)

    def keep(self, patches: Sequence[Patch], out: Patch) -> None:
        """Keep what `back` needs."""

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        """The gradient for every input; ``own`` allows changing ``values`` in place."""
        raise NotImplementedError

    def rest(self) -> None:
        """Drop what was worked out for the groups of targets that pass together."""

    def forget(self) -> None:
        """Drop what was kept."""

    def whole(self, box: Box) -> bool:
        return box == full_box(self.shape)

    def positions(self, box: Box) -> int:
        """The places at which the same matrix works: all dimensions but the channels."""
        return volume(box[1:])

    def work(self, box: Box) -> float:
        """Multiplications for the gradient of a box."""
        return self.cost * volume(box)

    def call(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        """The operator itself, out of place."""
        found = dict(zip(self.inputs, tensors, strict=True))
        return cast(torch.Tensor, call_node(operator_of(self.node), self.setting, found))


COPIES = (torch.ops.aten.copy.default, torch.ops.aten.copy_.default)
VIEWS = (torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default)


def operator_of(node: fx.Node) -> fx.Node:
    """The node itself, or what a ``getitem`` takes its element from."""
    import operator

    return cast(fx.Node, node.args[0]) if node.target is operator.getitem else node


def call_node(node: fx.Node, setting: PreparedGraph, values: dict[fx.Node, Any]) -> Any:
    """The node's operator on the values; in-place forms are replaced, or work on copies."""

    def value(n: fx.Node) -> Any:
        return values[n] if n in values else setting.evaluate(n)

    args, kwargs = fx.map_arg(node.args, value), fx.map_arg(node.kwargs, value)
    function = out_of_place(node.target)
    if function is None:
        function = node.target
        args = fx.node.map_aggregate(args, lambda a: a.clone() if isinstance(a, torch.Tensor) else a)
    return cast(Callable[..., Any], function)(*cast(Any, args), **cast(Any, kwargs))


def out_of_place(target: Any) -> Any:
    """``relu`` for ``relu_``, ``reshape`` for views, as strides may differ; None where there is no such form."""
    schema = getattr(target, "_schema", None)
    if target in VIEWS:
        return torch.ops.aten.reshape.default
    if target in COPIES:
        return _copied
    if schema is None or not schema.is_mutable:
        return target
    space, _, name = schema.name.partition("::")
    packet = getattr(getattr(torch.ops, space), name.removesuffix("_"), None)
    return getattr(packet, schema.overload_name or "default", None) if packet is not None else None


def _copied(into: torch.Tensor, values: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
    """``copy`` without its missing derivative: the values in the shape and type that they are written over."""
    return values.to(into.dtype).expand(into.shape)


Builder = Callable[[fx.Node, PreparedGraph], WindowedRule]
BUILDERS: dict[str, Builder] = {}


def windowed(*names: str) -> Callable[[Any], Any]:
    """Register a rule (or a function that makes one) for operators of ATen."""

    def register(builder: Any) -> Any:
        for name in names:
            assert f"aten.{name}" not in BUILDERS, name
            BUILDERS[f"aten.{name}"] = builder
        return builder

    return register


def argument(node: fx.Node, setting: PreparedGraph, name: str, default: Any = None) -> Any:
    """An argument of a node by its name in the schema; constants are worked out, nodes that x reaches stay nodes."""
    slot = setting.slots(node.target).get(name)
    if slot is None:
        return default
    position, standard = slot
    if position < len(node.args):
        value: Any = node.args[position]
    else:
        value = node.kwargs.get(name, default if standard is MISSING else standard)
    return setting.evaluate(value) if isinstance(value, fx.Node) and not setting.dynamic(value) else value


def source(node: fx.Node, setting: PreparedGraph) -> fx.Node:
    """The only input that the image reaches, which has to be the operator's first."""
    op = operator_of(node)
    if [n for n in op.all_input_nodes if setting.dynamic(n)] != [op.args[0]]:
        raise NotWindowed
    return cast(fx.Node, op.args[0])


def build(node: fx.Node, setting: PreparedGraph) -> WindowedRule | None:
    """The windowed rule of a node; None where the operator has none."""
    builder = BUILDERS.get(qualified_name(operator_of(node)))
    if builder is None:
        return None
    try:
        return builder(node, setting)
    except NotWindowed:
        return None
