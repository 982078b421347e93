"""Steps of the reverse walk that need no gradient, and cotangents that are the same in all channels kept as one.

A cotangent that repeats along a dimension is an expanded view (stride 0): its memory and its work are one channel's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import fx

from rftools.capture.shapes import shape_of
from rftools.trf.flow import Flow
from rftools.trf.rules import RULES, Rule, make_call
from rftools.trf.rules.elementwise import elementwise
from rftools.trf.rules.movement import cat
from rftools.trf.rules.norms import batch_norm, own_statistics
from rftools.trf.rules.products import linear
from rftools.trf.rules.windows import convolution, general_convolution, pool, transposed_convolution

Step = list[tuple[fx.Node, int, torch.Tensor]]
CONVOLUTIONS: tuple[Rule, ...] = (convolution, general_convolution, transposed_convolution)


def narrow(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor with length 1 along the dimensions that it only repeats."""
    for dim, (size, stride) in enumerate(zip(tensor.shape, tensor.stride(), strict=True)):
        if stride == 0 and size > 1:
            tensor = tensor.narrow(dim, 0, 1)
    return tensor


def blank(shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """Zeros of a shape that take no memory, to ask gradients of."""
    return torch.zeros((), dtype=dtype).expand(tuple(shape)).detach().requires_grad_(True)


def summed(cotangent: torch.Tensor, dim: int) -> torch.Tensor:
    """The sum along one dimension, which keeps length 1."""
    slim = narrow(cotangent)
    if slim.shape[dim] == 1:
        return slim * cotangent.shape[dim]
    return slim.sum(dim, keepdim=True)


def without_short_step(own: Mapping[str, Rule]) -> list[str]:
    """The operators whose registered rule has a short step back that the caller's rule does not keep."""
    short = {elementwise, batch_norm, cat, linear, pool, *CONVOLUTIONS}
    return [name for name, rule in own.items() if RULES.get(name) in short and _kept(rule) is rule is not RULES[name]]


def _kept(rule: Rule) -> Rule:
    """The rule whose step back is taken: the one that a caller's rule is said to be like, or itself."""
    found: Rule = getattr(rule, "stands_for", rule)
    return found


def shortcut(
    node: fx.Node, rule: Rule, cotangents: Sequence[torch.Tensor | None], inputs: Sequence[fx.Node]
) -> Step | None:
    """A node's step where it is short; None for all others."""
    rule = _kept(rule)
    cotangent = cotangents[0] if len(cotangents) == 1 else None
    if cotangent is None or not isinstance(node.meta["val"], torch.Tensor):
        return None
    if rule is elementwise or (rule is batch_norm and not own_statistics(make_call(node, {}, lambda value: value))):
        return _element_by_element(node, cotangent, inputs)
    if rule is cat:
        return _pieces(node, cotangent, set(inputs))
    if len(inputs) != 1 or node.args[0] is not inputs[0]:
        return None
    source = inputs[0]
    shape = shape_of(source)
    if rule is linear:
        return [(source, 0, summed(cotangent, -1).expand((*cotangent.shape[:-1], shape[-1])).reshape(shape))]
    if rule is pool:
        return _windows(node, rule, narrow(cotangent), source, shape)
    if rule in CONVOLUTIONS and len(shape) == len(shape_of(node.args[1])) and _dense(node):
        if rule is not transposed_convolution and _one_to_one(node, shape, cotangent):
            return [(source, 0, summed(cotangent, 1).expand(shape))]
        return _windows(node, rule, summed(cotangent, 1), source, shape)
    return None


def _element_by_element(node: fx.Node, cotangent: torch.Tensor, inputs: Sequence[fx.Node]) -> Step | None:
    if any(shape_of(source) != tuple(cotangent.shape) for source in inputs):
        return None
    given = _given(node)
    return [(source, 0, cotangent * n if (n := given.count(source)) > 1 else cotangent) for source in inputs]


def _given(node: fx.Node) -> list[fx.Node]:
    """The tensors that an operator is given, one twice where it is given twice."""
    return [value for value in (*node.args, *node.kwargs.values()) if isinstance(value, fx.Node)]


def _pieces(node: fx.Node, cotangent: torch.Tensor, reached: set[fx.Node]) -> Step:
    """Each tensor of a concatenation gets its own part."""
    call = make_call(node, {}, lambda value: value)
    dim, start, steps = call.get("dim", 0), 0, []
    for piece in call["tensors"]:
        shape = shape_of(piece)
        if shape == (0,):
            continue
        if piece in reached:
            steps.append((piece, 0, cotangent.narrow(dim, start, shape[dim])))
        start += shape[dim]
    return steps


def _one_to_one(node: fx.Node, shape: Sequence[int], cotangent: torch.Tensor) -> bool:
    """Whether a convolution looks at one place only, and leaves none out: 1 x 1 without stride or padding."""
    stride = make_call(node, {}, lambda value: value)["stride"]
    steps = {stride} if isinstance(stride, int) else set(stride)
    kernel = shape_of(node.args[1])[2:]
    return steps <= {1} and set(kernel) == {1} and tuple(shape[2:]) == tuple(cotangent.shape[2:])


def passes_on(node: fx.Node, rule: Rule) -> bool:
    """Whether a short step hands its cotangent on as it is, so that booleans stay booleans."""
    given, rule = _given(node), _kept(rule)
    return rule is cat or (rule in (elementwise, batch_norm) and len(set(given)) == len(given))


def _dense(node: fx.Node) -> bool:
    """Whether all channels of a convolution's output see all channels of its input."""
    groups = make_call(node, {}, lambda value: value)["groups"]
    return bool(groups == 1)


def _windows(node: fx.Node, rule: Rule, cotangent: torch.Tensor, source: fx.Node, shape: Sequence[int]) -> Step | None:
    """The windows of one channel that stands for all; batches are taken along."""
    if cotangent.ndim != len(shape) or cotangent.shape[1] != 1:
        return None
    leaf = blank((cotangent.shape[0], 1, *shape[2:]), cotangent.dtype)
    fields: Mapping[fx.Node, Any] = {source: Flow(leaf)}
    with torch.enable_grad():
        answer: Any = rule(make_call(node, fields, lambda value: None, Flow))
    output = answer.tensor.narrow(1, 0, 1)
    (gradient,) = torch.autograd.grad(output, leaf, cotangent.expand(output.shape))
    return [(source, 0, gradient.expand((shape[0], *shape[1:])))]
