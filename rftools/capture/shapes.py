"""The shapes that a captured net's tensors had."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx


def shape_of(node: Any) -> tuple[int, ...]:
    """The shape of the tensor that a node computes, or of the first of several."""
    value = node.meta["val"] if isinstance(node, fx.Node) else node
    if isinstance(value, (list, tuple)):
        value = next(item for item in value if isinstance(item, torch.Tensor))
    return tuple(int(n) for n in value.shape)
