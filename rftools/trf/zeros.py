"""Zeros that operators leave: sums of products where nothing is added up, functions that are zero at zero.

The operator itself says where: on ones for what may be anything and on zeros for what is zero, a sum is zero where
nothing is added up; a function of single elements is asked about zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import fx

from rftools.capture import op_name
from rftools.capture.operators import (
    CONVOLUTIONS,
    COPIES,
    DROPOUTS,
    GENERAL,
    KINKED,
    OTHER_COPIES,
    OTHER_UNARY,
    RUNNING_NORMS,
    SMOOTH,
    SPECIAL,
    SPLITS,
    UNARY,
    ranked,
)
from rftools.capture.shapes import shape_of
from rftools.trf.alike import MOVES

MOST_ELEMENTS = 1 << 22
SUMS = frozenset(
    (
        *("cat", "concat", "concatenate", "stack", "slice_scatter", "select_scatter", "matmul", "mm", "bmm", "mv"),
        *("linear", "sum", "mean", "amax", "cumsum", "index", "index_select", "gather", "einsum", "repeat_interleave"),
        *("unfold", "take", "copy", "tile", "diagonal", "prod", "cumprod", "norm", "linalg_vector_norm"),
        *("index_put", "index_add", "index_copy", "index_fill", "scatter", "scatter_add", "masked_scatter"),
        *ranked("avg_pool", "max_pool", "adaptive_avg_pool", "upsample_nearest", "_upsample_nearest_exact"),
        *("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d", "diagonal_scatter", "max"),
        *(f"{stem}_with_indices" for stem in ranked("max_pool")),
    )
)
#: one element in, one out; those of random numbers aside
FUNCTIONS = frozenset((*UNARY, *OTHER_UNARY, *SPECIAL, "prelu")) - {"tril", "triu", "bernoulli"}
#: those that leave zeros of what holds none: in a border, in gaps, beside a diagonal
ADDING = frozenset(("im2col", "col2im", "diag_embed"))
OVERWRITING = frozenset(("fill", "zero"))
#: sums over whole lines, of zeros nothing else
TRANSFORMS = frozenset(f"fft_{name}{n}" for name in ("fft", "ifft", "rfft", "irfft") for n in ("", "2", "n"))
ALL_OR_NONE = OVERWRITING | {"isnan", "isinf"}
#: what is finite where its inputs are
FINITE = MOVES | frozenset(
    (
        *(*KINKED, *SMOOTH, *COPIES, *OTHER_COPIES, *DROPOUTS, *SPLITS, *CONVOLUTIONS, *GENERAL, *RUNNING_NORMS),
        *("add", "sub", "mul", "neg", "abs", "clamp", "masked_fill", "where", "mean", "amax", "amin", "softmax", "to"),
        *(
            "tril",
            "triu",
            "constant_pad_nd",
            "pad",
            "layer_norm",
            "group_norm",
            "instance_norm",
            "unbind",
            "sort",
            "sin",
            "cos",
        ),
    )
)
Ask = Callable[[Any], torch.Tensor | None]


def zeros_of_sums(node: fx.Node, zeros: Ask, fixed: Ask) -> torch.Tensor | None:
    """Which elements are zero since nothing is added up there, of a node in `SUMS` or `ADDING`; None for none."""
    tensors = [origin for origin in node.all_input_nodes if isinstance(origin.meta.get("val"), torch.Tensor)]
    patterns = {origin: zeros(origin) for origin in tensors}
    empty = any(math.prod(shape_of(origin)) == 0 for origin in tensors)  # the sum of no elements is zero too
    if all(pattern is None for pattern in patterns.values()) and not empty and op_name(node) not in ADDING:
        return None
    if max(math.prod(shape_of(origin)) for origin in (*tensors, node)) > MOST_ELEMENTS:
        return None
    given = {origin: _ones(origin, pattern, fixed) for origin, pattern in patterns.items()}
    if any(value is None for value in given.values()) or len(given) < len(node.all_input_nodes):
        return None
    return _zero(node, given)


def zeros_of_function(node: fx.Node, zeros: Ask) -> torch.Tensor | None:
    """The zeros of what a function of single elements is given, where that function of zero is zero."""
    source = node.args[0] if node.args else None
    if op_name(node) not in FUNCTIONS or not isinstance(source, fx.Node):
        return None
    pattern = zeros(source)
    if pattern is None or op_name(node) in {"prelu", "_prelu_kernel"}:  # whatever its slopes are
        return pattern
    if node.all_input_nodes != [source]:
        return None
    found = _zero(node, {source: torch.zeros((), dtype=source.meta["val"].dtype)})
    return pattern if found is not None and bool(found) else None


def all_or_none(node: fx.Node, zeros: Ask, fixed: Ask) -> torch.Tensor | None:
    """Of an operator that overwrites a tensor, or asks for what no finite numbers are: all elements, or none."""
    if op_name(node) in OVERWRITING:
        pattern = zeros(node.args[1] if len(node.args) > 1 else 0)
        every = pattern is not None and bool(pattern.all())
    else:
        every = _always_finite(node.args[0], fixed)
    return torch.ones(shape_of(node), dtype=torch.bool) if every else None


def zeros_of_transform(node: fx.Node, zeros: Ask) -> torch.Tensor | None:
    """The zeros of a Fourier transform: the lines along its dimensions of which it reads nothing but zeros."""
    given = _given(node)
    pattern, shape = zeros(given["self"]), shape_of(given["self"])
    if pattern is None:
        return None
    amounts, own = given.get("s") or given.get("n") or (), pattern.expand(shape)
    dims = given["dim"] if given["dim"] is not None else range(-len(amounts or shape), 0)
    dims, amounts = ([value] if isinstance(value, int) else list(value) for value in (dims, amounts))
    for i, dim in enumerate(dims):
        back = op_name(node).startswith("fft_irfft") and i == len(dims) - 1  # it reads half of what it makes
        read = (amounts[i] // 2 + 1 if back else amounts[i]) if amounts else shape[dim]
        own = own.narrow(dim, 0, min(read, shape[dim])).all(dim, keepdim=True)
    return own.expand(shape_of(node))


def zeros_of_windows(node: fx.Node, zeros: Ask) -> torch.Tensor | None:
    """The zeros of a convolution without a bias: where its window holds nothing but zeros, in all channels.

    Where each channel has a kernel of its own, channel by channel. A window that lies in the border or in the gaps of a
    stride holds nothing whatever the input is.
    """
    given = _given(node)
    shape, kernel, result = (shape_of(value) for value in (given["input"], given["weight"], node))
    if given.get("bias") is not None or math.prod(shape) > MOST_ELEMENTS:
        return None
    pattern = zeros(given["input"])
    if pattern is None and _windows_meet_the_input(node, given):
        return None
    own = torch.zeros((1, 1, *shape[2:]), dtype=torch.bool) if pattern is None else pattern.expand(shape)
    if given.get("groups", 1) == own.shape[1] == result[1]:
        own = own.reshape((-1, 1, *shape[2:]))
    own = own.all(1, keepdim=True)
    given |= {"input": (~own).float(), "weight": torch.ones(1, 1, *kernel[2:]), "groups": 1}
    found = node.target(**given) == 0  # type: ignore[operator]
    return found.reshape((result[0] if len(found) > 1 else 1, -1, *result[2:])).expand(result)


def _windows_meet_the_input(node: fx.Node, given: Mapping[str, Any]) -> bool:
    """Whether a convolution's windows all do: there is no border, or the middle of each kernel lies on the input."""
    if "transpose" in op_name(node) or given.get("transposed") or given["padding"] == "valid":
        return given["padding"] == "valid"
    kernel = shape_of(given["weight"])[2:]
    if given["padding"] == "same":
        return all(k % 2 == 1 for k in kernel)
    border, apart = given["padding"], given["dilation"]
    border, apart = ([v[i % len(v)] for i in range(len(kernel))] for v in (border, apart))
    odd = all(k % 2 == 1 and p <= d * (k // 2) for k, p, d in zip(kernel, border, apart, strict=True))
    return odd or not any(border)


def zeros_of_spread(node: fx.Node, _: Ask) -> torch.Tensor | None:
    """The zeros of a variance or a standard deviation: of single elements it is none, or no number."""
    whole, source = math.prod(shape_of(node)), cast(fx.Node, node.args[0])
    if whole != math.prod(shape_of(source)) or whole > MOST_ELEMENTS:
        return None
    return _zero(node, {source: torch.ones(shape_of(source))})


def _given(node: fx.Node) -> dict[str, Any]:
    """An operator's arguments by name, with the defaults of those that are left out."""
    known = node.target._schema.arguments  # type: ignore[union-attr]
    defaults = {argument.name: argument.default_value for argument in known if argument.has_default_value()}
    return defaults | dict(zip((argument.name for argument in known), node.args, strict=False)) | node.kwargs


def _always_finite(node: Any, fixed: Ask) -> bool:
    """Whether a tensor holds no infinity, nor what is no number, as long as the input holds none."""
    seen, left = set(), [node]
    while left:
        value = left.pop()
        if value in seen:
            continue
        seen.add(value)
        own = fixed(value)
        if own is not None:
            if not bool(own.isfinite().all()):
                return False
            continue
        if value.op == "call_function" and not (op_name(value) in SUMS or op_name(value) in FINITE):
            return False
        if any(isinstance(number, float) and not math.isfinite(number) for number in value.args):
            return False
        left += value.all_input_nodes
    return True


def _ones(node: fx.Node, pattern: torch.Tensor | None, fixed: Ask) -> torch.Tensor | None:
    value = node.meta["val"]
    if not (value.is_floating_point() or value.is_complex()):
        return fixed(node)  # indices
    shape = shape_of(node)
    return torch.ones(shape) if pattern is None else (~pattern).expand(shape).float()


def _zero(node: fx.Node, given: dict[fx.Node, Any]) -> torch.Tensor | None:
    args, kwargs = fx.map_arg((node.args, node.kwargs), given.__getitem__)
    try:
        found = node.target(*args, **kwargs)  # type: ignore[operator]
    except RuntimeError:  # types that only the net's own values have
        return None
    found = found[0] if isinstance(found, tuple) else found
    return found == 0 if isinstance(found, torch.Tensor) else None


#: operators whose zeros are worked out in a way of their own
OPERATORS: dict[str, Callable[[fx.Node, Ask], torch.Tensor | None]] = {
    **dict.fromkeys(TRANSFORMS, zeros_of_transform),
    **dict.fromkeys((*CONVOLUTIONS, *GENERAL), zeros_of_windows),
    **dict.fromkeys(("var", "std"), zeros_of_spread),
}
