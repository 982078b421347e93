"""Values that leave the graph: numbers and arrays that a forward takes out of its tensors.

What is computed after ``x.mean().item()`` or ``x.numpy()`` may depend on all of ``x``, and no operator shows it. Every
later tensor says so, by name. A branch that was chosen by a value is another thing: the graph holds the one taken.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx
from torch.overrides import TorchFunctionMode

from rftools.capture.graph import module_path, op_name

NUMBERS = frozenset(("item", "_local_scalar_dense", "tolist", "numpy", "__array__"))
SILENT = frozenset((torch.Tensor.tolist, torch.Tensor.numpy, torch.Tensor.__array__))  # no operator of ATen shows these


def mark_left(nodes: Sequence[fx.Node], inputs: Sequence[fx.Node]) -> None:
    """Write into ``meta["left"]`` of every node after such a value what it was."""
    reached, cause = set(inputs), ""
    for node in nodes:
        if cause:
            node.meta["left"] = cause
        if any(origin in reached for origin in _read(node)):
            reached.add(node)
            if not cause and op_name(node) in NUMBERS and not node.meta.get("choice"):
                name = op_name(node).replace("_local_scalar_dense", "item")
                cause = f"a value leaves the graph by {name} in {module_path(node) or 'the model'}"


def _read(node: fx.Node) -> Sequence[fx.Node]:
    """The nodes that a node's values come from; how many sequences go on at each step follows from lengths alone."""
    source = node.args[0] if node.target is operator.getitem else None
    if isinstance(source, fx.Node) and op_name(source) == "_pack_padded_sequence" and node.args[1] == 1:
        return [lengths] if isinstance(lengths := source.args[1], fx.Node) else []
    return node.all_input_nodes


class Leaving(TorchFunctionMode):
    """Tells a recorder of calls that no operator shows; ``choosing`` while a value only chooses a branch."""

    def __init__(self, tell: Any) -> None:
        super().__init__()
        self.tell = tell
        self.choosing = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in SILENT:
            self.tell(func, args[0])
        if func is not torch.Tensor.__bool__:
            return func(*args, **(kwargs or {}))
        self.choosing = True
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self.choosing = False
