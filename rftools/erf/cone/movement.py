"""Operators that move elements, or mix them along dimensions that a box then has to fill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import fx

from rftools.capture import op_name
from rftools.erf.cone.base import NotWindowed, Rule, Setting, Share, argument, operator_of, source, windowed
from rftools.erf.cone.boxes import Box, Patch, Span, cut, full_box, sizes, widen


class Concatenation(Rule):
    """Side by side along one dimension."""

    croppable = True

    def __init__(self, node: fx.Node, setting: Setting) -> None:
        tensors = cast(Sequence[Any], node.args[0])
        dynamic = [t for t in tensors if setting.dynamic(t)]
        super().__init__(node, setting, list(dict.fromkeys(dynamic)))
        self.dim = int(argument(node, setting, "dim", 0)) % len(self.shape)
        if self.dim == 0 or len(dynamic) != len(tensors) or len(self.inputs) != len(tensors):
            raise NotWindowed
        ends = torch.tensor([shape[self.dim] for shape in self.shapes]).cumsum(0).tolist()
        self.starts = [0, *ends[:-1]]

    def reach(self, index: int, box: Box) -> Box:
        low, high = box[self.dim - 1]
        start, n = self.starts[index], self.shapes[index][self.dim]
        own = (min(max(low - start, 0), n - 1), max(min(high - start, n), 1))
        return (*box[: self.dim - 1], (own[0], max(own)), *box[self.dim :])

    def snap(self, box: Box) -> Box:
        return (*box[: self.dim - 1], (0, self.shape[self.dim]), *box[self.dim :])

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        parts = [cut(p.values, p.box, self.reach(i, box)) for i, p in enumerate(patches)]
        return Patch(torch.cat(parts, self.dim), box)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        low, high = box[self.dim - 1]
        found = []
        for index, start in enumerate(self.starts):
            first, last = max(low, start), min(high, start + self.shapes[index][self.dim])
            if first < last:
                part = values.narrow(self.dim, first - low, last - first)
                span = (first - start, last - start)
                found.append(Share(index, (*box[: self.dim - 1], span, *box[self.dim :]), part, False))
        return found


windowed("cat", "concat")(Concatenation)


class Slice(Rule):
    """A part of one dimension, every ``step``-th element of it; one part of a chunk or a split."""

    croppable = True

    def __init__(self, node: fx.Node, setting: Setting, dim: int, start: int, step: int = 1) -> None:
        super().__init__(node, setting, [source(node, setting)])
        self.dim, self.start, self.step = dim % len(self.shape), start, step
        if self.dim == 0:
            raise NotWindowed

    def _span(self, span: Span) -> Span:
        return self.start + span[0] * self.step, self.start + (span[1] - 1) * self.step + 1

    def reach(self, index: int, box: Box) -> Box:
        return (*box[: self.dim - 1], self._span(box[self.dim - 1]), *box[self.dim :])

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        x = cut(patches[0].values, patches[0].box, self.reach(0, box))
        return Patch(x[(slice(None),) * self.dim + (slice(None, None, self.step),)], box)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        target = self.reach(0, box)
        if self.step == 1:
            return [Share(0, target, values, own)]
        wide = values.new_zeros((values.shape[0], *sizes(target)))
        wide[(slice(None),) * self.dim + (slice(None, None, self.step),)] = values
        return [Share(0, target, wide)]


@windowed("slice")
def slice_(node: fx.Node, setting: Setting) -> Rule:
    dim = int(argument(node, setting, "dim", 0))
    n = source(node, setting).meta["val"].shape[dim]
    start = int(argument(node, setting, "start") or 0)
    if dim % node.meta["val"].ndim == 0 and node.meta["val"].shape[0] == n:
        return Whole(node, setting)
    return Slice(node, setting, dim, min(start + n if start < 0 else start, n), int(argument(node, setting, "step", 1)))


class Whole(Rule):
    """A slice that takes everything, written by ``x[:, ...]``."""

    croppable = True

    def __init__(self, node: fx.Node, setting: Setting) -> None:
        super().__init__(node, setting, [source(node, setting)])

    def reach(self, index: int, box: Box) -> Box:
        return box

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        return Patch(cut(patches[0].values, patches[0].box, box), box)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        return [Share(0, box, values, own)]


@windowed("chunk", "split", "split_with_sizes")
def part(node: fx.Node, setting: Setting) -> Rule:
    op = operator_of(node)
    dim = int(argument(op, setting, "dim", 0))
    before = op.meta["val"][: cast(int, node.args[1])]
    return Slice(node, setting, dim, sum(int(v.shape[dim]) for v in before))


class Permutation(Rule):
    """Dimensions in another order; the batch stays first."""

    croppable = True

    def __init__(self, node: fx.Node, setting: Setting) -> None:
        super().__init__(node, setting, [source(node, setting)])
        n = len(self.shape)
        if op_name(node) == "permute":
            order = [int(d) % n for d in argument(node, setting, "dims")]
        else:
            order = list(range(n))
            a, b = int(cast(int, node.args[1])) % n, int(cast(int, node.args[2])) % n
            order[a], order[b] = b, a
        if order[0] != 0:
            raise NotWindowed
        self.order = order
        self.inverse = sorted(range(n), key=order.__getitem__)

    def reach(self, index: int, box: Box) -> Box:
        return tuple(box[d - 1] for d in self.inverse[1:])

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        x = cut(patches[0].values, patches[0].box, self.reach(0, box))
        return Patch(x.permute(self.order), box)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        return [Share(0, self.reach(0, box), values.permute(self.inverse), own)]


windowed("permute", "transpose")(Permutation)


class Reshape(Rule):
    """Another shape: dimensions shared at either end keep their part of the box, those between are filled."""

    croppable = True

    def __init__(self, node: fx.Node, setting: Setting) -> None:
        super().__init__(node, setting, [source(node, setting)])
        a, b = self.shapes[0], self.shape
        if a[:1] != b[:1] or len(a) < 2 or len(b) < 2:
            raise NotWindowed
        self.front = 1
        while self.front < min(len(a), len(b)) and a[self.front] == b[self.front]:
            self.front += 1
        self.tail = 0
        while self.tail < min(len(a), len(b)) - self.front and a[-1 - self.tail] == b[-1 - self.tail]:
            self.tail += 1

    def _across(self, box: Box, shape: Sequence[int]) -> Box:
        """The box in the other shape: shared dimensions as they are, the others whole."""
        middle = full_box(shape)[self.front - 1 : len(shape) - 1 - self.tail]
        return (*box[: self.front - 1], *middle, *box[len(box) - self.tail :])

    def reach(self, index: int, box: Box) -> Box:
        return self._across(box, self.shapes[0])

    def snap(self, box: Box) -> Box:
        return self._across(self.reach(0, box), self.shape)

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        inner = self.reach(0, box)
        x = cut(patches[0].values, patches[0].box, inner)
        return Patch(x.reshape(x.shape[0], *sizes(box)), box)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        target = self.reach(0, box)
        values = widen(values, box, self._across(target, self.shape))
        return [Share(0, target, values.reshape(values.shape[0], *sizes(target)), own)]


windowed("view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze")(Reshape)


class Mean(Rule):
    """The mean (or sum) over dimensions, which the gradient then fills."""

    def __init__(self, node: fx.Node, setting: Setting) -> None:
        super().__init__(node, setting, [source(node, setting)])
        rank = len(self.shapes[0])
        dims = argument(node, setting, "dim")
        if dims is None or argument(node, setting, "dtype") is not None:
            raise NotWindowed
        self.dims = sorted(int(d) % rank for d in (dims if isinstance(dims, (list, tuple)) else [dims]))
        if not self.dims or self.dims[0] == 0:
            raise NotWindowed
        self.kept = bool(argument(node, setting, "keepdim", False))
        count = 1
        for d in self.dims:
            count *= self.shapes[0][d]
        self.factor = 1 / count if op_name(node) == "mean" else 1.0

    def reach(self, index: int, box: Box) -> Box:
        spans = list(box)
        for d in self.dims:
            if self.kept:
                spans[d - 1] = (0, self.shapes[0][d])
            else:
                spans.insert(d - 1, (0, self.shapes[0][d]))
        return tuple(spans)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        if not self.kept:
            for d in self.dims:
                values = values.unsqueeze(d)
        target = self.reach(0, box)
        return [Share(0, target, (values * self.factor).expand(values.shape[0], *sizes(target)), False)]


windowed("mean", "sum")(Mean)


class PerPosition(Rule):
    """A function along the last dimensions at every position of the others: layer norm, softmax."""

    def __init__(self, node: fx.Node, setting: Setting, mixed: Sequence[int]) -> None:
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
def layer_norm(node: fx.Node, setting: Setting) -> Rule:
    rank = len(node.meta["val"].shape)
    count = len(argument(node, setting, "normalized_shape"))
    return PerPosition(node, setting, range(rank - count, rank))


@windowed("softmax", "_softmax", "log_softmax")
def softmax(node: fx.Node, setting: Setting) -> Rule:
    return PerPosition(node, setting, [int(argument(node, setting, "dim")) % node.meta["val"].ndim])
