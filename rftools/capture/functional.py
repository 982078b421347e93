"""Exported programs without writes in place; what their modules return is told apart still."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import fx, nn

from rftools.capture.graph import calls_of, ends_of_calls
from rftools.capture.operators import VIEWS
from rftools.capture.recurrences import without_steps
from rftools.capture.returns import Labels, copied, number_of_copy


def writes_in_place(graph: fx.Graph) -> bool:
    """Whether an in-place operator changes a tensor that is read again under its old name, or a view of one."""
    order = {node: index for index, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        schema = getattr(node.target, "_schema", None)
        if schema is None or not schema.is_mutable or not node.args or not isinstance(node.args[0], fx.Node):
            continue
        target = node.args[0]
        if any(order[user] > order[node] for user in target.users) or _is_view(target):
            return True
        if any(_is_view(user) and order[user] < order[node] for user in target.users):
            return True
    return False


def _is_view(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return getattr(node.target, "__name__", "") in VIEWS
    return schema.name.rpartition("::")[2] in VIEWS


def without_writes(program: Any, module: nn.Module, trace: Callable[[], Any]) -> tuple[Any, Labels]:
    """The program in functional form, and the labels of what its modules return.

    Its nodes have other names than those that were returned. Where that matters, a second program in which all that
    modules return is copied says which they are; ``trace`` makes one.
    """
    whole = without_steps(partial(program.run_decompositions, {}))
    nodes = [node for node in whole.graph.nodes if node.op == "call_function"]
    by_name = {node.name: node for node in nodes}
    outputs = [("", by_name[name]) for name in whole.graph_signature.user_outputs if name in by_name]
    if all(len(ends) == 1 for _, ends in ends_of_calls(nodes, outputs)):
        return whole, {}
    paths: dict[str, list[str]] = {}

    def with_copies() -> Any:
        paths.clear()
        with copied(module, paths):
            return trace()

    again = without_steps(partial(without_steps(with_copies).run_decompositions, {}))
    return whole, _labels(whole.graph, again.graph, paths)


def _labels(graph: fx.Graph, copying: fx.Graph, paths: Mapping[str, Sequence[str]]) -> Labels:
    """The labels of ``graph``'s nodes: of all that compute what was copied in the other one.

    Views of what was written into are computed anew wherever they are read, so that one tensor has several nodes.
    """
    known: dict[str, int] = {}
    twins: dict[int, list[str]] = {}
    for node, number in _numbered(graph, known).items():
        twins.setdefault(number, []).append(node.name)
    found: Labels = {}
    for node, number in _numbered(copying, known).items():
        which = number_of_copy(node)
        if which is not None:
            call = calls_of(node)[-1].name
            for name in twins.get(number, ()):
                found.setdefault(call, {}).setdefault(name, paths[call][which])
    return found


def _numbered(graph: fx.Graph, known: dict[str, int]) -> dict[fx.Node, int]:
    """A number for each node, the same for nodes that compute the same of the same; copies have their origin's."""
    numbers: dict[fx.Node, int] = {}
    for node in graph.nodes:
        if number_of_copy(node) is not None:
            numbers[node] = numbers[node.args[0]]
            continue
        given = fx.map_arg((node.args, node.kwargs), lambda origin: f"%{numbers[origin]}")
        text = f"{node.target} {given}" if node.op == "call_function" else f"{node.op} {node.name}"
        numbers[node] = known.setdefault(text, len(known))
    return numbers
