"""Operators that move elements, or mix them along dimensions that a box then has to fill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import fx

from rftools.capture import op_name
from rftools.capture.shapes import shape_of
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
from rftools.erf.maps.cone.boxes import Box, Patch, Span, cut, full_box, sizes, widen


class Concatenation(WindowedRule):
    """Side by side along one dimension; a part may be a constant (a class token), or come twice."""

    croppable = True

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        parts = cast(Sequence[Any], node.args[0])
        dynamic = list(dict.fromkeys(t for t in parts if setting.dynamic(t)))
        super().__init__(node, setting, dynamic)
        self.dim = int(argument(node, setting, "dim", 0)) % len(self.shape)
        self.parts = [t if setting.dynamic(t) else setting.evaluate(t) for t in parts]
        constants = [t for t in self.parts if isinstance(t, torch.Tensor)]
        if self.dim == 0 or not dynamic or any(t.shape[0] != 1 or t.ndim != len(self.shape) for t in constants):
            raise NotWindowed
        lengths = [(shape_of(t) if isinstance(t, fx.Node) else t.shape)[self.dim] for t in self.parts]
        self.spans = [(sum(lengths[:i]), sum(lengths[: i + 1])) for i in range(len(lengths))]

    def _own(self, number: int, box: Box) -> Span:
        """What a part holds of the box, counted in the part; nothing where the box lies beside it."""
        (low, high), (first, last) = box[self.dim - 1], self.spans[number]
        return max(low, first) - first, max(min(high, last), first) - first

    def _with(self, box: Box, span: Span) -> Box:
        return (*box[: self.dim - 1], span, *box[self.dim :])

    def reach(self, index: int, box: Box) -> Box:
        own = [self._own(n, box) for n, part in enumerate(self.parts) if part is self.inputs[index]]
        own = [span for span in own if span[0] < span[1]] or [(0, 1)]
        return self._with(box, (min(span[0] for span in own), max(span[1] for span in own)))

    def snap(self, box: Box) -> Box:
        return self._with(box, (0, self.shape[self.dim]))

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        images = patches[0].values.shape[0]
        return Patch(torch.cat([self._part(n, patches, box, images) for n in range(len(self.parts))], self.dim), box)

    def _part(self, number: int, patches: Sequence[Patch], box: Box, images: int) -> torch.Tensor:
        part, own = self.parts[number], self._own(number, box)
        if isinstance(part, fx.Node):
            patch = patches[self.inputs.index(part)]
            return cut(patch.values, patch.box, self._with(box, own))
        return cut(part, full_box(part.shape), self._with(box, own)).expand(images, *[-1] * (part.ndim - 1))

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        found = []
        for number, part in enumerate(self.parts):
            first, last = self._own(number, box)
            if isinstance(part, fx.Node) and first < last:
                piece = values.narrow(self.dim, first + self.spans[number][0] - box[self.dim - 1][0], last - first)
                found.append(Share(self.inputs.index(part), self._with(box, (first, last)), piece, False))
        return found


windowed("cat", "concat")(Concatenation)


class Slice(WindowedRule):
    """A part of one dimension, every ``step``-th element of it; one part of a chunk or a split."""

    croppable = True

    def __init__(self, node: fx.Node, setting: PreparedGraph, dim: int, start: int, step: int = 1) -> None:
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
def slice_(node: fx.Node, setting: PreparedGraph) -> WindowedRule:
    dim = int(argument(node, setting, "dim", 0))
    n = source(node, setting).meta["val"].shape[dim]
    start = int(argument(node, setting, "start") or 0)
    if dim % node.meta["val"].ndim == 0 and node.meta["val"].shape[0] == n:
        return Whole(node, setting)
    return Slice(node, setting, dim, min(start + n if start < 0 else start, n), int(argument(node, setting, "step", 1)))


class Select(WindowedRule):
    """One place of a dimension, which the output then lacks."""

    croppable = True

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        super().__init__(node, setting, [source(node, setting)])
        self.dim = int(argument(node, setting, "dim")) % len(self.shapes[0])
        self.place = int(argument(node, setting, "index")) % self.shapes[0][self.dim]
        if self.dim == 0 or len(self.shape) < 2:
            raise NotWindowed

    def reach(self, index: int, box: Box) -> Box:
        return (*box[: self.dim - 1], (self.place, self.place + 1), *box[self.dim - 1 :])

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        return Patch(cut(patches[0].values, patches[0].box, self.reach(0, box)).squeeze(self.dim), box)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        return [Share(0, self.reach(0, box), values.unsqueeze(self.dim), own)]


windowed("select")(Select)


class Whole(WindowedRule):
    """A slice that takes everything, written by ``x[:, ...]``."""

    croppable = True

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        super().__init__(node, setting, [source(node, setting)])

    def reach(self, index: int, box: Box) -> Box:
        return box

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        return Patch(cut(patches[0].values, patches[0].box, box), box)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        return [Share(0, box, values, own)]


@windowed("chunk", "split", "split_with_sizes")
def part(node: fx.Node, setting: PreparedGraph) -> WindowedRule:
    op = operator_of(node)
    dim = int(argument(op, setting, "dim", 0))
    before = op.meta["val"][: cast(int, node.args[1])]
    return Slice(node, setting, dim, sum(int(v.shape[dim]) for v in before))


class Permutation(WindowedRule):
    """Dimensions in another order; the batch stays first."""

    croppable = True

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
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


class Roll(WindowedRule):
    """Round a dimension: a box that the seam cuts fills it."""

    croppable = True

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        super().__init__(node, setting, [source(node, setting)])
        dims = [int(d) % len(self.shape) for d in argument(node, setting, "dims", ())]
        if not dims or 0 in dims:
            raise NotWindowed
        self.by = dict.fromkeys(dims, 0)
        for dim, shift in zip(dims, argument(node, setting, "shifts"), strict=True):
            self.by[dim] += int(shift)

    def _span(self, dim: int, span: Span) -> Span:
        n = self.shape[dim]
        low = (span[0] - self.by.get(dim, 0)) % n
        return (low, low + span[1] - span[0]) if low + span[1] - span[0] <= n else (0, n)

    def reach(self, index: int, box: Box) -> Box:
        return tuple(self._span(dim, span) for dim, span in enumerate(box, 1))

    def _seamed(self, box: Box) -> list[int]:
        """The dimensions along which the seam lies inside the box, or which the box fills."""
        return [dim for dim in self.by if self._span(dim, box[dim - 1]) == (0, self.shape[dim])]

    def snap(self, box: Box) -> Box:
        seamed = self._seamed(box)
        return tuple((0, self.shape[d]) if d in seamed else span for d, span in enumerate(box, 1))

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        seamed = self._seamed(box)
        x = cut(patches[0].values, patches[0].box, self.reach(0, box))
        return Patch(x.roll([self.by[d] for d in seamed], seamed) if seamed else x, box)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        seamed = self._seamed(box)
        values = widen(values, box, self.snap(box))
        if seamed:
            values, own = values.roll([-self.by[d] for d in seamed], seamed), True
        return [Share(0, self.reach(0, box), values, own)]


windowed("roll")(Roll)


class Mean(WindowedRule):
    """The mean (or sum) over dimensions, which the gradient then fills."""

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
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
