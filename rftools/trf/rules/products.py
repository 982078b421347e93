"""Products of matrices, contractions and attention."""

from __future__ import annotations

from typing import Any

import torch

from rftools.capture.shapes import shape_of
from rftools.trf.field import Field
from rftools.trf.joins import join_fields
from rftools.trf.rules.decomposition import taken_apart
from rftools.trf.rules.registry import Answer, Call, rule


@rule("aten.linear")
def linear(call: Call) -> Answer:
    field = call.only("input").reduce(-1)
    return field.expand_dim(len(field.shape) - 1, call.shape[-1]).reshape(call.shape)


@rule("aten.matmul", "aten.mm", "aten.bmm", "aten.mv", "aten.dot")
def matmul(call: Call) -> Answer:
    first, second = (call.arguments[name] for name in list(call.arguments)[:2])
    return _product(call, first, second, call.shape)


@rule("aten.addmm", "aten.baddbmm", "aten.addbmm")
def addmm(call: Call) -> Answer:
    names = list(call.arguments)
    product = _product(call, call[names[1]], call[names[2]], call.shape)
    bias = call.field_of(call[names[0]])
    return product if bias is None else join_fields([bias, product], call.shape)


def _product(call: Call, first: Any, second: Any, shape: tuple[int, ...]) -> Field:
    """``A @ B``: element (i, j) sees row i of A and column j of B."""
    fields = []
    left, right = call.field_of(first), call.field_of(second)
    vector_left, vector_right = len(shape_of(first)) == 1, len(shape_of(second)) == 1
    if left is not None:
        rows = left.reduce(-1)
        fields.append(rows.reduce(-1, keepdim=False) if vector_right else rows)
    if right is not None:
        columns = right.reduce(-1 if vector_right else -2)
        fields.append(columns.reduce(-2, keepdim=False) if vector_left and not vector_right else columns)
    if vector_left and left is not None and not vector_right:
        fields[0] = fields[0].reshape((1,))
    if vector_right and right is not None:
        fields[-1] = fields[-1].reshape((1,) * max(len(shape), 1)) if shape else fields[-1].reshape(())
    return join_fields([field.reshape(()) if not shape else field for field in fields], shape)


@rule("aten.einsum")
def einsum(call: Call) -> Answer:
    """Each operand's indices that are not in the output are summed over."""
    equation, operands = call["equation"].replace(" ", ""), call["tensors"]
    inputs, arrow, output = equation.partition("->")
    if "." in equation or any(len(set(letters)) != len(letters) for letters in inputs.split(",")):
        return taken_apart(call)  # an ellipsis, a diagonal
    if not arrow:
        letters = sorted(set(inputs) - {","})
        output = "".join(letter for letter in letters if inputs.count(letter) == 1)
    fields = []
    for letters, operand in zip(inputs.split(","), operands, strict=True):
        field = call.field_of(operand)
        if field is None:
            continue
        gone = [d for d, letter in enumerate(letters) if letter not in output]
        field = field.reduce(*gone, keepdim=False) if gone else field
        kept = [letter for letter in letters if letter in output]
        order = sorted(range(len(kept)), key=lambda d, kept=kept: output.index(kept[d]))  # type: ignore[misc]
        field = field.permute(order)
        sizes = iter(field.shape)
        fields.append(field.reshape([next(sizes) if letter in kept else 1 for letter in output]))
    return join_fields(fields, call.shape)


@rule(
    "aten.scaled_dot_product_attention",
    "aten._scaled_dot_product_flash_attention",
    "aten._scaled_dot_product_flash_attention_for_cpu",
    "aten._scaled_dot_product_efficient_attention",
    "aten._scaled_dot_product_attention_math",
)
def attention(call: Call) -> Answer:
    """Query i sees itself, all keys (up to i where causal) and, through them, all values."""
    shape = call.shape
    causal = bool(call.get("is_causal", False))
    query, key, value = (call.field(name) for name in ("query", "key", "value"))
    fields = []
    if query is not None:
        fields.append(query.reduce(-1))
    if key is not None:
        fields.append(_attended(key.reduce(-1), causal, shape))
    if value is not None:
        fields.append(_attended(value, causal, shape))
    for name in ("attn_mask", "attn_bias"):
        bias = call.field_of(call.arguments.get(name))
        if bias is not None:
            fields.append(bias.reduce(-1))
    answer = join_fields(fields, shape)
    mask = call.fixed(call.arguments.get("attn_mask"))
    if mask is not None and bool((~mask if mask.dtype == torch.bool else mask.isinf()).any()):
        answer = answer.bounded()  # a constant mask closes paths; which, is not worked out
    several = call.node.meta["val"]
    return [answer, *[None] * (len(several) - 1)] if isinstance(several, (list, tuple)) else answer


def _attended(field: Field, causal: bool, shape: tuple[int, ...]) -> Field:
    if causal and field.shape[-2] == shape[-2]:
        return field.running(-2)
    return field.reduce(-2)
