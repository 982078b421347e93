"""ONNX operators that slide a window: convolutions and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from rftools.errors import RequestError
from rftools.loading.formats.onnx.step import Step, Value, operator, tensor


@dataclass(frozen=True)
class Windows:
    """Kernel, strides, dilations and margins ``(before, after)`` of a sliding operator, an entry an axis."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]

    @property
    def even(self) -> bool:
        return all(before == after for before, after in self.pads)

    @property
    def margins(self) -> list[int]:
        """As ``torch.nn.functional.pad`` takes them: the last axis first."""
        return [n for pair in reversed(self.pads) for n in pair]


def windows(step: Step, kernel: Sequence[int], spatial: Sequence[int] | None = None) -> Windows:
    """``spatial`` (the input's size) is needed where the margins follow from it (auto_pad SAME)."""
    axes = len(kernel)
    strides, dilations = step.get("strides", [1] * axes), step.get("dilations", [1] * axes)
    if len(strides) != axes or len(dilations) != axes or min(*kernel, *strides, *dilations) < 1:
        raise RequestError(f"ONNX operator {step.op} ({step.name}): its kernel, strides or dilations are none")
    mode = step.get("auto_pad", "NOTSET")
    flat = step.get("pads", [0] * (2 * axes)) if mode == "NOTSET" else [0] * (2 * axes)
    pads = [(flat[i], flat[i + axes]) for i in range(axes)]
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        if spatial is None:
            raise step.refuse("margins that follow from the input's size")
        pads = [_same_margin(*each, mode) for each in zip(spatial, kernel, strides, dilations, strict=True)]
    return Windows(tuple(kernel), tuple(strides), tuple(dilations), tuple(pads))


def _same_margin(size: int, kernel: int, stride: int, dilation: int, mode: str) -> tuple[int, int]:
    total = max(0, (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size)
    small, large = total // 2, total - total // 2
    return (small, large) if mode == "SAME_UPPER" else (large, small)


_CONV = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
_MAX = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
_MEAN: dict[int, Any] = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


@operator("Conv")
def _conv(step: Step, x: torch.Tensor, weight: Value, bias: Value | None = None) -> torch.Tensor:
    kernel = tensor(weight, x)
    w = windows(step, kernel.shape[2:], x.shape[2:])
    padded, padding = (x, tuple(before for before, _ in w.pads)) if w.even else (functional.pad(x, w.margins), 0)
    offset = None if bias is None else tensor(bias, x)
    return _CONV[x.ndim - 2](padded, kernel, offset, w.strides, padding, w.dilations, step.get("group", 1))


@operator("ConvTranspose")
def _conv_transpose(step: Step, x: torch.Tensor, weight: Value, bias: Value | None = None) -> torch.Tensor:
    kernel = tensor(weight, x)
    if step.get("output_shape") is not None or step.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise step.refuse("an output size instead of margins")
    w = windows(step, kernel.shape[2:])
    extra = step.get("output_padding", [0] * len(w.kernel))
    offset = None if bias is None else tensor(bias, x)
    full = _TRANSPOSED[x.ndim - 2](x, kernel, offset, w.strides, 0, extra, step.get("group", 1), w.dilations)
    for axis, (before, after) in enumerate(w.pads):
        full = full.narrow(2 + axis, before, full.shape[2 + axis] - before - after)
    return full


@operator("MaxPool")
def _max_pool(step: Step, x: torch.Tensor) -> torch.Tensor:
    if len(step.outputs) > 1 and step.outputs[1]:
        raise step.refuse("the places of the maxima")
    w = windows(step, step.get("kernel_shape"), x.shape[2:])
    small = all(2 * before <= k for (before, _), k in zip(w.pads, w.kernel, strict=True))
    if w.even and small:
        padded, padding = x, tuple(before for before, _ in w.pads)
    else:
        padded, padding = functional.pad(x, w.margins, value=-torch.inf), (0,) * len(w.kernel)
    return _MAX[x.ndim - 2](padded, w.kernel, w.strides, padding, w.dilations, bool(step.get("ceil_mode", 0)))


@operator("AveragePool")
def _average_pool(step: Step, x: torch.Tensor) -> torch.Tensor:
    w = windows(step, step.get("kernel_shape"), x.shape[2:])
    if any(d != 1 for d in w.dilations):
        raise step.refuse("a dilation")
    ceil, counted = bool(step.get("ceil_mode", 0)), bool(step.get("count_include_pad", 0))
    if w.even:
        padding = tuple(before for before, _ in w.pads)
        found: torch.Tensor = _MEAN[x.ndim - 2](x, w.kernel, w.strides, padding, ceil, counted)
        return found
    if ceil:
        raise step.refuse("uneven margins with ceil_mode")
    pool = _MEAN[x.ndim - 2]
    mean: torch.Tensor = pool(functional.pad(x, w.margins), w.kernel, w.strides)
    if counted:
        return mean
    share = pool(functional.pad(torch.ones_like(x[:1, :1]), w.margins), w.kernel, w.strides)
    return mean / share


@operator("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(step: Step, x: torch.Tensor) -> torch.Tensor:
    axes = list(range(2, x.ndim))
    return x.mean(axes, keepdim=True) if step.op == "GlobalAveragePool" else x.amax(axes, keepdim=True)
