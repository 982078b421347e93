"""Elements that are one number whatever the data are: where a difference is zero by construction.

A step beside a step (``x - x.detach()``), a score less the largest so far where nothing came before, a running sum
less its own last element.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import torch
from torch import fx

from rftools.capture import op_name
from rftools.capture.operators import COPIES, SAME_ELEMENTS, SPLITS
from rftools.capture.shapes import shape_of

MOVES = frozenset(
    (
        *SAME_ELEMENTS,
        *("permute", "transpose", "t", "mT", "expand", "slice", "select", "narrow", "flip", "roll", "movedim"),
        *("permute_copy", "transpose_copy", "expand_copy", "slice_copy", "select_copy", "repeat", "swapaxes"),
        *("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "rot90", "fft_fftshift", "fft_ifftshift"),
        *("moveaxis", "swapdims", "fliplr", "flipud"),
    )
)
UNCHANGED = frozenset((*COPIES, "detach"))
PURE = frozenset(("add", "sub", "mul", "div", "neg", "exp", "tanh", "sigmoid"))
LEAST = -1e30  # the larger of this and a number is the number
MOST_STEPS = 16  # from a value back to where it was computed
MOST_ELEMENTS = 1 << 20


class Fixed(Protocol):
    """What says which tensors are part of the architecture, and what the input reaches."""

    def fixed(self, node: Any) -> torch.Tensor | None:
        """The value of a tensor that is neither data nor learned."""

    def reached(self, node: fx.Node) -> bool:
        """Whether the input reaches a node."""


def equal_elements(known: Fixed, first: Any, second: Any) -> torch.Tensor | None:
    """Which elements of two tensors, broadcast against each other, are the same number; None for none."""
    one, other = _origin(known, first), _origin(known, second)
    if one is None or other is None or not _alike(known, one[0], other[0]):
        return None
    if math.prod(shape_of(one[0])) > MOST_ELEMENTS:
        return None
    numbers = [_numbers(*side) for side in (one, other)]
    if math.prod(torch.broadcast_shapes(*(n.shape for n in numbers))) > MOST_ELEMENTS:
        return None
    same = numbers[0] == numbers[1]
    return same if bool(same.any()) else None


def move(node: fx.Node, pattern: torch.Tensor) -> torch.Tensor:
    """What an operator that moves elements does, done to another tensor of its input's shape."""
    if op_name(node) in SAME_ELEMENTS:  # a view of data is none of a pattern that lies otherwise in memory
        return pattern.reshape(shape_of(node))
    return cast(torch.Tensor, node.target(pattern, *node.args[1:]))  # type: ignore[operator]


def moved(node: fx.Node, ask: Callable[[Any], torch.Tensor | None]) -> torch.Tensor | None:
    """Of an operator that moves elements: it moves what is known of them as well."""
    source = node.args[0]
    assert isinstance(source, fx.Node)
    if node.target is operator.getitem:
        if op_name(source) not in (*SPLITS, "unbind"):
            return None
        pattern = ask(source.args[0])
        return None if pattern is None else source.target(pattern, *source.args[1:])[node.args[1]]  # type: ignore
    if any(origin is not source for origin in node.all_input_nodes) or node.kwargs:
        return None
    pattern = ask(source)
    return None if pattern is None else move(node, pattern)


def _origin(known: Fixed, value: Any) -> tuple[fx.Node, list[fx.Node]] | None:
    """The node that computed a tensor's elements, and the moves since, last one first."""
    moves: list[fx.Node] = []
    for _ in range(MOST_STEPS):
        if not isinstance(value, fx.Node) or value.op != "call_function":
            break
        name, args = op_name(value), value.args
        if name in UNCHANGED:
            value = args[0]
        elif name in MOVES and not value.kwargs and value.all_input_nodes == [args[0]]:
            moves.append(value)
            value = args[0]
        elif name == "maximum" and (larger := _larger(known, value)) is not None:
            value = larger
        else:
            break
    return (value, moves) if isinstance(value, fx.Node) else None


def _larger(known: Fixed, node: fx.Node) -> Any:
    """The side of a maximum that is the larger one whatever the data are."""
    first, second = node.args
    found = second if _least(known, first) else first if _least(known, second) else None
    return found if isinstance(found, fx.Node) and shape_of(found) == shape_of(node) else None


def _numbers(origin: fx.Node, moves: Sequence[fx.Node]) -> torch.Tensor:
    shape = shape_of(origin)
    numbers = torch.arange(math.prod(shape)).reshape(shape)
    for node in reversed(moves):
        numbers = move(node, numbers)
    return numbers


def _alike(known: Fixed, first: Any, second: Any, steps: int = 3) -> bool:
    """Whether two values are the same one, or the same operator of the same values."""
    one, other = _origin(known, first), _origin(known, second)
    if one is None or other is None:
        return bool(type(first) is type(second) and first == second)
    if [node.args[1:] for node in one[1]] != [node.args[1:] for node in other[1]]:
        return False
    if one[0] is other[0]:
        return True
    a, b = one[0], other[0]
    called = a.op == b.op == "call_function" and a.target is b.target and op_name(a) in PURE
    if not called or not steps or a.kwargs or b.kwargs or len(a.args) != len(b.args):
        return False
    return all(_alike(known, left, right, steps - 1) for left, right in zip(a.args, b.args, strict=True))


def _least(known: Fixed, value: Any) -> bool:
    """Whether all elements are as good as minus infinity, whatever is added to them."""
    if not isinstance(value, fx.Node):
        return False
    found = known.fixed(value)
    if found is None and op_name(value) == "add" and not value.kwargs and not known.reached(value):
        return any(_least(known, side) for side in value.args)
    return found is not None and bool((found <= LEAST).all())
