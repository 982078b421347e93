"""Products of matrices, contractions and attention."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rftools.capture.shapes import shape_of
from rftools.trf.field import Field
from rftools.trf.joins import concatenate_fields, join_fields
from rftools.trf.rules.decomposition import taken_apart
from rftools.trf.rules.elementwise import VAST
from rftools.trf.rules.registry import Answer, Call, rule


@rule("aten.linear")
def linear(call: Call) -> Answer:
    field, zeros = call.only("input"), call.zeros(call["weight"])
    if zeros is not None and zeros.ndim == 2:
        return field.contract(-1, np.asarray(~zeros)).reshape(call.shape)
    field = field.reduce(-1)
    return field.expand_dim(len(field.shape) - 1, call.shape[-1]).reshape(call.shape)


@rule("aten.matmul", "aten.mm", "aten.bmm", "aten.mv", "aten.dot")
def matmul(call: Call) -> Answer:
    first, second = (call.arguments[name] for name in list(call.arguments)[:2])
    return _product(call, first, second, call.shape)


@rule("aten.addmm", "aten.baddbmm", "aten.addbmm")
def addmm(call: Call) -> Answer:
    names = list(call.arguments)
    product = None if call.get("alpha", 1) == 0 else _added(call, call[names[1]], call[names[2]])
    mask = call.fixed(call[names[0]])
    lost = None if mask is None or not mask.is_floating_point() else mask.abs() >= VAST
    product = product.closed(lost) if product is not None and lost is not None and bool(lost.any()) else product
    bias = None if call.get("beta", 1) == 0 else call.field_of(call[names[0]])
    fields = [field for field in (bias, product) if field is not None]
    return join_fields(fields, call.shape) if fields else None


def _added(call: Call, first: Any, second: Any) -> Field | None:
    """``A @ B``; of ``addbmm`` the sum of the products of a batch."""
    if len(shape_of(first)) == len(call.shape):
        return _product(call, first, second, call.shape)
    product = _product(call, first, second, (shape_of(first)[0], *call.shape))
    return None if product is None else product.reduce(0, keepdim=False)


def _product(call: Call, first: Any, second: Any, shape: tuple[int, ...]) -> Field | None:
    """``A @ B``: element (i, j) sees row i of A and column j of B."""
    fields = []
    left, right = call.field_of(first), call.field_of(second)
    vector_left, vector_right = len(shape_of(first)) == 1, len(shape_of(second)) == 1
    if left is not None:
        rows = left.reduce(-1) if vector_right else _summed(call, left, -1, second)
        fields.append(rows.reduce(-1, keepdim=False) if vector_right else rows)
    if right is not None:
        vectors = vector_left or vector_right
        columns = right.reduce(-1 if vector_right else -2) if vectors else _summed(call, right, -2, first)
        fields.append(columns.reduce(-2, keepdim=False) if vector_left and not vector_right else columns)
    if vector_left and left is not None and not vector_right:
        fields[0] = fields[0].reshape((1,))
    if vector_right and right is not None:
        fields[-1] = fields[-1].reshape((1,) * max(len(shape), 1)) if shape else fields[-1].reshape(())
    return join_fields([field.reshape(()) if not shape else field for field in fields], shape) if fields else None


def _summed(call: Call, field: Field, dim: int, factor: Any) -> Field:
    """A sum over ``dim`` of products with ``factor``, of which constants make some zero: these read nothing."""
    zeros = call.zeros(factor)
    if zeros is None:
        return field.reduce(dim)
    return _contracted(field, dim, ~zeros if dim == -2 else ~zeros.transpose(-1, -2))


def _contracted(field: Field, dim: int, reads: torch.Tensor) -> Field:
    """A sum over ``dim`` of what each output reads: ``reads`` is ``(*batch, outputs, inputs)``.

    Where matrices differ along one dimension of the batch (heads), each is followed by itself; along several, what any
    of them reads is a bound.
    """
    batch, varying = reads.shape[:-2], _varying(reads)
    if not varying:
        return field.contract(dim, np.asarray(reads.reshape(-1, *reads.shape[-2:])[0]))
    if len(varying) > 1 or len(field.shape) < 2 + len(batch) - varying[0]:
        return field.contract(dim, np.asarray(reads.flatten(0, -3).any(0))).bounded()
    own = varying[0] - len(batch) - 2  # counted from the end, in the matrices and in the field
    matrices = reads.movedim(varying[0], 0).flatten(1, -3)[:, 0] if len(batch) > 1 else reads
    several = field.shape[own] > 1
    pieces = [
        (field.take(own, [i]) if several else field).contract(dim, np.asarray(matrix))
        for i, matrix in enumerate(matrices)
    ]
    shape = list(pieces[0].shape)
    shape[own] = len(pieces)
    return concatenate_fields(pieces, [1] * len(pieces), own, shape)


def _varying(reads: torch.Tensor) -> list[int]:
    """The dimensions of a batch of matrices along which they differ."""
    return [d for d in range(reads.ndim - 2) if not bool((reads == reads.narrow(d, 0, 1)).all())]


@rule("aten.einsum")
def einsum(call: Call) -> Answer:
    """Each operand's indices that are not in the output are summed over."""
    equation, operands = call["equation"].replace(" ", ""), call["tensors"]
    inputs, arrow, output = equation.partition("->")
    if "." in equation or any(len(set(letters)) != len(letters) for letters in inputs.split(",")):
        return taken_apart(call)  # an ellipsis, a diagonal
    if any(call.zeros(operand) is not None for operand in operands):
        return taken_apart(call)  # products of matrices know what zeros close
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
    """Query i sees itself, all keys that it reads and, through them, all values; nothing where these are zero."""
    shape, reads = call.shape, call.attended()
    none = torch.zeros((), dtype=torch.bool)
    lone = none if reads is None else (reads.sum(-1) <= 1)[..., None]  # one weight is one, whatever its score
    query, key, value = (call.field(name) for name in ("query", "key", "value"))
    fields = []
    if query is not None:
        own = query.reduce(-1)
        fields.append(own.expand((*shape[:-1], 1)).closed(lone) if bool(lone.any()) else own)
    if key is not None:
        own = key.reduce(-1)
        fields.append(own.reduce(-2) if reads is None else _contracted(own, -2, reads & ~lone))
    if value is not None:
        fields.append(value.reduce(-2) if reads is None else _contracted(value, -2, reads))
    bias = call.field_of(call.arguments.get("attn_mask", call.arguments.get("attn_bias")))
    if bias is not None:
        own = bias if reads is None else bias.expand((*shape[:-1], reads.shape[-1])).closed(~reads | lone)
        fields.append(own.reduce(-1))
    lost = call.zeros_of_attention()
    joined = join_fields(fields, shape) if fields else None
    return call.first(joined if joined is None or lost is None else joined.closed(lost))
