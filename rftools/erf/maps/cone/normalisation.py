"""Operators whose statistics mix some dimensions at every position of the others: normalisations, softmax."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import fx

from rftools.capture import op_name
from rftools.erf.maps.cone.base import NotWindowed, PreparedGraph, Share, WindowedRule, argument, source, windowed
from rftools.erf.maps.cone.boxes import Box, Patch, cut, full_box, widen
from rftools.erf.maps.cone.pointwise import per_target


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


class LayerNorm(PerPosition):
    """Layer norm, by ATen's own gradient from the means and deviations of the forward pass, target by target."""

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        rank = len(node.meta["val"].shape)
        self.length = [int(n) for n in argument(node, setting, "normalized_shape")]
        super().__init__(node, setting, range(rank - len(self.length), rank))
        self.weight, self.bias = (argument(node, setting, name) for name in ("weight", "bias"))
        if isinstance(self.weight, fx.Node) or isinstance(self.bias, fx.Node):
            raise NotWindowed
        self.statistics: tuple[torch.Tensor, ...] = ()

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        x = patches[0].values
        eps = argument(self.node, self.setting, "eps")
        y, *statistics = torch.native_layer_norm(x, self.length, self.weight, self.bias, eps)
        self.input, self.statistics = x, tuple(statistics)
        return Patch(y, box)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        assert self.input is not None
        target = self.reach(0, box)
        values = widen(values, box, target)
        own_box = tuple((0, 1) if d in self.mixed else span for d, span in enumerate(target, 1))
        mean, deviation = (cut(held, full_box(held.shape), own_box).contiguous() for held in self.statistics)
        x = cut(self.input, full_box(self.shape), target).contiguous()
        parts = [
            torch.ops.aten.native_layer_norm_backward(
                part.contiguous(), x, self.length, mean, deviation, self.weight, self.bias, [True, False, False]
            )[0]
            for part in values.split(images)
        ]
        return [Share(0, target, parts[0] if len(parts) == 1 else torch.cat(parts))]

    def forget(self) -> None:
        super().forget()
        self.statistics = ()


windowed("layer_norm")(LayerNorm)


@windowed("group_norm", "instance_norm")
def group_norm(node: fx.Node, setting: PreparedGraph) -> WindowedRule:
    """Statistics over each image: the gradient fills all of it."""
    if not argument(node, setting, "use_input_stats", True):
        raise NotWindowed
    return PerPosition(node, setting, range(1, len(node.meta["val"].shape)))


class Softmax(PerPosition):
    """``y (g - sum(y g))``; of the logarithm ``g - exp(y) sum(g)``."""

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        self.dim = int(argument(node, setting, "dim")) % node.meta["val"].ndim
        super().__init__(node, setting, [self.dim])
        self.logarithm = op_name(node) == "log_softmax"
        if node.meta["val"].dtype != node.args[0].meta["val"].dtype:  # type: ignore[union-attr]
            raise NotWindowed

    def keep(self, patches: Sequence[Patch], out: Patch) -> None:
        self.input = out.values  # all that the gradient needs is the output

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        assert self.input is not None
        target = self.reach(0, box)
        given = per_target(widen(values, box, target), images)
        y, dim = cut(self.input, full_box(self.shape), target), self.dim + 1
        if self.logarithm:
            found = given - y.exp() * given.sum(dim, keepdim=True)
        else:
            found = given * y
            found -= y * found.sum(dim, keepdim=True)
        return [Share(0, target, found.flatten(0, 1))]


windowed("softmax", "_softmax", "log_softmax")(Softmax)
