"""Nets that keep something from one call to the next: whether the second one is the same net.

A field is that of a net which takes the same path each time. Where a call leaves a counter, a cache or a buffer
changed, two real calls one after the other tell; what a net writes into its buffers is then no constant.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn

from rftools.capture.graph import Graph, module_path, op_name
from rftools.capture.inputs import Example
from rftools.capture.operators import SHAPE_ONLY
from rftools.capture.record import record
from rftools.errors import RequestError, reason
from rftools.runtime.state import unchanged


def leaves_changed(module: nn.Module, example: Example) -> bool:
    """Whether a real call leaves the module in another state."""
    with unchanged(module) as left:
        try:
            with torch.no_grad():
                module(*example.args, **example.kwargs)
        except Exception:  # what is captured all the same
            return False
    return left.changed


def refuse_other_paths(module: nn.Module, example: Example) -> None:
    """Two real calls, the second one in the state that the first one left.

    Raises:
        RequestError: the second call fails, or calls other operators of what depends on the input.
    """
    name = type(module).__name__
    with unchanged(module):
        try:
            first = record(module, example)
        except Exception:  # what the trace could follow and a record can't
            return
        try:
            second = record(module, example)
        except Exception as error:
            raise RequestError(
                f"{name} fails when it is called a second time: {reason(error)}; make its forward leave the module's"
                " state as it was"
            ) from error
    if _reached(first) != _reached(second):
        raise RequestError(
            f"{name} takes another path when it is called a second time, by what the first call left in its state"
            " (a counter, a cache); make its forward the same each time"
        )


def _reached(graph: Graph) -> list[tuple[Any, ...]]:
    """The operators that the input's values reach, with their arguments; constants may be made in other ways."""
    numbers: dict[fx.Node, int] = {node: -1 - i for i, node in enumerate(graph.inputs)}
    found: list[tuple[Any, ...]] = []
    measured: set[fx.Node] = set()  # whose shape alone is used
    for node in reversed(graph.nodes):
        if op_name(node) in SHAPE_ONLY or (node.users and measured.issuperset(node.users)):
            measured.add(node)
    for node in graph.nodes:
        if node in measured or not any(origin in numbers for origin in node.all_input_nodes):
            continue
        numbers[node] = len(found)
        given = fx.node.map_arg((node.args, node.kwargs), lambda origin: f"%{numbers.get(origin, 'constant')}")
        found.append((node.target, module_path(node), str(given)))
    return found
