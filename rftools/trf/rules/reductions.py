"""Reductions, running sums and sorting along whole dimensions."""

from __future__ import annotations

import math

import torch

from rftools.capture import op_name
from rftools.trf.field import Field
from rftools.trf.joins import join_fields
from rftools.trf.rules.registry import Answer, Call, rule


@rule(
    *(
        f"aten.{name}"
        for name in [
            "mean",
            "sum",
            "amax",
            "amin",
            "prod",
            "logsumexp",
            "norm",
            "linalg_vector_norm",
            "var",
            "std",
            "var_mean",
            "std_mean",
            "max",
            "min",
            "median",
            "mode",
            "nansum",
            "nanmean",
            "any",
            "all",
            "argmax",
            "argmin",
            "frobenius_norm",
            "nuclear_norm",
        ]
    )
)
def reduction(call: Call) -> Answer:
    field = call.main("x") if "x" in call.arguments else call.main("self")
    other = call.field_of(call.arguments.get("other"))
    if other is not None:
        return join_fields([field, other], call.shape)
    dims = call.get("dim")
    every = range(len(field.shape))
    chosen = list(every) if dims is None or dims == [] else [dims] if isinstance(dims, int) else list(dims)
    reduced = field.reduce(*chosen).reshape(call.shape)
    if "var" in op_name(call.node) or "std" in op_name(call.node):
        return _spread(call, reduced, alone=math.prod(field.shape[d] for d in chosen) == 1)
    return _product(call, reduced) if op_name(call.node) == "prod" else call.every(reduced)


@rule("aten.sum_to_size")
def sum_to_size(call: Call) -> Answer:
    """Leading dimensions and those that are to be 1 are summed."""
    field = call.only("self")
    kept = (1,) * (len(field.shape) - len(call.shape)) + tuple(call.shape)
    summed = [dim for dim, (before, after) in enumerate(zip(field.shape, kept, strict=True)) if before != after]
    return field.reduce(*summed).reshape(call.shape) if summed else field


def _product(call: Call, field: Field) -> Field:
    """A zero among the factors is all that is left of them."""
    zeros = call.zeros(call.node)
    return field if zeros is None else field.closed(zeros)


def _spread(call: Call, reduced: Field, *, alone: bool) -> Answer:
    """Of one element the spread is 0 (or no number), whatever it is; its mean is itself."""
    spread = reduced.closed(torch.ones(reduced.shape, dtype=torch.bool)) if alone else reduced
    return [spread, reduced] if op_name(call.node).endswith("_mean") else spread


@rule("aten.cumsum", "aten.cumprod", "aten.logcumsumexp", "aten.cummax", "aten.cummin")
def cumulative(call: Call) -> Answer:
    field = call.main("self").running(call["dim"])
    return _product(call, field) if op_name(call.node) == "cumprod" else call.every(field)


@rule("aten.sort", "aten.topk")
def sorting(call: Call) -> Answer:
    """Any element may come to any place."""
    field = call.main("self")
    dim = call.get("dim", -1)
    mixed = field.reduce(dim).expand_dim(dim % len(field.shape), call.shape[dim])
    return [mixed] * len(call.node.meta["val"])
