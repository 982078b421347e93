"""Another shape for the same elements: dimensions that split or join, whose boxes go across as runs of elements."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import fx

from rftools.erf.maps.cone.base import NotWindowed, PreparedGraph, Share, WindowedRule, source, windowed
from rftools.erf.maps.cone.boxes import Box, Patch, Span, cut, sizes, widen

Sizes = tuple[int, ...]
Run = tuple[int, int]


def groups_of(a: Sequence[int], b: Sequence[int]) -> list[tuple[Sizes, Sizes]]:
    """The shortest runs of dimensions in two shapes that hold the same number of elements; ones go with a neighbour.

    >>> groups_of((56, 56, 96), (8, 7, 8, 7, 96))
    [((56,), (8, 7)), ((56,), (8, 7)), ((96,), (96,))]
    """
    found: list[tuple[Sizes, Sizes]] = []
    i = j = 0
    while i < len(a) and j < len(b):
        first, second = i, j
        left, right = a[i], b[j]
        i, j = i + 1, j + 1
        while left != right:
            if left < right:
                left, i = left * a[i], i + 1
            else:
                right, j = right * b[j], j + 1
        found.append((tuple(a[first:i]), tuple(b[second:j])))
    if i < len(a) or j < len(b):  # ones that are left over
        last = found.pop()
        found.append(((*last[0], *a[i:]), (*last[1], *b[j:])))
    return found


def run_of(box: Sequence[Span], shape: Sizes) -> Run:
    """From the first to past the last element of a box, counted row by row."""
    first = last = 0
    for (low, high), n in zip(box, shape, strict=True):
        first, last = first * n + low, last * n + high - 1
    return first, last + 1


def cover(run: Run, shape: Sizes) -> Box:
    """The smallest box without gaps, counted row by row, that holds the elements of a run."""
    first, last = run[0], run[1] - 1
    found: list[Span] = []
    for dim in range(len(shape)):
        inner = math.prod(shape[dim + 1 :])
        low, high = first // inner, last // inner
        found.append((low, high + 1))
        if low != high:
            return (*found, *((0, m) for m in shape[dim + 1 :]))
        first, last = first - low * inner, last - low * inner
    return tuple(found)


def matched(run: Run, a: Sizes, b: Sizes) -> tuple[Box, Box]:
    """The smallest boxes of two shapes that hold just the same elements, the run's among them."""
    while True:
        there = cover(run, b)
        run = run_of(there, b)
        here = cover(run, a)
        if run_of(here, a) == run:
            return here, there
        run = run_of(here, a)


class Reshape(WindowedRule):
    """Another shape: a dimension that stays keeps its span; where some split or join, the run of elements counts."""

    croppable = True

    def __init__(self, node: fx.Node, setting: PreparedGraph) -> None:
        super().__init__(node, setting, [source(node, setting)])
        a, b = self.shapes[0], self.shape
        if a[:1] != b[:1] or len(a) < 2 or len(b) < 2 or 0 in a:
            raise NotWindowed
        self.groups = groups_of(a[1:], b[1:])

    def _runs(self, box: Box) -> list[tuple[Run, Sizes, Sizes]]:
        found, dim = [], 0
        for a, b in self.groups:
            found.append((run_of(box[dim : dim + len(b)], b), a, b))
            dim += len(b)
        return found

    def reach(self, index: int, box: Box) -> Box:
        return tuple(span for run, a, _ in self._runs(box) for span in cover(run, a))

    def _matched(self, box: Box) -> tuple[Box, Box]:
        both = [matched(*run) for run in self._runs(box)]
        return tuple(s for here, _ in both for s in here), tuple(s for _, there in both for s in there)

    def snap(self, box: Box) -> Box:
        return self._matched(box)[1]

    def run(self, patches: Sequence[Patch], box: Box) -> Patch:
        x = cut(patches[0].values, patches[0].box, self.reach(0, box))
        return Patch(x.reshape(x.shape[0], *sizes(box)), box)

    def back(self, values: torch.Tensor, box: Box, images: int, own: bool) -> list[Share]:
        target = self.reach(0, box)
        here, there = self._matched(box)
        values = widen(values, box, there).reshape(values.shape[0], *sizes(here))
        return [Share(0, target, cut(values, here, target), own)]


windowed("view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze")(Reshape)
