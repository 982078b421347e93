"""Element-wise operators, contractions, attention, norms, reductions and recurrences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from rftools.capture import op_name
from rftools.capture.operators import ELEMENTWISE, aten
from rftools.capture.shapes import shape_of
from rftools.trf.field import Field, join_fields
from rftools.trf.rules.decomposition import taken_apart
from rftools.trf.rules.registry import Answer, Call, rule


@rule(*aten(ELEMENTWISE))
def elementwise(call: Call) -> Answer:
    """Every output element sees what the input elements at its own place see."""
    fields = [field for field in map(call.field_of, _tensors(call.arguments.values())) if field is not None]
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


def _tensors(values: Any) -> list[fx.Node]:
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


@rule("aten.linear")
def linear(call: Call) -> Answer:
    field = call.only("input").reduce(-1)
    return field.expand_dim(len(field.shape) - 1, call.shape[-1]).reshape(call.shape)


@rule("aten.matmul", "aten.mm", "aten.bmm", "aten.mv", "aten.dot")
def matmul(call: Call) -> Answer:
    first, second = (call.arguments[name] for name in list(call.arguments)[:2])
    return _product(call, first, second, call.shape)


@rule("aten.addmm", "aten.baddbmm", "aten.addbmm")
def addmm(call: Call) -> Answer:
    names = list(call.arguments)
    product = _product(call, call[names[1]], call[names[2]], call.shape)
    bias = call.field_of(call[names[0]])
    return product if bias is None else join_fields([bias, product], call.shape)


def _product(call: Call, first: Any, second: Any, shape: tuple[int, ...]) -> Field:
    """``A @ B``: element (i, j) sees row i of A and column j of B."""
    fields = []
    left, right = call.field_of(first), call.field_of(second)
    vector_left, vector_right = len(shape_of(first)) == 1, len(shape_of(second)) == 1
    if left is not None:
        rows = left.reduce(-1)
        fields.append(rows.reduce(-1, keepdim=False) if vector_right else rows)
    if right is not None:
        columns = right.reduce(-1 if vector_right else -2)
        fields.append(columns.reduce(-2, keepdim=False) if vector_left and not vector_right else columns)
    if vector_left and left is not None and not vector_right:
        fields[0] = fields[0].reshape((1,))
    if vector_right and right is not None:
        fields[-1] = fields[-1].reshape((1,) * max(len(shape), 1)) if shape else fields[-1].reshape(())
    return join_fields([field.reshape(()) if not shape else field for field in fields], shape)


@rule("aten.einsum")
def einsum(call: Call) -> Answer:
    """Each operand's indices that are not in the output are summed over."""
    equation, operands = call["equation"].replace(" ", ""), call["tensors"]
    inputs, arrow, output = equation.partition("->")
    if "." in equation or any(len(set(letters)) != len(letters) for letters in inputs.split(",")):
        return taken_apart(call)  # an ellipsis, a diagonal
    if not arrow:
        letters = sorted(set(inputs) - {","})
        output = "".join(letter for letter in letters if inputs.count(letter) == 1)
    fields = []
    for letters, operand in zip(inputs.split(","), operands, strict=True):
        field = call.field_of(operand)
        if field is None:
            continue
        gone = [d for d, letter in enumerate(letters) if letter not in output]
        field = field.reduce(*gone, keepdim=False) if gone else field
        kept = [letter for letter in letters if letter in output]
        order = sorted(range(len(kept)), key=lambda d, kept=kept: output.index(kept[d]))  # type: ignore[misc]
        field = field.permute(order)
        sizes = iter(field.shape)
        fields.append(field.reshape([next(sizes) if letter in kept else 1 for letter in output]))
    return join_fields(fields, call.shape)


@rule(
    "aten.scaled_dot_product_attention",
    "aten._scaled_dot_product_flash_attention",
    "aten._scaled_dot_product_flash_attention_for_cpu",
    "aten._scaled_dot_product_efficient_attention",
    "aten._scaled_dot_product_attention_math",
)
def attention(call: Call) -> Answer:
    """Query i sees itself, all keys (up to i where causal) and, through them, all values."""
    shape = call.shape
    causal = bool(call.get("is_causal", False))
    query, key, value = (call.field(name) for name in ("query", "key", "value"))
    fields = []
    if query is not None:
        fields.append(query.reduce(-1))
    if key is not None:
        fields.append(_attended(key.reduce(-1), causal, shape))
    if value is not None:
        fields.append(_attended(value, causal, shape))
    for name in ("attn_mask", "attn_bias"):
        bias = call.field_of(call.arguments.get(name))
        if bias is not None:
            fields.append(bias.reduce(-1))
    answer = join_fields(fields, shape)
    mask = call.fixed(call.arguments.get("attn_mask"))
    if mask is not None and bool((~mask if mask.dtype == torch.bool else mask.isinf()).any()):
        answer = answer.bounded()  # a constant mask closes paths; which, is not worked out
    several = call.node.meta["val"]
    return [answer, *[None] * (len(several) - 1)] if isinstance(several, (list, tuple)) else answer


def _attended(field: Field, causal: bool, shape: tuple[int, ...]) -> Field:
    if causal and field.shape[-2] == shape[-2]:
        return field.running(-2)
    return field.reduce(-2)


@rule("aten.softmax", "aten._softmax", "aten.log_softmax", "aten._log_softmax", "aten.softmin", "aten._safe_softmax")
def softmax(call: Call) -> Answer:
    return call.main("self").couple(call["dim"])


@rule("aten.layer_norm", "aten.native_layer_norm", "aten.rms_norm", "aten._fused_rms_norm")
def layer_norm(call: Call) -> Answer:
    dims = range(-len(call["normalized_shape"]), 0)
    return _first(call, call.only("input").couple(*dims))


@rule("aten.group_norm", "aten.native_group_norm")
def group_norm(call: Call) -> Answer:
    field = call.only("input")
    groups = call.get("num_groups") or call["group"]
    n, c, *space = field.shape
    deep = field.reshape((n, groups, c // groups, *space))
    return _first(call, deep.couple(*range(2, len(deep.shape))).reshape(field.shape))


@rule("aten.instance_norm")
def instance_norm(call: Call) -> Answer:
    field = call.only("input")
    return field.couple(*range(2, len(field.shape))) if call["use_input_stats"] else field


@rule("aten.local_response_norm")
def local_response_norm(call: Call) -> Answer:
    return call.main("input").couple(1)


def _first(call: Call, field: Field) -> Answer:
    value = call.node.meta["val"]
    return [field, *[None] * (len(value) - 1)] if isinstance(value, (list, tuple)) else field


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
            "sum_to_size",
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
    value = call.node.meta["val"]
    return [reduced] * len(value) if isinstance(value, (list, tuple)) else reduced


@rule("aten.cumsum", "aten.cumprod", "aten.logcumsumexp", "aten.cummax", "aten.cummin")
def cumulative(call: Call) -> Answer:
    field = call.main("self").running(call["dim"])
    value = call.node.meta["val"]
    return [field] * len(value) if isinstance(value, (list, tuple)) else field


@rule("aten.sort", "aten.topk")
def sorting(call: Call) -> Answer:
    """Any element may come to any place."""
    field = call.main("self")
    dim = call.get("dim", -1)
    mixed = field.reduce(dim).expand_dim(dim % len(field.shape), call.shape[dim])
    return [mixed] * len(call.node.meta["val"])


@rule(*(f"aten.{name}" for name in ["_fft_r2c", "_fft_c2r", "_fft_c2c"]))
def fft(call: Call) -> Answer:
    field = call.main("self")
    shape = call.shape
    mixed = field.reduce(*call["dim"])
    for dim in call["dim"]:
        mixed = mixed.expand_dim(dim % len(shape), shape[dim])
    return mixed


@rule(*(f"aten.fft_{name}{n}" for name in ["fft", "ifft", "rfft", "irfft"] for n in ("", "2", "n")))
def fft_call(call: Call) -> Answer:
    field, shape = call.main("self"), call.shape
    dim = call.get("dim", None)
    if dim is None:
        amount = call.get("s")
        dim = list(range(-len(amount), 0)) if amount else list(range(len(shape)))
    dims: Sequence[int] = [dim] if isinstance(dim, int) else dim
    mixed = field.reduce(*dims)
    for d in dims:
        mixed = mixed.expand_dim(d % len(shape), shape[d])
    return mixed


@rule("aten.fft_fftshift", "aten.fft_ifftshift")
def fft_shift(call: Call) -> Answer:
    field = call.main("self")
    dims = call.get("dim")
    chosen = range(len(field.shape)) if dims is None else [dims] if isinstance(dims, int) else dims
    back = 1 if "ifft" in str(call.node.target) else 0
    for dim in chosen:
        size = field.shape[dim]
        by = (size + back) // 2 if back else size // 2
        field = field.take(dim, [(i - (size - by if back else by)) % size for i in range(size)])
    return field


@rule("aten.lstm", "aten.gru", "aten.rnn_tanh", "aten.rnn_relu")
def recurrent(call: Call) -> Answer:
    """One direction: step t sees all steps up to t; both directions: every step sees all."""
    field = call.main("input")
    dim = 1 if call["batch_first"] else 0
    if len(field.shape) == 2:
        dim = 0
    mixed = field.reduce(-1)
    seen = mixed.couple(dim) if call["bidirectional"] else mixed.running(dim)
    values = call.node.meta["val"]
    shape = shape_of(values[0])
    output = seen.expand_dim(len(shape) - 1, shape[-1])
    last = mixed.reduce(dim)
    states = [_as_state(last, shape_of(value), dim) for value in values[1:]]
    return [output, *states]


def _as_state(field: Field, shape: tuple[int, ...], dim: int) -> Field:
    """(layers, batch, hidden) from a field whose sequence dimension has length 1."""
    flat = field.permute([dim, *(d for d in range(len(field.shape)) if d != dim)])
    return flat.expand(shape)


@rule("aten.pixel_norm", "aten.cosine_similarity")
def along_channels(call: Call) -> Answer:
    fields = [f for f in map(call.field_of, _tensors(call.arguments.values())) if f is not None]
    dim = call.get("dim", 1)
    whole = join_fields(fields, torch.broadcast_shapes(*[f.shape for f in fields]))
    return whole.reduce(dim, keepdim=False)


@rule("torchvision.roi_align", "torchvision.roi_pool", "torchvision.ps_roi_align", "torchvision.ps_roi_pool")
def region_pool(call: Call) -> Answer:
    """The boxes are data: any position may be read."""
    shape, fields = call.shape, []
    image, boxes = call.field("input"), call.field("rois")
    wide = (shape[0], *[1] * (len(shape) - 1))
    if image is not None:
        fields.append(image.reduce(*range(len(image.shape))).reshape([1] * len(shape)).expand(shape).bounded())
    if boxes is not None:
        fields.append(boxes.reduce(1).reshape(wide).expand(shape))
    return _several(call, join_fields(fields, shape))


def _several(call: Call, field: Field) -> Answer:
    value = call.node.meta["val"]
    return [field] * len(value) if isinstance(value, (list, tuple)) else field


@rule("torchvision.deform_conv2d")
def deformable_convolution(call: Call) -> Answer:
    """Offsets are data: any position may be read."""
    shape = call.shape
    fields = []
    image = call.field("input")
    if image is not None:
        fields.append(image.reduce(1, 2, 3).expand(shape).bounded())
    for name in ("offset", "mask"):
        other = call.field(name)
        if other is not None:
            fields.append(other.reduce(1).expand(shape).bounded())
    return join_fields(fields, shape)
