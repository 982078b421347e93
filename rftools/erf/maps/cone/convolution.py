"""Convolutions, transposed convolutions and matrices: the gradient of a window is a convolution of the window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx

from rftools.capture import op_name, operators
from rftools.erf.maps.cone.base import NotWindowed, PreparedGraph, Share, WindowedRule, argument, source, windowed
from rftools.erf.maps.cone.boxes import Box, Patch, Span, cut, volume, widen

CONV = (F.conv1d, F.conv2d, F.conv3d)
NARROW = 64  # positions up to which a product with the matrix as it lies is faster (up to 18 times, at four positions)
FEW = 16  # input channels up to which a strided convolution is turned phase by phase
TRANSPOSED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)


def many(value: Any, rank: int) -> tuple[int, ...]:
    values = [value] * rank if isinstance(value, int) else list(value)
    return tuple(int(v) for v in (values * rank if len(values) == 1 else values))


def clipped(span: Span, length: int) -> Span:
    """Inside the tensor; a window that lies in the padding alone keeps one element, whose gradient is zero."""
    low = min(max(span[0], 0), length - 1)
    return low, max(low + 1, min(span[1], length))


def fitted(values: torch.Tensor, dim: int, has: Span, wants: Span) -> torch.Tensor:
    """Along one dimension: from where the values lie to where they are wanted, with zeros where there are none."""
    before, after = max(0, has[0] - wants[0]), max(0, wants[1] - has[1])
    if before or after:
        values = F.pad(values, [0, 0] * (values.ndim - 1 - dim) + [before, after])
    start = max(0, wants[0] - has[0])
    if values.shape[dim] != wants[1] - wants[0]:
        values = values.narrow(dim, start, wants[1] - wants[0])
    return values


class _Kernel(WindowedRule):
    heavy = True
    croppable = True

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        super().__init__(node, setting, [source(node, setting)])
        self.rank = len(self.shape) - 2
        weight = argument(node, setting, "weight")
        if self.rank not in (1, 2, 3) or len(self.shapes[0]) != len(self.shape) or not isinstance(weight, torch.Tensor):
            raise NotWindowed
        if weight.ndim != len(self.shape):
            raise NotWindowed
        self.weight = weight
        self.bias = argument(node, setting, "bias")
        self.groups = int(argument(node, setting, "groups", 1))
        self.stride = many(argument(node, setting, "stride", 1), self.rank)
        self.dilation = many(argument(node, setting, "dilation", 1), self.rank)
        self.kernel = tuple(weight.shape[2:])
        self.extent = tuple(d * (k - 1) for d, k in zip(self.dilation, self.kernel, strict=True))
        self.before = self._padding(argument(node, setting, "padding", 0))

    def _padding(self, padding: Any) -> tuple[int, ...]:
        if padding == "valid":
            return (0,) * self.rank
        if padding == "same":
            return tuple(extent // 2 for extent in self.extent)
        return many(padding, self.rank)


class Convolution(_Kernel):
    """A convolution; its gradient is the convolution with the turned kernel, wherever the window's edge leads."""

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        super().__init__(node, setting)
        self.cost = float(self.weight[0].numel())
        self.turned: torch.Tensor | None = None  # for the groups that pass together: a copy of all weights is dear

    def reach(self, index: int, box: Box) -> Box:
        return (
            (0, self.shapes[0][1]),
            *(clipped(self._span(axis, span), self.shapes[0][2 + axis]) for axis, span in enumerate(box[1:])),
        )

    def snap(self, box: Box) -> Box:
        return ((0, self.shape[1]), *box[1:])

    def _span(self, axis: int, span: Span) -> Span:
        """What the output's positions reach along an axis, padding included."""
        s, p = self.stride[axis], self.before[axis]
        return span[0] * s - p, (span[1] - 1) * s - p + self.extent[axis] + 1

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        if self.whole(box):
            return Patch(self.call([patches[0].values]), box)
        x = cut(patches[0].values, patches[0].box, self.reach(0, box))
        for axis, span in enumerate(box[1:]):
            x = fitted(x, 2 + axis, self.reach(0, box)[1 + axis], self._span(axis, span))
        y = CONV[self.rank - 1](x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)
        return Patch(y, box)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        values = widen(values, box, ((0, self.shape[1]), *box[1:]))
        target = self.reach(0, box)
        if all(n == 1 for n in self.kernel):
            return [Share(0, target, self._spread(self._turned(values, box, target, flat=True), box, target))]
        if all(s == 1 for s in self.stride):
            return [Share(0, target, self._turned(values, box, target))]
        return [Share(0, target, self._strided(values, box, target))]

    def _turned(self, values: torch.Tensor, box: Box, target: Box, flat: bool = False) -> torch.Tensor:
        """By the kernel turned round, with just the padding that fills the target."""
        if flat and self.groups == 1:
            return _mixed(values, self.weight.flatten(1))
        wanted = [(0, 0) if flat else self._around(axis, box, target) for axis in range(self.rank)]
        padding = [max(0, *pair) for pair in wanted]
        if self.turned is None:
            self.turned = self._kernel()
        y = CONV[self.rank - 1](values, self.turned, None, 1, padding, self.dilation, self.groups)
        if flat:
            return y
        for axis, ((before, _), added) in enumerate(zip(wanted, padding, strict=True)):
            length = target[1 + axis][1] - target[1 + axis][0]
            if y.shape[2 + axis] != length:
                y = y.narrow(2 + axis, added - before, length)
        return y

    def rest(self) -> None:
        self.turned = None

    def _around(self, axis: int, box: Box, target: Box) -> Span:
        """Zeros before and after the window (negative: less than the window itself) from which the target comes."""
        low, high = self._span(axis, box[1 + axis])
        return self.extent[axis] - (target[1 + axis][0] - low), self.extent[axis] - (high - target[1 + axis][1])

    def _kernel(self) -> torch.Tensor:
        """Input channels first, and turned by half a turn."""
        w, g = self.weight, self.groups
        out, into = w.shape[0] // g, w.shape[1]
        w = w.reshape(g, out, into, *self.kernel).transpose(1, 2).reshape(g * into, out, *self.kernel)
        return w.flip(list(range(2, w.ndim))).contiguous() if any(k > 1 for k in self.kernel) else w

    def _spread(self, values: torch.Tensor, box: Box, target: Box) -> torch.Tensor:
        """A kernel of one tap: every stride-th place, zeros between, and nothing that came from the padding."""
        spans = [self._span(axis, span) for axis, span in enumerate(box[1:])]
        if all(s == 1 for s in self.stride) and all(a == b for a, b in zip(spans, target[1:], strict=True)):
            return values
        wide = values.new_zeros((*values.shape[:2], *(high - low for low, high in spans)))
        places: Any = (..., *(slice(None, None, s) for s in self.stride))
        wide[places] = values
        for axis, span in enumerate(spans):
            wide = fitted(wide, 2 + axis, span, target[1 + axis])
        return wide

    def _strided(self, values: torch.Tensor, box: Box, target: Box) -> torch.Tensor:
        if self.rank == 2 and self.groups == 1 and self.weight.shape[1] <= FEW and max(self.dilation) == 1:
            y = self._by_phases(values)
        else:
            y = TRANSPOSED[self.rank - 1](values, self.weight, None, self.stride, 0, 0, self.groups, self.dilation)
        for axis, span in enumerate(box[1:]):
            y = fitted(y, 2 + axis, self._span(axis, span), target[1 + axis])
        return y

    def _by_phases(self, values: torch.Tensor) -> torch.Tensor:
        """One convolution gives every phase of the stride as channels of its own: three times as fast for images."""
        w, (sy, sx) = self.weight, self.stride
        taps = tuple(-(-k // s) for k, s in zip(self.kernel, self.stride, strict=True))
        grid = F.pad(w, [0, taps[1] * sx - self.kernel[1], 0, taps[0] * sy - self.kernel[0]])
        grid = grid.reshape(*w.shape[:2], taps[0], sy, taps[1], sx).permute(1, 3, 5, 0, 2, 4)
        kernel = grid.reshape(-1, w.shape[0], *taps).flip(2, 3)
        y = F.conv2d(values, kernel, padding=(taps[0] - 1, taps[1] - 1))
        y = y.unflatten(1, (w.shape[1], sy, sx)).permute(0, 1, 4, 2, 5, 3)
        y = y.reshape(y.shape[0], w.shape[1], y.shape[2] * sy, -1)
        lengths = [(n - 1) * s + k for n, s, k in zip(values.shape[2:], self.stride, self.kernel, strict=True)]
        return y[:, :, : lengths[0], : lengths[1]]


def _mixed(values: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """A kernel of one tap turned: ``matrix`` transposed, at every position, without a copy of it."""
    flat = values.flatten(2)
    if flat.shape[2] <= NARROW:
        return (flat.transpose(1, 2) @ matrix).transpose(1, 2).contiguous().unflatten(2, values.shape[2:])
    return (matrix.T @ flat).unflatten(2, values.shape[2:])


class Transposed(_Kernel):
    """A transposed convolution; its gradient is a plain one."""

    croppable = False

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        super().__init__(node, setting)
        self.cost = float(self.weight[:, 0].numel())

    def reach(self, index: int, box: Box) -> Box:
        return ((0, self.shapes[0][1]), *(self._source(axis, span) for axis, span in enumerate(box[1:])))

    def _source(self, axis: int, span: Span) -> Span:
        s, p = self.stride[axis], self.before[axis]
        low = -((self.extent[axis] - span[0] - p) // s)
        return clipped((low, (span[1] - 1 + p) // s + 1), self.shapes[0][2 + axis])

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        values = widen(values, box, ((0, self.shape[1]), *box[1:]))
        target = self.reach(0, box)
        for axis, (low, high) in enumerate(target[1:]):
            s, p = self.stride[axis], self.before[axis]
            values = fitted(values, 2 + axis, box[1 + axis], (low * s - p, (high - 1) * s - p + self.extent[axis] + 1))
        y = CONV[self.rank - 1](values, self.weight, None, self.stride, 0, self.dilation, self.groups)
        return [Share(0, target, y)]


windowed(*operators.WINDOWED)(Convolution)
windowed(*operators.TRANSPOSED)(Transposed)


@windowed(*operators.GENERAL)
def convolution(node: fx.Node, setting: PreparedGraph) -> WindowedRule:
    return (Transposed if argument(node, setting, "transposed") else Convolution)(node, setting)


class Linear(WindowedRule):
    """A matrix on the last dimension."""

    heavy = True
    croppable = False

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        super().__init__(node, setting, [source(node, setting)])
        weight = argument(node, setting, "weight")
        if op_name(node) == "linear":
            self.matrix = weight
        if not isinstance(weight, torch.Tensor) or weight.ndim != 2 or len(self.shape) < 2:
            raise NotWindowed
        self.cost = float(weight.shape[1])

    def reach(self, index: int, box: Box) -> Box:
        return (*box[:-1], (0, self.shapes[0][-1]))

    def positions(self, box: Box) -> int:
        return volume(box[:-1])

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        rows = self.matrix.narrow(0, box[-1][0], box[-1][1] - box[-1][0])
        return [Share(0, self.reach(0, box), values @ rows)]


windowed("linear")(Linear)
