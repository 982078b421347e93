"""Operators that move elements between channels and positions, or shuffle channels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import fx

from rftools.capture import op_name
from rftools.erf.maps.cone.base import NotWindowed, PreparedGraph, Share, WindowedRule, argument, source, windowed
from rftools.erf.maps.cone.boxes import Box, Patch, Span, cut, widen


class Pixels(WindowedRule):
    """Channels to finer positions (``pixel_shuffle``) or back: blocks of ``fine`` by ``fine`` positions."""

    croppable = True

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        super().__init__(node, setting, [source(node, setting)])
        self.finer = op_name(node) == "pixel_shuffle"
        self.fine = int(argument(node, setting, "upscale_factor" if self.finer else "downscale_factor"))
        if len(self.shape) != 4:
            raise NotWindowed

    def reach(self, index: int, box: Box) -> Box:
        by = (self.fine**2, self.fine, self.fine)
        if self.finer:
            return (_larger(box[0], by[0]), *(_smaller(span, n) for span, n in zip(box[1:], by[1:], strict=True)))
        return (_smaller(box[0], by[0]), *(_larger(span, n) for span, n in zip(box[1:], by[1:], strict=True)))

    def snap(self, box: Box) -> Box:
        """Whole blocks."""
        inner, by = self.reach(0, box), (self.fine**2, self.fine, self.fine)
        if self.finer:
            return (_smaller(inner[0], by[0]), *(_larger(span, n) for span, n in zip(inner[1:], by[1:], strict=True)))
        return (_larger(inner[0], by[0]), *(_smaller(span, n) for span, n in zip(inner[1:], by[1:], strict=True)))

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        return Patch(self.call([cut(patches[0].values, patches[0].box, self.reach(0, box))]), box)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        values = widen(values, box, self.snap(box))
        other = F.pixel_unshuffle if self.finer else F.pixel_shuffle
        return [Share(0, self.reach(0, box), other(values, self.fine))]


windowed("pixel_shuffle", "pixel_unshuffle")(Pixels)


class ChannelShuffle(WindowedRule):
    """Channels in another order, all of them."""

    croppable = True

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        super().__init__(node, setting, [source(node, setting)])
        self.groups = int(argument(node, setting, "groups"))

    def reach(self, index: int, box: Box) -> Box:
        return ((0, self.shape[1]), *box[1:])

    def snap(self, box: Box) -> Box:
        return self.reach(0, box)

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        return Patch(self.call([cut(patches[0].values, patches[0].box, box)]), box)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        target = self.reach(0, box)
        shuffled = torch.ops.aten.channel_shuffle(widen(values, box, target), self.shape[1] // self.groups)
        return [Share(0, target, shuffled)]


windowed("channel_shuffle")(ChannelShuffle)


def _larger(span: Span, by: int) -> Span:
    return span[0] * by, span[1] * by


def _smaller(span: Span, by: int) -> Span:
    return span[0] // by, -(-span[1] // by)
