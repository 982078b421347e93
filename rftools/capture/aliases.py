"""Views of one memory: what a write through one of them means for the others, said without writing in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch.utils import _pytree as pytree

from rftools.capture.graph import op_name
from rftools.capture.operators import SAME_ELEMENTS, SPLITS, VIEWS
from rftools.errors import RequestError

UNSAFE = frozenset(("unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes"))
Emit = Callable[[Any, tuple[Any, ...], Any], Any]


@dataclass(frozen=True)
class View:
    """``tensor`` is what ``func(parent, *args, **kwargs)`` returned, or its element ``slot``."""

    parent: torch.Tensor
    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    slot: int | None

    @property
    def name(self) -> str:
        return str(self.func._schema.name).rpartition("::")[2]


def views_of(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> list[tuple[torch.Tensor, View]]:
    """The views that an operator returned of its first argument."""
    arguments = func._schema.arguments
    alias = arguments[0].alias_info if arguments else None
    silent = func._schema.name.rpartition("::")[2] in UNSAFE  # of one memory, though their schemas don't say so
    if not args or not isinstance(args[0], torch.Tensor) or not (silent or (alias is not None and not alias.is_write)):
        return []
    rest = (args[0], func, tuple(args[1:]), kwargs)
    if isinstance(result, torch.Tensor):
        return [] if result is args[0] else [(result, View(*rest, None))]
    return [(item, View(*rest, slot)) for slot, item in enumerate(result) if isinstance(item, torch.Tensor)]


def written(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[torch.Tensor]:
    """The tensors that an operator changes in place."""
    found = []
    for position, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[position] if position < len(args) else kwargs.get(argument.name)
            found += [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]
    return found


def scattered(view: View, before: Any, after: Any, shape: torch.Size, emit: Emit) -> Any:
    """The parent's node once the view's became ``after``: the view's way back.

    Raises:
        RequestError: a view that has no way back here (a diagonal, a window, strides by hand).
    """
    aten, parent, name = torch.ops.aten, view.parent, view.name
    arguments = view.args
    if name in {"detach", "alias", "lift_fresh"}:
        return after
    if name in SAME_ELEMENTS:
        return emit(aten.view.default, (after, list(parent.shape)), parent)
    if name in {"transpose", "t"}:
        return emit(view.func, (after, *arguments), parent)
    if name == "permute":
        order = [d % parent.dim() for d in arguments[0]]
        return emit(aten.permute.default, (after, [order.index(d) for d in range(len(order))]), parent)
    if name == "slice":
        return emit(aten.slice_scatter.default, (before, after, *arguments), parent)
    if name == "select":
        return emit(aten.select_scatter.default, (before, after, *arguments), parent)
    if name == "unbind" or name in SPLITS:
        return _piece_scattered(view, before, after, shape, emit)
    raise RequestError(
        f"a write through aten::{name} changes another tensor in place, which can't be followed here;"
        " write it without the in-place form, or make the model exportable"
    )


def _piece_scattered(view: View, before: Any, after: Any, shape: torch.Size, emit: Emit) -> Any:
    aten, parent, slot = torch.ops.aten, view.parent, view.slot or 0
    if view.name == "unbind":
        dim = view.args[0] if view.args else view.kwargs.get("dim", 0)
        return emit(aten.select_scatter.default, (before, after, dim, slot), parent)
    dim = view.args[1] if len(view.args) > 1 else view.kwargs.get("dim", 0)
    pieces = view.func(parent, *view.args, **view.kwargs)
    start = sum(piece.shape[dim] for piece in pieces[:slot])
    return emit(aten.slice_scatter.default, (before, after, dim, start, start + shape[dim], 1), parent)


def written_constants(nodes: Sequence[fx.Node], constants: Mapping[str, torch.Tensor]) -> frozenset[str]:
    """The names of the constants that operators write into, be it through views."""
    found = set()
    for node in nodes:
        schema = getattr(node.target, "_schema", None)
        if schema is None or not schema.is_mutable:
            continue
        for argument, value in zip(schema.arguments, node.args, strict=False):
            if argument.alias_info is not None and argument.alias_info.is_write:
                found.add(_owner(value))
    return frozenset(name for name in found if name in constants)


def _owner(value: Any) -> str:
    """The name of what a tensor is a view of."""
    while isinstance(value, fx.Node) and value.op == "call_function" and value.args:
        schema = getattr(value.target, "_schema", None)
        if op_name(value) not in VIEWS and not (schema is not None and schema.is_mutable):
            break
        value = value.args[0]
    return value.name if isinstance(value, fx.Node) else ""
