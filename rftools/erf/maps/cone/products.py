"""Products of two tensors that both depend on the image, and attention, which is made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from rftools.erf.maps.cone.base import NotWindowed, PreparedGraph, Share, WindowedRule, argument, windowed
from rftools.erf.maps.cone.boxes import Box, Patch, Span, cut, full_box, volume
from rftools.erf.maps.cone.pointwise import per_target


def times(apart: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """``(targets, images, ..., m, n) @ (images, ..., n, k)``: targets side by side as rows of one product."""
    if apart.shape[0] == 1:
        return (apart[0] @ right)[None]
    rows = apart.movedim(0, -3)
    return (rows.flatten(-3, -2) @ right).unflatten(-2, rows.shape[-3:-1]).movedim(-3, 0)


def before(left: torch.Tensor, apart: torch.Tensor) -> torch.Tensor:
    """``(images, ..., k, m) @ (targets, images, ..., m, n)``: targets side by side as columns of one product."""
    if apart.shape[0] == 1:
        return (left @ apart[0])[None]
    columns = apart.movedim(0, -2)
    return (left @ columns.flatten(-2)).unflatten(-1, columns.shape[-2:]).movedim(-2, 0)


class Product(WindowedRule):
    """``y = a b`` over the last two dimensions, the others side by side; one of both may be constant."""

    heavy = True

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        self.sides = [argument(node, setting, name) for name in ("self", "other")]
        dynamic = [side for side in self.sides if isinstance(side, fx.Node)]
        super().__init__(node, setting, dynamic)
        if not dynamic or len(set(dynamic)) < len(dynamic):
            raise NotWindowed
        for side in self.sides:
            shape = tuple(side.meta["val"].shape) if isinstance(side, fx.Node) else tuple(side.shape)
            if isinstance(side, fx.Node) and (len(shape) != len(self.shape) or shape[0] != self.shape[0]):
                raise NotWindowed
            if not isinstance(side, fx.Node) and len(shape) != 2:
                raise NotWindowed
        if len(self.shape) < 3:
            raise NotWindowed
        self.cost = 1.0 * len(dynamic) * self.shapes[0][-1 if dynamic[0] is self.sides[0] else -2]
        self.kept: list[torch.Tensor] = []

    def reach(self, index: int, box: Box) -> Box:
        shape = self.shapes[index]
        spans: list[Span] = [(0, 1) if n == 1 else span for n, span in zip(shape[1:-2], box[:-2], strict=True)]
        if self.inputs[index] is self.sides[0]:
            return (*spans, box[-2], (0, shape[-1]))
        return (*spans, (0, shape[-2]), box[-1])

    def positions(self, box: Box) -> int:
        return volume(box[:-1])

    def keep(self, patches: Sequence[Patch], out: Patch) -> None:
        self.kept = [patch.values for patch in patches]

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        given = per_target(values, images)
        found = []
        for index, side in enumerate(self.inputs):
            if side is self.sides[0]:
                toward = times(given, self._other(1, box).transpose(-2, -1))
            else:
                toward = before(self._other(0, box).transpose(-2, -1), given)
            found.append(self._reduced(index, self.reach(index, box), toward))
        return found

    def _other(self, number: int, box: Box) -> torch.Tensor:
        """One side's values on what the box takes of it."""
        side = self.sides[number]
        if isinstance(side, fx.Node):
            index = self.inputs.index(side)
            return cut(self.kept[index], full_box(self.shapes[index]), self.reach(index, box))
        low, high = box[-2 + number]
        found: torch.Tensor = side.narrow(number, low, high - low)
        return found

    def _reduced(self, index: int, target: Box, values: torch.Tensor) -> Share:
        """Summed along dimensions in which the input was spread."""
        dims = [2 + d for d, (low, high) in enumerate(target) if values.shape[2 + d] != high - low]
        return Share(index, target, (values.sum(dims, keepdim=True) if dims else values).flatten(0, 1))

    def forget(self) -> None:
        self.kept = []


windowed("matmul")(Product)


def _closes(mask: torch.Tensor | None, shape: tuple[int, ...]) -> bool:
    """Whether a mask closes a whole row, of which each kernel makes something else, or tells images apart."""
    if mask is None:
        return False
    open_ = mask if mask.dtype == torch.bool else mask > -torch.inf
    return not bool(open_.any(-1).all()) or (mask.ndim == len(shape) and mask.shape[0] > 1)


class Attention(WindowedRule):
    """``softmax(q k' scale + mask) v``, whose shares ``p`` are kept.

    Of the gradient ``g``: ``v`` gets ``p' g``; the scores get ``s = p (g v' - sum(g y))``, the sum over channels;
    ``q`` gets ``s k scale`` and ``k`` gets ``s' q scale``.
    """

    heavy = True

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        inputs = [argument(node, setting, name) for name in ("query", "key", "value")]
        if any(not isinstance(side, fx.Node) for side in inputs) or len(set(inputs)) < 3:
            raise NotWindowed
        super().__init__(node, setting, inputs)
        self.mask = argument(node, setting, "attn_mask")
        leads = {shape[:-2] for shape in (*self.shapes, self.shape)}
        if isinstance(self.mask, fx.Node) or len(leads) > 1 or len(self.shape) < 3 or _closes(self.mask, self.shape):
            raise NotWindowed
        if argument(node, setting, "dropout_p", 0.0) or argument(node, setting, "enable_gqa", False):
            raise NotWindowed
        scale = argument(node, setting, "scale")
        self.scale = 1 / math.sqrt(self.shapes[0][-1]) if scale is None else float(scale)
        self.cost = 3.0 * self.shapes[1][-2]
        self.kept: tuple[torch.Tensor, ...] = ()

    def reach(self, index: int, box: Box) -> Box:
        shape = self.shapes[index]
        rows = box[-2] if index == 0 else (0, shape[-2])
        return (*box[:-2], rows, box[-1] if index == 2 else (0, shape[-1]))

    def positions(self, box: Box) -> int:
        return volume(box[:-1])

    def keep(self, patches: Sequence[Patch], out: Patch) -> None:
        q, k, v = (patch.values for patch in patches)
        scores = (q @ k.transpose(-2, -1)).mul_(self.scale)
        if argument(self.node, self.setting, "is_causal", False):
            later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
            scores.masked_fill_(later, -torch.inf)
        if self.mask is not None:
            boolean = self.mask.dtype == torch.bool
            scores = scores.masked_fill_(~self.mask, -torch.inf) if boolean else scores.add_(self.mask)
        self.kept = (q, k, v, scores.softmax(-1), out.values)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        given = per_target(values, images)
        inner = (*box[:-2], box[-2], (0, self.shapes[1][-2]))
        boxes = (*(self.reach(i, box) for i in range(3)), inner, box)
        q, k, v, p, y = (cut(held, full_box(held.shape), on) for held, on in zip(self.kept, boxes, strict=True))
        scores = times(given, v.transpose(-2, -1)).sub_((given * y).sum(-1, keepdim=True)).mul_(p).mul_(self.scale)
        found: list[Any] = [
            times(scores, k),
            before(q.transpose(-2, -1), scores).transpose(-2, -1),
            before(p.transpose(-2, -1), given),
        ]
        return [Share(i, boxes[i], part.flatten(0, 1)) for i, part in enumerate(found)]

    def forget(self) -> None:
        self.kept = ()


windowed("scaled_dot_product_attention")(Attention)
