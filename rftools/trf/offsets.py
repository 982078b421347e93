"""What constants do to the scores of a softmax: which weights they make zero.

A score is data, and what constants add to it or put in its place. A weight is closed where that number, measured
against the largest of its sum (or against zero, which scores without a constant have), underflows in the tensor's
precision.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import fx

from rftools.capture import op_name
from rftools.capture.operators import COPIES, DROPOUTS, OTHER_COPIES
from rftools.capture.shapes import shape_of
from rftools.trf.alike import MOVES, moved

MOST_STEPS = 16  # between a softmax and the constant that closes its paths
SAME = frozenset((*COPIES, *OTHER_COPIES, *DROPOUTS, "to", "type_as"))
LOGARITHMS = frozenset(("log_softmax", "_log_softmax"))
Found = torch.Tensor | None


class Asked(Protocol):
    """What is known of a graph's values."""

    def fixed(self, node: Any) -> Found:
        """The value of a tensor that is neither data nor learned."""

    def choice(self, node: Any) -> Found:
        """The value of a condition that is no data."""

    def zeros(self, value: Any) -> Found:
        """Which elements are zero."""

    def offset(self, value: Any, steps: int = MOST_STEPS) -> Found:
        """What constants add to elements, or put in their place."""


def offset_of(known: Asked, node: fx.Node, steps: int) -> Found:
    """What constants add to the elements that an operator returns, or put in their place; None for nothing."""
    found = _offset(known, node, steps)
    return None if found is None else found.to(node.meta["val"].dtype)


def _offset(known: Asked, node: fx.Node, steps: int) -> Found:
    name, args = op_name(node), node.args
    if node.target is operator.getitem or name in MOVES:
        return moved(node, lambda value: _whole(known, value, steps))
    if name in SAME:
        return known.offset(args[0], steps)
    if name in {"add", "sub", "rsub"}:
        alpha = node.kwargs.get("alpha", args[2] if len(args) > 2 else 1)
        factors = {"add": (1, alpha), "sub": (1, _minus(alpha)), "rsub": (_minus(alpha), 1)}[name]
        return _added(*(_times(known, value, factor, steps) for value, factor in zip(args, factors, strict=False)))
    if name in {"baddbmm", "addmm"}:
        return _times(known, args[0], node.kwargs.get("beta", 1), steps)
    if name == "neg":
        return _times(known, args[0], -1, steps)
    if name in LOGARITHMS:
        own = known.offset(args[0], steps)
        return None if own is None else _beside(own, _dim(node))
    if name in {"mul", "div"}:
        factor = args[1] if name == "mul" or not isinstance(args[1], (int, float)) else 1 / (args[1] or math.inf)
        return _times(known, args[0], factor, steps)
    if name == "masked_fill":
        return _chosen(known, args[1], args[2], args[0], steps)
    if name == "where" and len(args) == 3:
        return _chosen(known, *args, steps)
    if name == "cat" and isinstance(args[0], (list, tuple)):
        return _joined(known, node, steps)
    return None


def _whole(known: Asked, value: Any, steps: int) -> Found:
    found = known.offset(value, steps)
    return None if found is None else found.expand(shape_of(value))


def _minus(factor: Any) -> Any:
    return -factor if isinstance(factor, (int, float)) else None


def _times(known: Asked, value: Any, factor: Any, steps: int) -> Found:
    """By a number; zero leaves nothing, and of other factors nothing is known.

    A factor that makes data larger brings them as much closer to what is to be outweighed: that one is left as it is.
    """
    found = known.offset(value, steps)
    if found is None or not isinstance(factor, (int, float)) or factor == 0:
        return None
    constant = not isinstance(value, fx.Node) or known.fixed(value) is not None
    return found * (factor if constant else math.copysign(min(abs(factor), 1), factor))


def _added(first: Found, second: Found) -> Found:
    if first is None or second is None:
        return second if first is None else first
    return first + second


def _chosen(known: Asked, condition: Any, first: Any, second: Any, steps: int) -> Found:
    """Of two values, between which a constant chooses."""
    choice = known.choice(condition)
    one, other = known.offset(first, steps), known.offset(second, steps)
    if choice is None or (one is None and other is None):
        return None
    zero = torch.zeros((), dtype=torch.float64)
    return torch.where(choice, zero if one is None else one, zero if other is None else other)


def _joined(known: Asked, node: fx.Node, steps: int) -> Found:
    parts = list(node.args[0])  # type: ignore[arg-type]
    found = [_whole(known, part, steps) for part in parts]
    if all(part is None for part in found):
        return None
    like = [
        torch.zeros(()).expand(shape_of(part)) if own is None else own for part, own in zip(parts, found, strict=True)
    ]
    dim = node.args[1] if len(node.args) > 1 else 0
    return torch.cat([part.to(node.meta["val"].dtype) for part in like], dim)  # type: ignore[arg-type]


def closed_weights(known: Asked, node: fx.Node) -> Found:
    """The weights of a softmax that constants make zero; None for none."""
    found = known.offset(node.args[0])
    closed = None if found is None else _beside(found, _dim(node)).exp() == 0
    return closed.expand(shape_of(node)) if closed is not None and bool(closed.any()) else None


def _dim(node: fx.Node) -> int:
    """The dimension of a softmax, counted from the end."""
    dim = node.args[1]
    assert isinstance(dim, int)
    return dim - len(shape_of(node)) if dim >= 0 else dim


def _beside(offset: torch.Tensor, dim: int) -> torch.Tensor:
    """Constants measured against the largest of their sum; a sum of nothing but minus infinity is no number."""
    offset = offset.reshape((1,) * (-dim - offset.ndim) + offset.shape)
    most = offset.amax(dim, keepdim=True).clamp(max=0)
    return offset - torch.where(most.isfinite(), most, 0)


def attended(known: Asked, given: Mapping[str, Any]) -> Found:
    """Which key each query of an attention reads, ``(*heads, queries, keys)``; None for all."""
    queries, keys = shape_of(given["query"])[-2], shape_of(given["key"])[-2]
    reads = torch.ones((queries, keys), dtype=torch.bool)
    if given.get("is_causal", False):
        reads = reads.tril()
    mask = given.get("attn_mask", given.get("attn_bias"))
    offset, choice = (None, None) if mask is None else (known.offset(mask), known.choice(mask))
    if choice is not None and choice.dtype == torch.bool:
        reads = reads & choice
    elif offset is not None:
        reads = _beside(torch.where(reads, offset, -math.inf), -1).exp() != 0
    reads = reads.expand(*reads.shape[:-2], queries, keys)
    return None if bool(reads.all()) else reads


def zeros_of_attention(known: Asked, node: fx.Node) -> Found:
    """Which elements of an attention are zero: all values that are read are, or none is read."""
    names = [argument.name for argument in node.target._schema.arguments]  # type: ignore[union-attr]
    given: dict[str, Any] = dict(zip(names, node.args, strict=False)) | node.kwargs
    reads, shape = attended(known, given), shape_of(given["value"])
    zeros, result = known.zeros(given["value"]), (*shape_of(given["query"])[:-1], shape[-1])
    if zeros is None:
        return None if reads is None or bool(reads.any(-1).all()) else (~reads.any(-1, keepdim=True)).expand(result)
    values = (~zeros).expand(shape).float()
    if len(shape) > 2:  # several queries share keys
        values = values.repeat_interleave(result[-3] // shape[-3], -3)
    read = values.sum(-2, keepdim=True) if reads is None else reads.float() @ values
    return None if bool(read.all()) else (read == 0).expand(result)
