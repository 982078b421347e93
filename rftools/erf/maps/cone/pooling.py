"""Maximum pooling: the gradient goes to the element that was the largest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx

from rftools.erf.maps.cone.base import (
    NotWindowed,
    PreparedGraph,
    Share,
    WindowedRule,
    argument,
    operator_of,
    source,
    windowed,
)
from rftools.erf.maps.cone.boxes import Box, Patch, Span, cut, sizes
from rftools.erf.maps.cone.convolution import clipped, many
from rftools.erf.maps.cone.pointwise import per_target


def _pool(rank: int, x: torch.Tensor, *how: Any) -> tuple[torch.Tensor, torch.Tensor]:
    pool: Any = (F.max_pool1d_with_indices, F.max_pool2d_with_indices, F.max_pool3d_with_indices)[rank - 1]
    y, winners = pool(x, *how)
    return y, winners


class MaxPool(WindowedRule):
    """Keeps which element won, as an index into the flattened frame that was pooled."""

    croppable = True

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        super().__init__(node, setting, [source(node, setting)])
        op = operator_of(node)
        if op is not node and node.args[1] != 0:
            raise NotWindowed
        self.rank = len(self.shape) - 2
        if self.rank not in (1, 2, 3):
            raise NotWindowed
        self.kernel = many(argument(op, setting, "kernel_size"), self.rank)
        self.stride = many(argument(op, setting, "stride") or self.kernel, self.rank)
        self.padding = many(argument(op, setting, "padding", 0), self.rank)
        self.dilation = many(argument(op, setting, "dilation", 1), self.rank)
        self.ceil = bool(argument(op, setting, "ceil_mode", False))
        self.winners: Patch | None = None
        self.frame: tuple[Span, ...] = ()

    def _span(self, axis: int, span: Span) -> Span:
        s, p, extent = self.stride[axis], self.padding[axis], self.dilation[axis] * (self.kernel[axis] - 1)
        return span[0] * s - p, (span[1] - 1) * s - p + extent + 1

    def reach(self, index: int, box: Box) -> Box:
        spans = (self._span(axis, span) for axis, span in enumerate(box[1:]))
        return (box[0], *(clipped(span, n) for span, n in zip(spans, self.shapes[0][2:], strict=True)))

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        patch = patches[0]
        if self.whole(box):
            self.frame = tuple((0, n) for n in self.shapes[0][2:])
            y, winners = _pool(
                self.rank, patch.values, self.kernel, self.stride, self.padding, self.dilation, self.ceil
            )
        else:
            inner = self.reach(0, box)
            self.frame = tuple(self._span(axis, span) for axis, span in enumerate(box[1:]))
            x = _bordered(cut(patch.values, patch.box, inner), inner[1:], self.frame)
            y, winners = _pool(self.rank, x, self.kernel, self.stride, 0, self.dilation)
        self.winners = Patch(winners, box)
        return Patch(y, box)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        assert self.winners is not None
        target = self.reach(0, box)
        index = self._local(cut(self.winners.values, self.winners.box, box), target[1:]).flatten(2)
        apart = per_target(values.flatten(2), images)
        found = values.new_zeros((*apart.shape[:-1], _count(target[1:])))
        found.scatter_add_(-1, index.expand(apart.shape), apart)
        return [Share(0, target, found.flatten(0, 1).unflatten(-1, sizes(target[1:])))]

    def _local(self, index: torch.Tensor, target: tuple[Span, ...]) -> torch.Tensor:
        """The same places, counted in the target's frame."""
        if target == self.frame:
            return index
        places = []
        for low, high in reversed(self.frame):
            places.append(index % (high - low) + low)
            index = index // (high - low)
        found = torch.zeros_like(index)
        for place, (low, high) in zip(reversed(places), target, strict=True):
            found = found * (high - low) + (place - low)
        return found

    def forget(self) -> None:
        self.winners = None


windowed("max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices", "max_pool3d_with_indices")(MaxPool)


def _count(spans: Sequence[Span]) -> int:
    total = 1
    for low, high in spans:
        total *= high - low
    return total


def _bordered(x: torch.Tensor, has: tuple[Span, ...], wants: tuple[Span, ...]) -> torch.Tensor:
    """With minus infinity where the frame leaves the tensor, so that no padding wins."""
    pads: list[int] = []
    for (low, high), (first, last) in reversed(list(zip(has, wants, strict=True))):
        pads += [max(0, low - first), max(0, last - high)]
    return F.pad(x, pads, value=-torch.inf) if any(pads) else x
