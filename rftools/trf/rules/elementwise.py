"""Element-wise operators: every element sees what the inputs see at its own place."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import fx

from rftools.capture import op_name
from rftools.capture.operators import ELEMENTWISE, RUNNING_NORMS, aten
from rftools.trf.alike import MOVES
from rftools.trf.field import Field
from rftools.trf.joins import join_fields
from rftools.trf.rules.registry import Answer, Call, rule

#: element by element with running statistics; with the batch's own they see the whole map
NORMS_OF_BATCHES = (*RUNNING_NORMS, "native_batch_norm", "_batch_norm_impl_index")
EVERYWHERE = torch.ones((), dtype=torch.bool)
VAST = 1e30  # what is added to it is lost to rounding, in double precision up to 1e13


@rule(*aten(tuple(name for name in ELEMENTWISE if name not in NORMS_OF_BATCHES)))
def elementwise(call: Call) -> Answer:
    """Every output element sees what the input elements at its own place see."""
    fields = [field for field in map(call.field_of, tensors_of(call.arguments.values())) if field is not None]
    answer = join_fields(CHOOSING.get(op_name(call.node), _all)(call) or fields, call.shape)
    zeros = call.zeros(call.node)
    answer = answer if zeros is None else answer.closed(zeros)
    return call.first(answer.bounded() if _part_of_transform(call.node) else answer)


def _part_of_transform(node: fx.Node) -> bool:
    """Whether this is the real or the imaginary part of a Fourier transform, some of whose factors are zero."""
    if op_name(node) not in {"real", "imag"}:
        return False
    while node.args and isinstance(node.args[0], fx.Node):
        node = node.args[0]
        if "fft_" in op_name(node):
            return "shift" not in op_name(node) and node.meta["val"].is_complex()
        if op_name(node) not in MOVES:
            return False
    return False


def _all(call: Call) -> list[Field]:
    return []


def _where_not(call: Call, name: str, closed: torch.Tensor | None) -> list[Field]:
    """An argument's field without what a constant leaves out."""
    field = call.field(name)
    if field is None:
        return []
    return [field if closed is None else field.expand(call.shape).closed(closed)]


def _filled(call: Call) -> list[Field]:
    """``masked_fill``: under a constant mask stands the value."""
    mask = call.choice(call["mask"])
    if mask is None:
        return []
    value = call["value"]
    other = _where_not(call, "value", ~mask) if isinstance(value, fx.Node) else []
    return [*_where_not(call, "self", mask), *other]


def _interpolated(call: Call) -> list[Field]:
    """``lerp``: a weight of one leaves nothing of the start, one of zero nothing of the end."""
    weight = call["weight"]
    known = torch.tensor(weight) if isinstance(weight, (int, float)) else call.fixed(weight)
    if known is None:
        return []
    return [*_where_not(call, "self", known == 1), *_where_not(call, "end", known == 0)]


def _with_product(call: Call) -> list[Field]:
    """``addcmul``, ``addcdiv``: a factor of zero leaves nothing of the other."""
    first = call.zeros(call["tensor1"])
    second = call.zeros(call["tensor2"]) if op_name(call.node) == "addcmul" else None  # a divisor
    if first is None and second is None and call.get("value", 1) != 0:
        return []
    none = torch.zeros((), dtype=torch.bool)
    closed = (none if first is None else first) | (none if second is None else second)
    closed = EVERYWHERE if call.get("value", 1) == 0 else closed
    return [
        *_where_not(call, "self", None),
        *_where_not(call, "tensor1", closed),
        *_where_not(call, "tensor2", closed),
    ]


def _sum(call: Call) -> list[Field]:
    """``add``: beside infinity, or a number as large as a mask's least, nothing is left of the other; none of it is
    taken where its factor is zero.
    """
    if call.get("alpha", 1) == 0:
        return [*_where_not(call, "self", None), *_where_not(call, "other", EVERYWHERE)]
    given = {name: call.fixed(call[name]) for name in ("self", "other")}
    vast = {
        name: value.abs() >= VAST for name, value in given.items() if value is not None and value.is_floating_point()
    }
    closed = next((there for there in vast.values() if bool(there.any())), None)
    if closed is None:
        return []
    return [field for name in ("self", "other") for field in _where_not(call, name, closed)]


def _power(call: Call) -> list[Field]:
    """``pow``: to the power of zero all is one."""
    exponent = call["exponent"]
    known = torch.tensor(exponent) if isinstance(exponent, (int, float)) else call.fixed(exponent)
    if known is None or not bool((known == 0).any()) or not isinstance(call["self"], fx.Node):
        return []
    return _where_not(call, "self", known == 0)


def _clamped(call: Call) -> list[Field]:
    """``clamp``: between a number and itself nothing moves."""
    low, high = call["min"], call["max"]
    alike = isinstance(low, (int, float)) and low == high
    return _where_not(call, "self", EVERYWHERE) if alike else []


def _extreme(call: Call) -> list[Field]:
    """``maximum`` and ``minimum``: nothing is left of what is beside an infinity of the right sign."""
    end = math.inf if op_name(call.node) == "maximum" else -math.inf
    given = {name: call.fixed(call[name]) for name in ("self", "other")}
    closed = next((value == end for value in given.values() if value is not None), None)
    return [] if closed is None else [f for name in given for f in _where_not(call, name, closed)]


CHOOSING = dict.fromkeys(("add", "sub"), _sum) | dict.fromkeys(("addcmul", "addcdiv"), _with_product)
CHOOSING |= {"masked_fill": _filled, "lerp": _interpolated, "pow": _power, "clamp": _clamped}
CHOOSING |= dict.fromkeys(("maximum", "minimum"), _extreme)


@rule("aten.where")
def where(call: Call) -> Answer:
    """A constant condition takes each element from one side; one that is data is seen with both."""
    if (
        "condition" in call.arguments
        and (choice := call.choice(call["condition"])) is not None
        and "other" in call.arguments
    ):
        sides = [
            (name, closed) for name, closed in (("self", ~choice), ("other", choice)) if isinstance(call[name], fx.Node)
        ]
        fields = [field for name, closed in sides for field in _where_not(call, name, closed)]
    else:
        fields = [field for name in call.arguments if (field := call.field(name)) is not None]
    answer = join_fields(fields, call.shape)
    zeros = call.zeros(call.node)
    return answer if zeros is None else answer.closed(zeros)


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
