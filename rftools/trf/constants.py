"""What is known of a net's values whatever the data are: constants, and elements that constants make zero.

A constant (literal, buffer, what is computed from them) has a value; a parameter has any value, but where the surviving
field is asked for. Of other tensors it may be known which elements are zero (a product with a mask), or so far below
zero that their exponential is (a masked score): there no path leads through.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import fx

from rftools.capture import op_name
from rftools.capture.operators import DROPOUTS
from rftools.capture.shapes import shape_of
from rftools.trf.alike import MOVES, equal_elements, moved
from rftools.trf.offsets import MOST_STEPS, SAME, closed_weights, offset_of, zeros_of_attention
from rftools.trf.zeros import (
    ADDING,
    ALL_OR_NONE,
    OPERATORS,
    SUMS,
    all_or_none,
    zeros_of_function,
    zeros_of_sums,
)

SOFTMAX = frozenset(("softmax", "_softmax", "_safe_softmax"))
EXPONENTIALS = frozenset(("exp", "exp2", "sigmoid"))  # zero of what is far below zero
Pattern = torch.Tensor | None


class Known(ABC):
    """Values and patterns of a graph's nodes, each worked out once, when a rule asks."""

    def __init__(self) -> None:
        self.values: dict[fx.Node, Any] = {}
        self.patterns: dict[fx.Node, Pattern] = {}
        self.any_value = True  # of parameters

    @abstractmethod
    def reached(self, node: fx.Node) -> bool:
        """Whether the input reaches a node."""

    @abstractmethod
    def origin(self, node: fx.Node) -> Any:
        """The value of a node that no operator computes."""

    @abstractmethod
    def learned(self, node: fx.Node) -> bool:
        """Whether a constant follows from a parameter, whose value says nothing of the architecture."""

    @abstractmethod
    def before(self, node: fx.Node) -> Iterable[fx.Node]:
        """The nodes up to this one whose patterns are not worked out yet, in order."""

    def __call__(self, value: Any) -> Any:
        """The value of a constant; None where it isn't known."""
        if not isinstance(value, fx.Node):
            return value
        if value not in self.values:
            self.values[value] = self._compute(value)
        return self.values[value]

    def _compute(self, node: fx.Node) -> Any:
        if self.reached(node):
            return None
        if node.op != "call_function":
            return self.origin(node)
        if _drawn(node):
            return None
        if op_name(node) in SHAPED:  # reads a shape, be it of data
            given = fx.map_arg(node.args, _blank), fx.map_arg(node.kwargs, _blank)
        else:
            if any(self(origin) is None for origin in node.all_input_nodes):
                return None
            given = fx.map_arg(node.args, self._own), fx.map_arg(node.kwargs, self._own)
        with torch.no_grad():
            return node.target(*given[0], **given[1])  # type: ignore[operator]

    def _own(self, node: fx.Node) -> Any:
        """A value that an operator may write into."""
        value = self(node)
        return value.clone() if isinstance(value, torch.Tensor) else value

    def fixed(self, node: Any) -> torch.Tensor | None:
        """The value of a tensor that is part of the architecture: neither data nor learned; None for others."""
        if not isinstance(node, fx.Node) or self.reached(node) or (self.any_value and self.learned(node)):
            return None
        try:
            found = self(node)
        except (RuntimeError, NotImplementedError):  # a constant that this machine can't work out
            return None
        return found if isinstance(found, torch.Tensor) else None

    def choice(self, node: Any) -> torch.Tensor | None:
        """The value of a condition that is no data; one that never holds is none either."""
        found = self.fixed(node)
        if found is not None or not isinstance(node, fx.Node):
            return found
        never = self.zeros(node)
        return ~never if never is not None and bool(never.all()) else None

    def zeros(self, value: Any) -> Pattern:
        """Which elements are zero, whatever data and parameters are; None for none."""
        if isinstance(value, (int, float)):
            return _some(torch.tensor(value == 0))
        if not isinstance(value, fx.Node):
            return None
        if self.reached(value):
            for node in self.before(value):
                self.patterns[node] = _some(_zeros_of(self, node))
        if value not in self.patterns:
            self.patterns[value] = _some(self._constant_zeros(value))
        return self.patterns[value]

    def _constant_zeros(self, node: fx.Node) -> Pattern:
        found = self.fixed(node)
        if found is not None:
            return found == 0
        return None if node.op != "call_function" or self.reached(node) else _zeros_of(self, node)

    def offset(self, value: Any, steps: int = MOST_STEPS) -> torch.Tensor | None:
        """What constants add to a tensor's elements, or put in their place (it broadcasts); None for nothing."""
        if isinstance(value, (int, float)):
            return torch.tensor(float(value), dtype=torch.float64)
        if not isinstance(value, fx.Node) or steps == 0:
            return None
        found = self.fixed(value)
        if found is not None or value.op != "call_function":
            return found if found is not None and found.is_floating_point() else None
        return offset_of(self, value, steps - 1)


SHAPED = frozenset(("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"))


def _drawn(node: fx.Node) -> bool:
    """Whether an operator draws random numbers, which are no part of the architecture."""
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()) and op_name(node) not in DROPOUTS


def _blank(node: fx.Node) -> Any:
    value = node.meta["val"]
    return torch.zeros(value.shape, dtype=value.dtype) if isinstance(value, torch.Tensor) else value


def _some(pattern: Pattern) -> Pattern:
    return pattern if pattern is not None and bool(pattern.any()) else None


def _zeros_of(known: Known, node: fx.Node) -> Pattern:
    """The zeros of what an operator returns."""
    name, args = op_name(node), node.args
    if node.target is operator.getitem and name in SUMS:  # a maximum's values
        return zeros_of_sums(cast(fx.Node, args[0]), known.zeros, known.fixed) if args[1] == 0 else None
    if node.target is operator.getitem or name in MOVES:
        return moved(node, known.zeros)
    if name in SAME:
        return known.zeros(args[0])
    if name in {"mul", "multiply"}:
        return _either(node, *(known.zeros(value) for value in args[:2]))
    if name in {"div", "divide", "true_divide"}:
        return known.zeros(args[0])
    if name in EXPONENTIALS:
        found = known.offset(args[0])
        return None if found is None else (getattr(torch, name)(found) == 0).expand(shape_of(node))
    if name in ALL_OR_NONE:
        return all_or_none(node, known.zeros, known.fixed)
    if name == "sub" and not node.kwargs and (same := equal_elements(known, *args)) is not None:
        return same.expand(shape_of(node))
    if name in {"add", "sub"}:
        first, second = known.zeros(args[0]), known.zeros(args[1])
        return None if first is None or second is None else first & second
    if name in {"constant_pad_nd", "pad"}:
        return _padded(known, node)
    if name == "masked_fill":
        return _filled(known, node)
    if name == "where" and len(args) == 3:
        return _chosen(known, node, known.zeros)
    if name in {"tril", "triu"}:
        kept = getattr(torch.ones(shape_of(node), dtype=torch.bool), name)(*args[1:])
        return _either(node, ~kept, known.zeros(args[0]))
    if name in OPERATORS:
        return OPERATORS[name](node, known.zeros)
    if name in SOFTMAX:
        return closed_weights(known, node)
    if name == "scaled_dot_product_attention":
        return zeros_of_attention(known, node)
    if name in SUMS or name in ADDING:
        return zeros_of_sums(node, known.zeros, known.fixed)
    return zeros_of_function(node, known.zeros)


def _either(node: fx.Node, *patterns: Pattern) -> Pattern:
    found = [pattern for pattern in patterns if pattern is not None]
    whole = torch.zeros((), dtype=torch.bool)
    for pattern in found:
        whole = whole | pattern
    return whole.expand(shape_of(node)) if found else None


def _filled(known: Known, node: fx.Node) -> Pattern:
    """Of a tensor with another value under a constant mask."""
    mask, own = known.choice(node.args[1]), known.zeros(node.args[0])
    if mask is None:
        return None
    if node.args[2] == 0:
        return _either(node, mask, own)
    return None if own is None else (own & ~mask).expand(shape_of(node))


def _padded(known: Known, node: fx.Node) -> Pattern:
    """Of a tensor with zeros around it."""
    given = dict(zip(("self", "pad", "mode", "value"), node.args, strict=False)) | node.kwargs
    if op_name(node) == "constant_pad_nd":
        given = {"self": node.args[0], "pad": node.args[1], "value": node.args[2] if len(node.args) > 2 else 0}
    if given.get("mode", "constant") != "constant" or given.get("value") not in (None, 0):
        return None
    amounts = cast(list[int], given["pad"])
    own, shape = known.zeros(given["self"]), shape_of(given["self"])
    if own is None:
        moved = len(amounts) // 2
        own = torch.zeros((*[1] * (len(shape) - moved), *shape[len(shape) - moved :]), dtype=torch.bool)
    return F.pad(own, amounts, value=True).expand(shape_of(node))


def _chosen(known: Known, node: fx.Node, ask: Callable[[Any], Pattern]) -> Pattern:
    """Of two tensors, between which a constant chooses."""
    choice = known.choice(node.args[0])
    if choice is None:
        return None
    sides = ((choice, ask(node.args[1])), (~choice, ask(node.args[2])))
    return _either(node, *(own & there for there, own in sides if own is not None))
