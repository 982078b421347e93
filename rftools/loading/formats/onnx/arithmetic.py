"""ONNX operators that change values, not places: pointwise functions, products, norms, means over axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from rftools.loading.formats.onnx.step import Operator, Step, Value, axes_of, first_tensor, operator, tensor


@operator("Identity", "Dropout")
def _same(step: Step, x: torch.Tensor, *_: Any) -> torch.Tensor:
    return x


FRACTIONS = frozenset({1, 10, 11, 16})  # onnx.TensorProto: float, half, double, bfloat16; all run in the net's own
LOGICAL = 9


@operator("Cast")
def _cast(step: Step, x: torch.Tensor) -> torch.Tensor:
    to = step.get("to")
    if to in FRACTIONS:
        return x if x.is_floating_point() else x.to(torch.get_default_dtype())
    return x.to(torch.bool if to == LOGICAL else torch.long)


def _plain(function: Callable[[torch.Tensor], torch.Tensor]) -> Operator:
    return lambda step, x: function(x)


_UNARY: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "Relu": torch.relu,
    "Sigmoid": torch.sigmoid,
    "Tanh": torch.tanh,
    "HardSwish": functional.hardswish,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Log": torch.log,
    "Sqrt": torch.sqrt,
    "Reciprocal": torch.reciprocal,
    "Abs": torch.abs,
    "Neg": torch.neg,
    "Floor": torch.floor,
    "Ceil": torch.ceil,
    "Round": torch.round,
    "Sin": torch.sin,
    "Cos": torch.cos,
    "Softplus": functional.softplus,
    "Softsign": functional.softsign,
    "Mish": functional.mish,
}
for _name, _function in _UNARY.items():
    operator(_name)(_plain(_function))


@operator("LeakyRelu")
def _leaky_relu(step: Step, x: torch.Tensor) -> torch.Tensor:
    return functional.leaky_relu(x, step.get("alpha", 0.01))


@operator("Elu")
def _elu(step: Step, x: torch.Tensor) -> torch.Tensor:
    return functional.elu(x, step.get("alpha", 1.0))


@operator("Selu")
def _selu(step: Step, x: torch.Tensor) -> torch.Tensor:
    alpha, gamma = step.get("alpha", 1.67326319217681884765625), step.get("gamma", 1.05070102214813232421875)
    return gamma * torch.where(x > 0, x, alpha * (torch.exp(x) - 1))


@operator("Gelu")
def _gelu(step: Step, x: torch.Tensor) -> torch.Tensor:
    return functional.gelu(x, approximate=step.get("approximate", "none"))


@operator("HardSigmoid")
def _hard_sigmoid(step: Step, x: torch.Tensor) -> torch.Tensor:
    return torch.clamp(step.get("alpha", 0.2) * x + step.get("beta", 0.5), 0, 1)


@operator("PRelu")
def _prelu(step: Step, x: torch.Tensor, slope: Value) -> torch.Tensor:
    return torch.where(x >= 0, x, x * tensor(slope, x))


@operator("Clip")
def _clip(step: Step, x: torch.Tensor, low: Value | None = None, high: Value | None = None) -> torch.Tensor:
    bounds = [step.get("min") if low is None else float(low), step.get("max") if high is None else float(high)]
    return x if bounds == [None, None] else torch.clamp(x, *bounds)


@operator("Softmax", "LogSoftmax")
def _softmax(step: Step, x: torch.Tensor) -> torch.Tensor:
    function = functional.softmax if step.op == "Softmax" else functional.log_softmax
    if step.opset >= 13:
        return function(x, step.get("axis", -1))
    axis = step.get("axis", 1) % x.ndim  # the old definition: all axes from this one on, together
    return function(x.flatten(axis), axis).reshape(x.shape)


def _many(function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Operator:
    def run(step: Step, *values: Value) -> torch.Tensor:
        like = first_tensor(*values)
        found = tensor(values[0], like)
        for value in values[1:]:
            found = function(found, tensor(value, like))
        return found

    return run


_BINARY: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Div": torch.div,
    "Pow": torch.pow,
    "MatMul": torch.matmul,
    "Equal": torch.eq,
    "Greater": torch.gt,
    "Less": torch.lt,
    "GreaterOrEqual": torch.ge,
    "LessOrEqual": torch.le,
    "Sum": torch.add,
    "Max": torch.maximum,
    "Min": torch.minimum,
    "And": torch.logical_and,
    "Or": torch.logical_or,
}
for _name, _binary in _BINARY.items():
    operator(_name)(_many(_binary))


@operator("Not")
def _not(step: Step, x: torch.Tensor) -> torch.Tensor:
    return torch.logical_not(x)


@operator("Where")
def _where(step: Step, condition: Value, a: Value, b: Value) -> torch.Tensor:
    like = first_tensor(a, b, condition)
    return torch.where(tensor(condition, like).bool(), tensor(a, like), tensor(b, like))


@operator("Concat")
def _concat(step: Step, *values: Value) -> torch.Tensor:
    like = first_tensor(*values)
    return torch.cat([tensor(value, like) for value in values], step.get("axis"))


@operator("Einsum")
def _einsum(step: Step, *values: Value) -> torch.Tensor:
    like = first_tensor(*values)
    return torch.einsum(step.get("equation"), *[tensor(value, like) for value in values])


@operator("Gemm")
def _gemm(step: Step, a: Value, b: Value, c: Value | None = None) -> torch.Tensor:
    like = first_tensor(a, b)
    left, right = tensor(a, like), tensor(b, like)
    left = left.mT if step.get("transA", 0) else left
    right = right.mT if step.get("transB", 0) else right
    product = step.get("alpha", 1.0) * (left @ right)
    return product if c is None else product + step.get("beta", 1.0) * tensor(c, like)


@operator("BatchNormalization")
def _batch_norm(
    step: Step, x: torch.Tensor, scale: Value, bias: Value, mean: Value, variance: Value, *_: Any
) -> torch.Tensor:
    centre, spread, factor, offset = (tensor(part, x) for part in (mean, variance, scale, bias))
    return functional.batch_norm(x, centre, spread, factor, offset, training=False, eps=step.get("epsilon", 1e-5))


@operator("InstanceNormalization")
def _instance_norm(step: Step, x: torch.Tensor, scale: Value, bias: Value) -> torch.Tensor:
    return functional.instance_norm(x, weight=tensor(scale, x), bias=tensor(bias, x), eps=step.get("epsilon", 1e-5))


@operator("LayerNormalization")
def _layer_norm(step: Step, x: torch.Tensor, scale: Value, bias: Value | None = None) -> torch.Tensor:
    shape = x.shape[step.get("axis", -1) % x.ndim :]
    offset = None if bias is None else tensor(bias, x)
    return functional.layer_norm(x, shape, tensor(scale, x), offset, step.get("epsilon", 1e-5))


@operator("GroupNormalization")
def _group_norm(step: Step, x: torch.Tensor, scale: Value, bias: Value) -> torch.Tensor:
    groups = step.get("num_groups")
    weight, offset = tensor(scale, x), tensor(bias, x)
    if step.opset < 21:  # one factor a group; later one a channel
        weight, offset = (part.repeat_interleave(x.shape[1] // groups) for part in (weight, offset))
    return functional.group_norm(x, groups, weight, offset, step.get("epsilon", 1e-5))


@operator("LpNormalization")
def _lp_norm(step: Step, x: torch.Tensor) -> torch.Tensor:
    return functional.normalize(x, p=float(step.get("p", 2)), dim=step.get("axis", -1))


@operator("LRN")
def _local_response(step: Step, x: torch.Tensor) -> torch.Tensor:
    size, k = step.get("size"), step.get("bias", 1.0)
    return functional.local_response_norm(x, size, step.get("alpha", 1e-4), step.get("beta", 0.75), k)


@operator("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2")
def _reduce(step: Step, x: torch.Tensor, given: Value | None = None) -> torch.Tensor:
    axes = axes_of(step, given)
    if not axes:
        if step.get("noop_with_empty_axes", 0):
            return x
        axes = list(range(x.ndim))
    keep = bool(step.get("keepdims", 1))
    function: Any = {
        "ReduceMean": torch.mean,
        "ReduceSum": torch.sum,
        "ReduceMax": torch.amax,
        "ReduceMin": torch.amin,
        "ReduceL2": torch.linalg.vector_norm,
    }[step.op]
    found: torch.Tensor = function(x, dim=axes, keepdim=keep)
    return found
