"""Operators whose statistics mix some dimensions at every position of the others: normalisations, softmax."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import fx

from rftools.erf.maps.cone.base import NotWindowed, PreparedGraph, Share, WindowedRule, argument, source, windowed
from rftools.erf.maps.cone.boxes import Box, Patch, cut, full_box, widen


class PerPosition(WindowedRule):
    """A function along the last dimensions at every position of the others: layer norm, softmax."""

    def __init__(self, node: fx.Node, setting: PreparedGraph, mixed: Sequence[int]) -> None:
        super().__init__(node, setting, [source(node, setting)])
        self.mixed = set(mixed)
        self.cost = 8.0
        if 0 in self.mixed or self.shapes[0] != self.shape:
            raise NotWindowed
        self.input: torch.Tensor | None = None

    def reach(self, index: int, box: Box) -> Box:
        return tuple((0, self.shape[d]) if d in self.mixed else span for d, span in enumerate(box, 1))

    def keep(self, patches: Sequence[Patch], out: Patch) -> None:
        self.input = patches[0].values

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        assert self.input is not None
        target = self.reach(0, box)
        values = widen(values, box, target)
        x = cut(self.input, full_box(self.shape), target)
        with torch.enable_grad():
            leaf = x.repeat(values.shape[0] // images, *[1] * (x.ndim - 1)).requires_grad_()
            y = self.call([leaf])
            (gradient,) = torch.autograd.grad(y, leaf, values)
        return [Share(0, target, gradient)]

    def forget(self) -> None:
        self.input = None


@windowed("layer_norm")
def layer_norm(node: fx.Node, setting: PreparedGraph) -> WindowedRule:
    rank = len(node.meta["val"].shape)
    count = len(argument(node, setting, "normalized_shape"))
    return PerPosition(node, setting, range(rank - count, rank))


@windowed("group_norm", "instance_norm")
def group_norm(node: fx.Node, setting: PreparedGraph) -> WindowedRule:
    """Statistics over each image: the gradient fills all of it."""
    if not argument(node, setting, "use_input_stats", True):
        raise NotWindowed
    return PerPosition(node, setting, range(1, len(node.meta["val"].shape)))


@windowed("softmax", "_softmax", "log_softmax")
def softmax(node: fx.Node, setting: PreparedGraph) -> WindowedRule:
    return PerPosition(node, setting, [int(argument(node, setting, "dim")) % node.meta["val"].ndim])
