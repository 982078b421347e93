"""A captured net: its ATen operators in execution order, and which of them are the outputs of which module."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import fx


@dataclass(frozen=True)
class Layer:
    """A place in the net that has a name: a module's output, or an operator between modules.

    ``name`` is the module's path as ``named_modules()`` gives it (``#1`` for its second call), or the path of the
    module whose forward runs the operator, a slash and the operator's name. ``node`` computes it.
    """

    name: str
    op: str
    module: str | None
    node: fx.Node


@dataclass(frozen=True)
class Graph:
    """The operators of one forward pass. ``constants`` are parameters and buffers by placeholder name; those that the
    pass itself writes into (``written``) have another value in the next one.
    """

    nodes: tuple[fx.Node, ...]
    inputs: tuple[fx.Node, ...]
    outputs: tuple[tuple[str, fx.Node], ...]
    constants: Mapping[str, torch.Tensor]
    layers: tuple[Layer, ...]
    method: str = field(default="export")
    written: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ModuleCall:
    """One call of one module: a key of ``nn_module_stack``."""

    key: str
    path: str
    kind: str

    @property
    def name(self) -> str:
        count = self.key.rpartition("@")[2] if "@" in self.key else ""
        return f"{self.path}#{count}" if count else self.path


def op_name(node: fx.Node) -> str:
    """The operator's plain name: ``conv2d`` for ``aten.conv2d.default``, without the in-place underscore."""
    if node.target is operator.getitem:
        return op_name(source_of(node))
    schema = getattr(node.target, "_schema", None)
    full = schema.name if schema is not None else getattr(node.target, "__name__", str(node.target))
    return str(full).rpartition("::")[2].rstrip("_") or str(full)


def qualified_name(node: fx.Node) -> str:
    """The operator's registry name: ``aten.conv2d``; the in-place form has the plain form's name."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return str(getattr(node.target, "__name__", node.target))
    name = str(schema.name).replace("::", ".")
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


def source_of(node: fx.Node) -> fx.Node:
    """The node a ``getitem`` takes its element from."""
    source = node.args[0]
    assert isinstance(source, fx.Node)
    return source


def module_path(node: fx.Node) -> str:
    """The path of the innermost module whose forward runs the node."""
    stack = calls_of(node)
    return stack[-1].path if stack else ""


def calls_of(node: fx.Node) -> list[ModuleCall]:
    """The module calls around a node, outermost first."""
    stack = node.meta.get("nn_module_stack") or {}
    return [
        ModuleCall(key, path, kind if isinstance(kind, str) else _class_name(kind))
        for key, (path, kind) in stack.items()
    ]


def _class_name(kind: Any) -> str:
    return kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"


def is_real_tensor(node: fx.Node) -> bool:
    """Whether the node computes one floating-point (or complex) tensor."""
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex())


def name_layers(
    nodes: Sequence[fx.Node],
    outputs: Sequence[tuple[str, fx.Node]],
    returned: Mapping[str, Mapping[fx.Node, str]] = MappingProxyType({}),
) -> tuple[Layer, ...]:
    """The named places of a net, in execution order; the model's own output comes last, as ``""``.

    ``returned`` has, by call of a module, the position or key of what it returned: ``[0]``, ``[seg]``.
    """
    ends: dict[int, list[tuple[str, ModuleCall]]] = {}
    for call, leaving in ends_of_calls(nodes, outputs):
        labels = returned.get(call.name, {})
        named: dict[str, fx.Node] = {}
        for node in leaving:
            if node in labels:
                named.setdefault(labels[node], node)
        leaving = list(named.values()) or leaving
        for position, node in enumerate(leaving):
            suffix = labels.get(node, f"[{position}]") if len(leaving) > 1 else ""
            ends.setdefault(id(node), []).append((call.name + suffix, call))
    names = _Names()
    layers = list(_rows(nodes, ends, names))
    layers.extend(Layer(name, op_name(node), _root_class(node), node) for name, node in outputs)
    return tuple(layers)


def ends_of_calls(
    nodes: Sequence[fx.Node], outputs: Sequence[tuple[str, fx.Node]]
) -> list[tuple[ModuleCall, list[fx.Node]]]:
    """The calls of modules within the model, each with the tensors that are used outside it."""
    members: dict[str, list[fx.Node]] = {}
    calls: dict[str, ModuleCall] = {}
    for node in nodes:
        for call in calls_of(node):
            members.setdefault(call.key, []).append(node)
            calls[call.key] = call
    finals = {id(node) for _, node in outputs}
    return [(calls[key], _leaving(inside, finals)) for key, inside in members.items() if calls[key].path != ""]


def _leaving(inside: Sequence[fx.Node], finals: set[int]) -> list[fx.Node]:
    """The tensors of a module call that are used outside it: what it returns."""
    own = set(inside)
    real = [node for node in inside if is_real_tensor(node)]
    leaving = [node for node in real if id(node) in finals or any(user not in own for user in node.users)]
    return leaving or real[-1:]


class _Names:
    """Counts how often a name was given, so that the second gets ``#1``."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    def unique(self, name: str) -> str:
        count = self.seen.get(name, 0)
        self.seen[name] = count + 1
        return f"{name}#{count}" if count else name


def _rows(nodes: Sequence[fx.Node], ends: Mapping[int, list[tuple[str, ModuleCall]]], names: _Names) -> Iterator[Layer]:
    for node in nodes:
        if not is_real_tensor(node):
            continue
        stack = calls_of(node)
        closing = sorted(ends.get(id(node), []), key=lambda end: -_depth(stack, end[1]))
        innermost = stack[-1] if stack else None
        library_leaf = bool(
            closing and innermost and closing[0][1].key == innermost.key and innermost.kind.startswith("torch.nn.")
        )
        if not library_leaf:
            path = innermost.name if innermost else ""
            yield Layer(names.unique(f"{path}/{_element_name(node)}"), op_name(node), None, node)
        for name, call in closing:
            yield Layer(name, op_name(node), call.kind.rpartition(".")[2], node)


def _element_name(node: fx.Node) -> str:
    """``chunk[1]`` for the second of several tensors that one operator returns."""
    name = op_name(node)
    if node.target is not operator.getitem:
        return name
    siblings = [user for user in source_of(node).users if is_real_tensor(user)]
    return f"{name}[{node.args[1]}]" if len(siblings) > 1 else name


def _depth(stack: Sequence[ModuleCall], call: ModuleCall) -> int:
    return next((i for i, entry in enumerate(stack) if entry.key == call.key), -1)


def _root_class(node: fx.Node) -> str | None:
    stack = calls_of(node)
    return stack[0].kind.rpartition(".")[2] if stack else None


def name_outputs(returned: Iterable[tuple[str, fx.Node | None]]) -> tuple[tuple[str, fx.Node], ...]:
    """The model's outputs: ``""`` for the only one, ``[out]``, ``[0]`` and so on for the members of several."""
    found = [
        (path, node)
        for path, node in returned
        if node is not None and node.op == "call_function" and isinstance(node.meta.get("val"), torch.Tensor)
    ]
    return (("", found[0][1]),) if len(found) == 1 else tuple(found)
