"""Steps of a graph that follow from constants alone are worked out once, within a limit of numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rftools.loading.formats.onnx.net import evaluated
from rftools.loading.formats.onnx.step import Step
from rftools.reading.limits import check

RANDOM = frozenset({"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial"})
NOT_FOLDED = RANDOM | {"Bernoulli", "ConvTranspose", "MaxUnpool", "Einsum", "DFT", "Loop", "Scan", "If", "SequenceMap"}
Constants = dict[str, NDArray[Any]]
Values = Sequence[NDArray[Any] | None]


def folded(steps: Sequence[Step], constants: Constants, where: str) -> list[Step]:
    """The steps that are left; ``constants`` gets the results of the others.

    Raises:
        RequestError: a result, or all of them, would be over the limit of constants.
    """
    left, total = [], 0
    for step in steps:
        known = all(name in constants for name in step.inputs if name)
        if not known or step.op in NOT_FOLDED or any(_is_graph(value) for value in step.attributes.values()):
            left.append(step)
            continue
        values = [constants[name] if name else None for name in step.inputs]
        check("constants", total + size_of(step, values), f"{where}: {step.op} ({step.name})")
        found = evaluated(step, values)
        several = found if isinstance(found, tuple) else (found,)
        for name, value in zip(step.outputs, several, strict=False):
            if name:
                constants[name] = np.asarray(value)
                total += constants[name].size
    return left


def _is_graph(value: Any) -> bool:
    return type(value).__name__ in {"GraphProto", "TypeProto", "SparseTensorProto"}


def size_of(step: Step, values: Values) -> int:
    """At most so many numbers come out of a step with these inputs; worked out without doing it.

    >>> size_of(Step("ConstantOfShape", "c", {}, ("s",), ("y",), 17), [np.array([2**20, 2**20])])
    1099511627776
    >>> size_of(Step("Add", "a", {}, ("a", "b"), ("y",), 17), [np.ones((4, 1)), np.ones(3)])
    12
    """
    given = [value for value in values if value is not None]
    return _GROWING.get(step.op, _broadcast)(step, given)


def _broadcast(step: Step, given: list[NDArray[Any]]) -> int:
    """Element-wise operators; those that only move or pick numbers give no more than they take."""
    total = sum(value.size for value in given)
    try:
        return max(prod(np.broadcast_shapes(*(value.shape for value in given))), total)
    except ValueError:
        return total


def _product(step: Step, given: list[NDArray[Any]]) -> int:
    return prod(max(1, value.size) for value in given[:2])


def _to_shape(step: Step, given: list[NDArray[Any]]) -> int:
    return prod(abs(int(n)) or 1 for n in given[-1].reshape(-1))


def _range(step: Step, given: list[NDArray[Any]]) -> int:
    start, limit, delta = (float(value.reshape(-1)[0]) for value in given[:3])
    return int(abs((limit - start) / delta)) + 1


def _times(step: Step, given: list[NDArray[Any]]) -> int:
    return int(given[0].size) * prod(abs(int(n)) + 1 for n in given[1].reshape(-1))


def _padded(step: Step, given: list[NDArray[Any]]) -> int:
    pads = given[1].reshape(-1) if len(given) > 1 else step.get("pads", [])
    return prod(n + sum(abs(int(p)) for p in pads) for n in given[0].shape)


def _resized(step: Step, given: list[NDArray[Any]]) -> int:
    factors = [float(n) for value in given[1:] for n in value.reshape(-1) if np.isfinite(n)]
    factors += [float(n) for n in step.get("scales", [])]
    return int(given[0].size * prod(max(1.0, abs(n)) for n in factors))


def _one_hot(step: Step, given: list[NDArray[Any]]) -> int:
    return int(given[0].size) * max(1, abs(int(given[1].reshape(-1)[0])))


_GROWING: dict[str, Callable[[Step, list[NDArray[Any]]], int]] = {
    "ConstantOfShape": _to_shape,
    "Expand": lambda step, given: max(_to_shape(step, given), _product(step, given)) if given[-1].size else 1,
    "Gather": _product,
    "GatherND": _product,
    "Gemm": _product,
    "MatMul": _product,
    "OneHot": _one_hot,
    "Pad": _padded,
    "Range": _range,
    "Resize": _resized,
    "Tile": _times,
    "Upsample": _resized,
}
