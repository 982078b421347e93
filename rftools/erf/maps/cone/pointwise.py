"""Operators that work on each element by itself."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from rftools.capture import op_name
from rftools.capture.operators import ARITHMETIC, COPIES, RUNNING_NORMS, UNARY
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
from rftools.erf.maps.cone.boxes import Box, Patch, cut, sizes


def per_target(values: torch.Tensor, images: int) -> torch.Tensor:
    """``(targets, images, ...)``, so that what belongs to the images is repeated for every target."""
    return values.unflatten(0, (-1, images))


def scaled(values: torch.Tensor, factor: torch.Tensor, images: int, own: bool) -> torch.Tensor:
    apart = per_target(values, images)
    return (apart.mul_(factor) if own else apart * factor).flatten(0, 1)


class Scale(WindowedRule):
    """``y = a x + b`` with one factor a channel: batch normalisation with its running statistics."""

    croppable = True

    def __init__(self, node: fx.Node, setting: PreparedGraph, inputs: Sequence[fx.Node]) -> None:
        super().__init__(node, setting, inputs)
        op = operator_of(node)
        self.var, self.weight = (argument(op, setting, name) for name in ("running_var", "weight"))

    @functools.cached_property
    def factor(self) -> torch.Tensor:
        found = torch.rsqrt(self.var + argument(operator_of(self.node), self.setting, "eps"))
        found = found if self.weight is None else found * self.weight
        return found.reshape(1, -1, *[1] * (len(self.shape) - 2))

    def reach(self, index: int, box: Box) -> Box:
        return box

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        if sizes(box)[0] != self.shape[1]:
            raise NotImplementedError
        return super().run([Patch(cut(patches[0].values, patches[0].box, box), box)], box)

    def call(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        found: Any = super().call(tensors)
        return found[0] if isinstance(found, (tuple, list)) else found

    def on(self, box: Box) -> torch.Tensor:
        return self.factor.narrow(1, box[0][0], box[0][1] - box[0][0])

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        return [Share(0, box, scaled(values, self.on(box), images, own))]


@windowed(*RUNNING_NORMS)
def batch_norm(node: fx.Node, setting: PreparedGraph) -> WindowedRule:
    op = operator_of(node)
    x = source(node, setting)
    mean, var = (argument(op, setting, name) for name in ("running_mean", "running_var"))
    if argument(op, setting, "training", False) or mean is None or var is None:
        raise NotWindowed
    if op is not node and node.args[1] != 0:
        raise NotWindowed
    return Scale(node, setting, [x])


class Unary(WindowedRule):
    """A function of each element, with its derivative kept."""

    croppable = True

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        super().__init__(node, setting, [source(node, setting)])
        self.scale: Scale | None = None  # a batch normalisation just before, whose factor the derivative takes in
        self.derivative: Patch | None = None

    def absorb(self, scale: Scale) -> None:
        """Take over the factor of the batch normalisation that gives this node's input."""
        self.scale = scale
        self.cost = 1.0

    def reach(self, index: int, box: Box) -> Box:
        return box

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        x = cut(patches[0].values, patches[0].box, box)
        if op_name(self.node) == "relu":
            y = torch.relu(x)
            slope = (y <= 0).logical_not_().to(y.dtype)  # a NaN goes on, as in autograd
        else:
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                result = self.call([leaf])
                (slope,) = torch.autograd.grad(result, leaf, torch.ones_like(result))
            y = result.detach()
        if self.scale is not None:
            slope.mul_(self.scale.on(box))
        self.derivative = Patch(slope, box)
        return Patch(y, box)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        assert self.derivative is not None
        slope = cut(self.derivative.values, self.derivative.box, box)
        return [Share(0, box, scaled(values, slope, images, own))]

    def forget(self) -> None:
        self.derivative = None


windowed(*UNARY)(Unary)


class ByChannel(Unary):
    """A function of each element with a parameter a channel, which takes all channels at once: ``prelu``."""

    def snap(self, box: Box) -> Box:
        return ((0, self.shape[1]), *box[1:])


windowed("prelu")(ByChannel)


class Identity(WindowedRule):
    """The same values: a copy, or dropout in evaluation mode."""

    croppable = True

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        super().__init__(node, setting, [source(node, setting)])
        if argument(node, setting, "train", False) or argument(node, setting, "dtype") is not None:
            raise NotWindowed

    def reach(self, index: int, box: Box) -> Box:
        return box

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        return Patch(cut(patches[0].values, patches[0].box, box), box)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        return [Share(0, box, values, own)]


windowed(*COPIES, "dropout", "feature_dropout", "alpha_dropout")(Identity)


class Binary(WindowedRule):
    """Sum, difference, product and quotient, with broadcasting; either side may be a constant."""

    croppable = True

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        self.sides = [
            value if setting.dynamic(value) else setting.evaluate(value)
            for value in (argument(node, setting, "self", node.args[0]), argument(node, setting, "other"))
        ]
        dynamic = [side for side in self.sides if isinstance(side, fx.Node)]
        super().__init__(node, setting, list(dict.fromkeys(dynamic)))
        self.name = op_name(node)
        self.alpha = argument(node, setting, "alpha", 1)
        if argument(node, setting, "rounding_mode") is not None or not dynamic:
            raise NotWindowed
        self._check(dynamic)
        self.patches: dict[int, Patch] = {}
        self.quotient: Patch | None = None

    def _check(self, dynamic: Sequence[fx.Node]) -> None:
        if any(len(shape) != len(self.shape) or shape[0] != self.shape[0] for shape in self.shapes):
            raise NotWindowed
        if any(isinstance(side, torch.Tensor) and side.ndim > len(self.shape) for side in self.sides):
            raise NotWindowed
        values = [n.meta["val"] for n in (*dynamic, self.node)]
        if len({v.dtype for v in values}) > 1 or not values[0].is_floating_point():
            raise NotWindowed
        if any(isinstance(s, torch.Tensor) and s.ndim == len(self.shape) and s.shape[0] > 1 for s in self.sides):
            self.batchable = False

    def reach(self, index: int, box: Box) -> Box:
        shape = self.shapes[index]
        return tuple((0, 1) if n == 1 else span for n, span in zip(shape[1:], box, strict=True))

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        held = [Patch(cut(p.values, p.box, self.reach(i, box)), self.reach(i, box)) for i, p in enumerate(patches)]
        sides = [self._side(side, held, box) for side in self.sides]
        left, right = sides
        if self.name == "add":
            y = torch.add(left, right, alpha=self.alpha)
        elif self.name == "sub":
            y = torch.sub(left, right, alpha=self.alpha)
        elif self.name == "rsub":
            y = torch.rsub(left, right, alpha=self.alpha)
        else:
            y = left * right if self.name == "mul" else left / right
        if self.name == "mul" and len([s for s in self.sides if isinstance(s, fx.Node)]) > 1:
            self.patches = dict(enumerate(held))
        if self.name == "div" and isinstance(self.sides[1], fx.Node):
            self.patches, self.quotient = dict(enumerate(held)), Patch(y, box)
        return Patch(y, box)

    def _side(self, side: Any, held: Sequence[Patch], box: Box) -> Any:
        """One side's values: of a node, or of a constant cut to the box."""
        if isinstance(side, fx.Node):
            return held[self.inputs.index(side)].values
        if not isinstance(side, torch.Tensor) or side.ndim == 0:
            return side
        missing = len(self.shape) - side.ndim
        for dim, (low, high) in enumerate(box, 1):
            own = dim - missing
            if own >= 0 and side.shape[own] > 1:
                side = side.narrow(own, low, high - low)
        return side

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        found = []
        single = own and sum(isinstance(side, fx.Node) for side in self.sides) == 1
        for number, side in enumerate(self.sides):
            if isinstance(side, fx.Node):
                index = self.inputs.index(side)
                gradient, fresh = self._toward(number, values, box, images, single)
                found.append(self._reduced(index, box, gradient, fresh))
        return found

    def _toward(self, number: int, values: torch.Tensor, box: Box, images: int, own: bool) -> tuple[torch.Tensor, bool]:
        """The gradient for one side before broadcasting is undone, and whether nothing else reads it."""
        factor = self._factor(number, box)
        if factor is None:
            return values, own
        return scaled(values, factor, images, own), True

    def _factor(self, number: int, box: Box) -> Any:
        if self.name in {"add", "sub", "rsub"}:
            sign = -1 if (self.name, number) in {("sub", 1), ("rsub", 0)} else 1
            scaling = self.alpha if (number == 1) == (self.name != "rsub") else 1
            return None if sign * scaling == 1 else sign * scaling
        if self.name == "div" and number == 1:
            assert self.quotient is not None
            return -cut(self.quotient.values, self.quotient.box, box) / self._kept(self.sides[1], box)
        other = self._kept(self.sides[1 - number], box)
        return 1 / other if self.name == "div" else other

    def _kept(self, side: Any, box: Box) -> Any:
        """One side's values on what the box takes of it."""
        if isinstance(side, fx.Node):
            index = self.inputs.index(side)
            return cut(self.patches[index].values, self.patches[index].box, self.reach(index, box))
        return self._side(side, (), box)

    def _reduced(self, index: int, box: Box, gradient: torch.Tensor, own: bool) -> Share:
        dims = [d for d in range(1, len(self.shape)) if self.shapes[index][d] == 1 and self.shape[d] > 1]
        if not dims:
            return Share(index, box, gradient, own)
        return Share(index, self.reach(index, box), gradient.sum(dims, keepdim=True))

    def forget(self) -> None:
        self.patches, self.quotient = {}, None


windowed(*ARITHMETIC)(Binary)
