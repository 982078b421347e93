"""What the calls of modules returned, so that outputs are named by their position or key."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.fx.experimental import proxy_tensor
from torch.utils import _pytree as pytree

COPY, BEYOND = torch.ops.aten.slice_copy.Tensor, 1 << 40
Labels = dict[str, dict[Any, str]]  # by call (``path``, ``path#1``): ``[seg]`` or ``[0][1]`` by node (or its name)


def labels_of(tree: Any, key: Callable[[torch.Tensor], Any]) -> dict[Any, str]:
    """The position or key of every tensor, by what ``key`` makes of it (None: left out): ``{node: "[heads][0]"}``; the
    first where one comes twice.
    """
    found: dict[Any, str] = {}
    for path, leaf in leaves(tree, "", torch.Tensor):
        if (own := key(leaf)) is not None:
            found.setdefault(own, path)
    return found


def leaves(tree: Any, path: str, kind: type) -> Iterator[tuple[str, Any]]:
    """The leaves of a kind in dicts, lists and tuples, with the path to each."""
    if isinstance(tree, kind):
        yield path, tree
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from leaves(value, f"{path}[{key}]", kind)
    elif isinstance(tree, (list, tuple)):
        for index, value in enumerate(tree):
            yield from leaves(value, f"{path}[{index}]", kind)


def count_call(calls: dict[str, int], path: str) -> int:
    """How many calls of a module there were before this one."""
    count = calls.get(path, 0)
    calls[path] = count + 1
    return count


@contextlib.contextmanager
def returned(module: nn.Module, found: Labels) -> Iterator[None]:
    """While ``torch.export`` traces a module: the labels of what its modules return, by the names of the nodes."""
    calls: dict[str, int] = {}

    def entering(path: str, stack: list[str]) -> Callable[..., None]:
        return lambda *_: stack.append(f"{path}#{n}" if (n := count_call(calls, path)) else path)

    def leaving(stack: list[str]) -> Callable[..., None]:
        def leave(_: nn.Module, __: Any, output: Any) -> None:
            found[stack.pop()] = labels_of(output, _node_name)

        return leave

    handles = []
    for path, child in module.named_modules():
        stack: list[str] = []
        handles.append(child.register_forward_pre_hook(entering(path, stack)))
        handles.append(child.register_forward_hook(leaving(stack)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextlib.contextmanager
def copied(module: nn.Module, found: dict[str, list[str]]) -> Iterator[None]:
    """While ``torch.export`` traces a module: what its modules return is copied by an operator that nets do not call
    like this, a slice that ends so far beyond the end as its label stands in ``found``. So it is still told apart where
    nodes get other names later.
    """
    calls: dict[str, int] = {}

    def leaving(path: str) -> Callable[..., Any]:
        def leave(_: nn.Module, __: Any, output: Any) -> Any:
            own = {tensor: label for tensor, label in labels_of(output, lambda tensor: tensor).items() if tensor.ndim}
            count = count_call(calls, path)
            found[f"{path}#{count}" if count else path] = list(own.values())
            copies = {id(tensor): COPY(tensor, 0, 0, BEYOND + number) for number, tensor in enumerate(own)}
            return pytree.tree_map(lambda leaf: copies.get(id(leaf), leaf), output)

        return leave

    handles = [child.register_forward_hook(leaving(path)) for path, child in module.named_modules() if path]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def number_of_copy(node: Any) -> int | None:
    """Which of the tensors that a module returned was copied; None for another operator."""
    return int(node.args[3]) - BEYOND if node.target is COPY and len(node.args) > 3 and node.args[3] >= BEYOND else None


def _node_name(value: torch.Tensor) -> str | None:
    """The node that a tensor stands for while it is traced; None where there is none."""
    mode = proxy_tensor.get_proxy_mode()
    if mode is None:
        return None
    slot: Any = proxy_tensor.get_proxy_slot(value, mode.tracer, None)
    proxy = getattr(slot, "proxy", None)
    return None if proxy is None else str(proxy.node.name)
