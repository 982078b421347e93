"""A step of an ONNX graph, and the table of functions that run one.

A value is a tensor, or a NumPy array where it is known without the input's pixels (shapes, indices, constants).
Definitions of the operators: https://onnx.ai/onnx/operators/ (opset 9 and later).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rftools.errors import RequestError

Value = torch.Tensor | NDArray[Any]


@dataclass(frozen=True)
class Step:
    """One node of an ONNX graph: operator, name, attributes, and names of inputs (empty where left out) and outputs."""

    op: str
    name: str
    attributes: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    opset: int

    def get(self, key: str, default: Any = None) -> Any:
        return self.attributes.get(key, default)

    def refuse(self, why: str) -> RequestError:
        return RequestError(f"ONNX operator {self.op} ({self.name}): {why}, which is not read yet")


Operator = Callable[..., Any]
OPERATORS: dict[str, Operator] = {}


def operator(*names: str) -> Callable[[Operator], Operator]:
    """Enters ``function(step, *inputs)`` under ONNX names."""

    def enter(function: Operator) -> Operator:
        for name in names:
            if name in OPERATORS:
                raise ValueError(f"ONNX operator {name} has two functions")
            OPERATORS[name] = function
        return function

    return enter


def ints(step: Step, value: Value | None) -> list[int] | None:
    """A shape, an axis list and so on; it must not depend on pixels."""
    if value is None:
        return None
    if isinstance(value, torch.Tensor):
        raise step.refuse("its shape or index depends on the data")
    return [int(v) for v in np.asarray(value).reshape(-1)]


def tensor(value: Value, like: torch.Tensor) -> torch.Tensor:
    """``value`` beside ``like``: on its device, and in its precision where it is a number with a fraction."""
    if isinstance(value, torch.Tensor):
        return value
    found = torch.as_tensor(np.array(value), device=like.device)
    return found.to(like.dtype) if found.is_floating_point() and like.is_floating_point() else found


def first_tensor(*values: Value) -> torch.Tensor:
    """The value beside which the constants among ``values`` are put."""
    return next(value for value in values if isinstance(value, torch.Tensor))


def axes_of(step: Step, given: Value | None, key: str = "axes") -> list[int] | None:
    """Axes are an attribute in old operator sets and an input in new ones."""
    return ints(step, given) if given is not None else step.get(key)
