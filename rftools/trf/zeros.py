"""Zeros that sums of products leave: of steps written into nothing, of a matrix without a column.

The operator itself says where: on ones for what may be anything and on zeros for what is zero, its result is zero where
nothing is added up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from rftools.capture import op_name
from rftools.capture.operators import ranked
from rftools.capture.shapes import shape_of

MOST_ELEMENTS = 1 << 22
SUMS = frozenset(
    (
        *("cat", "concat", "concatenate", "stack", "slice_scatter", "select_scatter", "matmul", "mm", "bmm", "mv"),
        *("linear", "sum", "mean", "amax", "cumsum", "index", "index_select", "gather", "einsum", "repeat_interleave"),
        *("unfold", "im2col", "take", "copy", "tile", "max_pool2d_with_indices", *ranked("avg_pool", "max_pool")),
        *(f"upsample_{kind}" for kind in ("nearest1d", "nearest2d", "linear1d", "bilinear2d")),
    )
)
Ask = Callable[[Any], torch.Tensor | None]


def zeros_of_sums(node: fx.Node, zeros: Ask, fixed: Ask) -> torch.Tensor | None:
    """Which elements are zero since nothing is added up there; None for none, and for operators that are no sums."""
    if op_name(node) not in SUMS:
        return None
    tensors = [origin for origin in node.all_input_nodes if isinstance(origin.meta.get("val"), torch.Tensor)]
    patterns = {origin: zeros(origin) for origin in tensors}
    if all(pattern is None for pattern in patterns.values()):
        return None
    if max(math.prod(shape_of(origin)) for origin in (*tensors, node)) > MOST_ELEMENTS:
        return None
    given = {origin: _ones(origin, pattern, fixed) for origin, pattern in patterns.items()}
    if any(value is None for value in given.values()) or len(given) < len(node.all_input_nodes):
        return None
    return _zero(node, given)


def _ones(node: fx.Node, pattern: torch.Tensor | None, fixed: Ask) -> torch.Tensor | None:
    value = node.meta["val"]
    if not (value.is_floating_point() or value.is_complex()):
        return fixed(node)  # indices
    shape = shape_of(node)
    return torch.ones(shape) if pattern is None else (~pattern).expand(shape).float()


def _zero(node: fx.Node, given: dict[fx.Node, Any]) -> torch.Tensor | None:
    args, kwargs = fx.map_arg((node.args, node.kwargs), given.__getitem__)
    try:
        found = node.target(*args, **kwargs)  # type: ignore[operator]
    except RuntimeError:  # types that only the net's own values have
        return None
    return None if not isinstance(found, torch.Tensor) else found == 0
