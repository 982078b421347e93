"""Element-wise operators: every element sees what the inputs see at its own place."""

from __future__ import annotations

import math
from typing import Any

from torch import fx

from rftools.capture import op_name
from rftools.capture.operators import ELEMENTWISE, RUNNING_NORMS, aten
from rftools.trf.joins import join_fields
from rftools.trf.rules.registry import Answer, Call, rule

#: element by element with running statistics; with the batch's own they see the whole map
NORMS_OF_BATCHES = (*RUNNING_NORMS, "native_batch_norm", "_batch_norm_impl_index")


@rule(*aten(tuple(name for name in ELEMENTWISE if name not in NORMS_OF_BATCHES)))
def elementwise(call: Call) -> Answer:
    """Every output element sees what the input elements at its own place see."""
    fields = [field for field in map(call.field_of, tensors_of(call.arguments.values())) if field is not None]
    answer = join_fields(fields, call.shape)
    if _closes(call):
        answer = answer.bounded()
    value = call.node.meta["val"]
    return [answer, *[None] * (len(value) - 1)] if isinstance(value, (list, tuple)) else answer


def _closes(call: Call) -> bool:
    """Whether a constant of the architecture closes paths: a factor of zero, or minus infinity before a softmax."""
    name = op_name(call.node)
    if name in {"tril", "triu"}:
        return True
    if name == "masked_fill":
        value = call.arguments.get("value")
        return isinstance(value, (int, float)) and math.isinf(value)
    if name not in {"mul", "multiply", "add"}:
        return False
    constants = [found for value in call.arguments.values() if (found := call.fixed(value)) is not None]
    if name == "add":
        return any(bool(c.isinf().any()) for c in constants if c.is_floating_point())
    return any(bool((c == 0).any()) for c in constants)


def tensors_of(values: Any) -> list[fx.Node]:
    return [value for value in values if isinstance(value, fx.Node)]


@rule("aten.view_as_real", "aten.view_as_complex")
def complex_view(call: Call) -> Answer:
    field = call.main("self")
    if len(call.shape) > len(field.shape):
        return field.reshape((*field.shape, 1)).expand(call.shape)
    return field.reduce(-1, keepdim=False)


@rule("aten.glu")
def glu(call: Call) -> Answer:
    field, dim = call.main("self"), call.get("dim", -1)
    half = field.shape[dim] // 2
    return join_fields([field.take(dim, range(half)), field.take(dim, range(half, 2 * half))], call.shape)
