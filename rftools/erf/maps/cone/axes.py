"""Operators that are one matrix along each axis: average pools, resampling, padding, flips and rolls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import fx

from rftools.erf.maps.cone.base import NotWindowed, PreparedGraph, Share, WindowedRule, argument, source, windowed
from rftools.erf.maps.cone.boxes import Box, Span
from rftools.erf.maps.cone.convolution import clipped, fitted, many

LARGEST = 4096  # positions along an axis up to which its matrix is worth having
Matrices = list[torch.Tensor | None]


class Separable(WindowedRule):
    """``y = (A1 x A2 x ...) x`` over the spatial axes; None stands for an axis that is left alone."""

    def __init__(self, node: fx.Node, setting: PreparedGraph, matrices: Matrices) -> None:
        super().__init__(node, setting, [source(node, setting)])
        self.matrices = matrices
        self.spans = [None if m is None else _row_spans(m) for m in matrices]
        self.cost = 2.0 * len(matrices)

    def reach(self, index: int, box: Box) -> Box:
        found: list[Span] = [box[0]]
        for spans, (low, high), n in zip(self.spans, box[1:], self.shapes[0][2:], strict=True):
            if spans is None:
                found.append((low, high))
                continue
            rows = [span for span in spans[low:high] if span[0] < span[1]]
            found.append((min(r[0] for r in rows), max(r[1] for r in rows)) if rows else (0, min(1, n)))
        return tuple(found)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        target = self.reach(0, box)
        for axis, matrix in enumerate(self.matrices):
            if matrix is not None:
                rows, columns = slice(*box[1 + axis]), slice(*target[1 + axis])
                part = matrix[rows, columns].to(values.device, values.dtype)
                values = (values.movedim(2 + axis, -1) @ part).movedim(-1, 2 + axis)
        return [Share(0, target, values)]


def _row_spans(matrix: torch.Tensor) -> list[Span]:
    """First and past-the-last column that each row reads."""
    found = []
    for row in matrix != 0:
        columns = row.nonzero()
        found.append((int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 0))
    return found


def _separable(
    node: fx.Node, setting: PreparedGraph, per_axis: Callable[[fx.Node, int, int], torch.Tensor | None]
) -> WindowedRule:
    x = source(node, setting)
    shape = tuple(x.meta["val"].shape)
    if len(shape) < 3 or len(shape) != node.meta["val"].ndim or max(shape[2:]) > LARGEST:
        raise NotWindowed
    rank = len(shape) - 2
    return Separable(node, setting, [per_axis(node, axis, rank) for axis in range(rank)])


def _probe(node: fx.Node, axis: int, rank: int, change: dict[int, Any]) -> torch.Tensor:
    """The matrix along one axis: the operator on unit vectors, with all other axes of size one."""
    x = cast(fx.Node, node.args[0])
    n = int(x.meta["val"].shape[2 + axis])
    line = torch.eye(n, dtype=torch.float64).reshape(n, 1, *(n if a == axis else 1 for a in range(rank)))
    args = [change.get(i, a) for i, a in enumerate(node.args)]
    with torch.no_grad():
        y = cast(Any, node.target)(line, *args[1:], **dict(node.kwargs))
    return cast(torch.Tensor, y.reshape(n, -1).T.contiguous())


def _only(values: Sequence[Any], axis: int, neutral: Any) -> list[Any]:
    return [v if a == axis else neutral for a, v in enumerate(values)]


@windowed("avg_pool1d", "avg_pool2d", "avg_pool3d")
def avg_pool(node: fx.Node, setting: PreparedGraph) -> WindowedRule:
    if argument(node, setting, "divisor_override") is not None:
        raise NotWindowed

    def along(node: fx.Node, axis: int, rank: int) -> torch.Tensor | None:
        kernel = many(argument(node, setting, "kernel_size"), rank)
        stride = many(argument(node, setting, "stride") or kernel, rank)
        padding = many(argument(node, setting, "padding", 0), rank)
        x = cast(fx.Node, node.args[0])
        n = int(x.meta["val"].shape[2 + axis])
        with torch.no_grad():
            y = torch.nn.functional.avg_pool1d(
                torch.eye(n, dtype=torch.float64)[:, None],
                kernel[axis],
                stride[axis],
                padding[axis],
                bool(argument(node, setting, "ceil_mode", False)),
                bool(argument(node, setting, "count_include_pad", True)),
            )
        return y[:, 0].T.contiguous()

    return _separable(node, setting, along)


@windowed("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")
def adaptive_avg_pool(node: fx.Node, setting: PreparedGraph) -> WindowedRule:
    def along(node: fx.Node, axis: int, rank: int) -> torch.Tensor | None:
        out, n = int(node.meta["val"].shape[2 + axis]), int(cast(fx.Node, node.args[0]).meta["val"].shape[2 + axis])
        if out == n:
            return None
        y = torch.nn.functional.adaptive_avg_pool1d(torch.eye(n, dtype=torch.float64)[:, None], out)
        return y[:, 0].T.contiguous()

    return _separable(node, setting, along)


def upsample(node: fx.Node, setting: PreparedGraph) -> WindowedRule:
    if getattr(node.target, "_overloadname", "") != "vec":
        raise NotWindowed

    def along(node: fx.Node, axis: int, rank: int) -> torch.Tensor | None:
        change: dict[int, Any] = {}
        for position, slot in enumerate(cast(Any, node.target)._schema.arguments):
            if position < len(node.args) and node.args[position] is not None:
                if slot.name == "output_size":
                    change[position] = _only(cast(Any, node.args[position]), axis, 1)
                if slot.name == "scale_factors":
                    change[position] = _only(cast(Any, node.args[position]), axis, 1.0)
        return _probe(node, axis, rank, change)

    return _separable(node, setting, upsample_axis(along))


def upsample_axis(along: Callable[[fx.Node, int, int], torch.Tensor | None]) -> Any:
    def checked(node: fx.Node, axis: int, rank: int) -> torch.Tensor | None:
        if any(name in node.kwargs for name in ("output_size", "scale_factors")):
            raise NotWindowed
        matrix = along(node, axis, rank)
        if matrix is not None and matrix.shape[0] != node.meta["val"].shape[2 + axis]:
            raise NotWindowed
        return matrix

    return checked


windowed(
    *("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"),
    *("_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d"),
    *("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d"),
)(upsample)


class Padding(WindowedRule):
    """Constants around a tensor along any dimensions but the images, or (less than none) a part cut away."""

    def __init__(self, node: fx.Node, setting: PreparedGraph, before: Sequence[int]) -> None:
        super().__init__(node, setting, [source(node, setting)])
        self.before = before

    def _moved(self, box: Box) -> Box:
        return tuple((low - by, high - by) for (low, high), by in zip(box, self.before, strict=True))

    def reach(self, index: int, box: Box) -> Box:
        return tuple(clipped(span, n) for span, n in zip(self._moved(box), self.shapes[0][1:], strict=True))

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        target = self.reach(0, box)
        for dim, (has, wants) in enumerate(zip(self._moved(box), target, strict=True), 1):
            values = fitted(values, dim, has, wants)
        return [Share(0, target, values, False)]


@windowed("pad", "constant_pad_nd")
def pad(node: fx.Node, setting: PreparedGraph) -> WindowedRule:
    pads = [int(p) for p in argument(node, setting, "pad")]
    mode = argument(node, setting, "mode", "constant")
    rank = len(node.meta["val"].shape)
    if any(pads[2 * (rank - 1) :]):
        raise NotWindowed  # along the images
    if mode == "constant":
        before = [pads[2 * i] if 2 * i < len(pads) else 0 for i in range(rank - 1)]
        return Padding(node, setting, before[::-1])
    if any(pads[2 * (rank - 2) :]):
        raise NotWindowed  # along channels

    def along(node: fx.Node, axis: int, rank: int) -> torch.Tensor | None:
        place = 2 * (rank - 1 - axis)
        own = pads[place : place + 2]
        if not any(own):
            return None
        n = int(cast(fx.Node, node.args[0]).meta["val"].shape[2 + axis])
        y = torch.nn.functional.pad(torch.eye(n, dtype=torch.float64)[:, None], own, mode=mode)
        return y[:, 0].T.contiguous()

    return _separable(node, setting, along)


def _moved(node: fx.Node, setting: PreparedGraph, order: Callable[[int, int], torch.Tensor | None]) -> WindowedRule:
    """An operator that takes elements from other places of the same axis: ``order(dim, n)`` says which."""

    def along(node: fx.Node, axis: int, rank: int) -> torch.Tensor | None:
        n = int(cast(fx.Node, node.args[0]).meta["val"].shape[2 + axis])
        index = order(2 + axis, n)
        return None if index is None else torch.eye(n, dtype=torch.float64)[index]

    return _separable(node, setting, along)


@windowed("flip")
def flip(node: fx.Node, setting: PreparedGraph) -> WindowedRule:
    dims = [d % node.meta["val"].ndim for d in argument(node, setting, "dims")]
    if min(dims) < 2:
        raise NotWindowed
    return _moved(node, setting, lambda dim, n: torch.arange(n).flip(0) if dim in dims else None)
