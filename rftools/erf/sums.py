"""Units whose channels add up to a constant: their sum has no gradient but rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import fx

from rftools.capture.operators import COPIES
from rftools.capture.shapes import shape_of

SHARES = ("softmax", "_softmax")
EVEN = "the channels of a unit add up to a constant ({why}), so their sum has no field: ask for a channel, or for power"


def constant_sum(node: fx.Node, unit_dims: Sequence[int], constants: Mapping[str, torch.Tensor]) -> str | None:
    """Why the sum over all dimensions but the images' and ``unit_dims`` does not depend on the input, else None.

    ``sum_c (x_c - mean) / sd * w + b_c`` is ``sum_c b_c`` where one ``w`` weighs all channels that a layer norm takes
    together; the shares of a softmax over channels add up to 1.

    >>> from rftools.capture import capture
    >>> graph = capture(torch.nn.LayerNorm(4), (5, 4))
    >>> constant_sum(graph.nodes[-1], (1,), graph.constants)
    'a norm over them with equal weights'
    """
    place = list(range(len(shape_of(node))))  # where each of the node's dimensions lies further up
    while (moved := _moved(node, place)) is not None:
        node, place = moved
    summed = {at for dim, at in enumerate(place) if dim not in (0, *unit_dims)}
    name = _name(node)
    if name == "layer_norm" and _even(node, constants):
        normalised = range(len(place) - len(_argument(node, 1)), len(place))
        return "a norm over them with equal weights" if set(normalised) <= summed else None
    if name in SHARES and _argument(node, 1) % len(place) in summed:
        return "the shares of a softmax"
    return None


def _moved(node: fx.Node, place: list[int]) -> tuple[fx.Node, list[int]] | None:
    """The node that a copy or a permutation has its elements from, and where the dimensions lie there."""
    name = _name(node)
    if name in COPIES:
        return node.args[0], place  # type: ignore[return-value]
    if name == "permute":
        order = [int(n) % len(place) for n in _argument(node, 1)]
        return node.args[0], [order[at] for at in place]  # type: ignore[return-value]
    if name == "transpose":
        one, two = (int(n) % len(place) for n in node.args[1:3])  # type: ignore[arg-type]
        return node.args[0], [{one: two, two: one}.get(at, at) for at in place]  # type: ignore[return-value]
    return None


def _name(node: fx.Node) -> str:
    schema = getattr(node.target, "_schema", None)
    return str(schema.name).rpartition("::")[2] if schema is not None else ""


def _argument(node: fx.Node, number: int) -> Any:
    return node.args[number]


def _even(node: fx.Node, constants: Mapping[str, torch.Tensor]) -> bool:
    weight = node.args[2] if len(node.args) > 2 else node.kwargs.get("weight")
    if weight is None:
        return True
    value = constants.get(weight.name) if isinstance(weight, fx.Node) else None
    return value is not None and value.numel() > 0 and bool((value == value.flatten()[0]).all())
