"""Steps of the surviving walk through weights: what is not zero lets a path through, channel by channel.

A cotangent that is the same in all channels stays one pattern (stride 0) where every channel is read alike; others are
worked out inside the box that holds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx
from torch.nn import functional as F

from rftools.capture import op_name
from rftools.capture.operators import BATCH_NORMS
from rftools.capture.shapes import shape_of
from rftools.trf.engine import Evaluator
from rftools.trf.rules import make_call
from rftools.trf.rules.norms import own_statistics
from rftools.trf.shortcuts import Step

TRANSPOSED = {"conv1d": F.conv_transpose1d, "conv2d": F.conv_transpose2d, "conv3d": F.conv_transpose3d}


@dataclass(frozen=True)
class Kernel:
    """A convolution's surviving taps: as zeros and ones, and what any of its outputs reads of each input.

    ``patterns`` ``(1, distinct, *kernel)`` are the different ways in which inputs are read, ``which`` says each's own.
    """

    taps: torch.Tensor
    patterns: torch.Tensor
    which: torch.Tensor
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


@dataclass
class LinearSteps:
    """What weights let through, worked out once for all walks of a graph; with ``any_value`` no weight is zero."""

    any_value: bool = False
    kernels: dict[fx.Node, Kernel | None] = field(default_factory=dict)
    whole: dict[fx.Node, bool] = field(default_factory=dict)

    def step(self, node: fx.Node, cotangents: Sequence[torch.Tensor | None], evaluate: Evaluator) -> Step | None:
        """The step back through a convolution or a norm; None where it takes another way."""
        cotangent, source = cotangents[0] if len(cotangents) == 1 else None, node.args[0]
        if cotangent is None or not isinstance(source, fx.Node):
            return None
        if op_name(node) in BATCH_NORMS and not self.any_value:
            return [(source, 0, cotangent)] if self._all_pass(node, evaluate) else None
        if node not in self.kernels:
            self.kernels[node] = _kernel(node, source, evaluate, self.any_value)
        kernel = self.kernels[node]
        return None if kernel is None else [(source, 0, _read(kernel, cotangent, shape_of(source)))]

    def _all_pass(self, node: fx.Node, evaluate: Evaluator) -> bool:
        """Whether a norm by running statistics weighs no channel with zero."""
        if node not in self.whole:
            own = isinstance(node.meta["val"], torch.Tensor) and not own_statistics(make_call(node, {}, evaluate))
            weight = evaluate(node.args[1]) if own else None
            self.whole[node] = isinstance(weight, torch.Tensor) and weight.device.type != "meta" and bool(weight.all())
        return self.whole[node]


def _kernel(node: fx.Node, source: fx.Node, evaluate: Evaluator, any_value: bool) -> Kernel | None:
    name = op_name(node)
    if name not in TRANSPOSED or any(n is not source for n in node.all_input_nodes if evaluate.fixed(n) is None):
        return None
    call = make_call(node, {}, evaluate)
    weight = node.args[1].meta["val"] if any_value and isinstance(node.args[1], fx.Node) else evaluate(node.args[1])
    rank = int(name[4])
    sizes = [_each(call[word], rank) for word in ("stride", "padding", "dilation")]
    if not isinstance(weight, torch.Tensor) or None in sizes or (weight.device.type == "meta" and not any_value):
        return None
    if any_value and int(call["groups"]) > 1:
        return None
    taps = torch.ones(1, 1, *weight.shape[2:], dtype=torch.bool) if any_value else weight != 0
    patterns, which = torch.unique(taps.any(0).flatten(1), dim=0, return_inverse=True)
    patterns = patterns.reshape(1, -1, *taps.shape[2:]).float()
    stride, padding, dilation = ((own or ()) for own in sizes)
    return Kernel(taps.float(), patterns, which, stride, padding, dilation, int(call["groups"]))


def _each(value: Any, rank: int) -> tuple[int, ...] | None:
    """One number an axis; None for padding by name."""
    if isinstance(value, str):
        return None
    return (int(value),) * rank if isinstance(value, int) else tuple(int(v) for v in value) * (rank // len(value))


def _read(kernel: Kernel, cotangent: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """What the outputs in ``cotangent`` ``(1, C, *spatial)`` read of an input of this shape, as zeros and ones."""
    found = torch.zeros((), dtype=cotangent.dtype).expand(tuple(shape))
    seen, first = _boxed(cotangent[:, :1] if cotangent.stride(1) == 0 else cotangent)
    if seen is None:
        return found
    if kernel.taps.shape[:2] == (1, 1):
        seen = seen.amax(1, keepdim=True)
    alike = seen.shape[1] == 1 and kernel.groups == 1
    seen = seen if alike else seen.expand(-1, cotangent.shape[1], *seen.shape[2:])
    way = TRANSPOSED[f"conv{len(first)}d"]
    groups = 1 if alike else kernel.groups
    read = way(
        seen, kernel.patterns if alike else kernel.taps, None, kernel.stride, 0, 0, groups, kernel.dilation
    )  # fmt: skip
    read = (read > 0).to(cotangent.dtype)
    if bool((read == read[:, :1]).all()):
        read = read[:, :1]
    elif alike:
        read = read[:, kernel.which]
    start = [low * s - p for low, s, p in zip(first, kernel.stride, kernel.padding, strict=True)]
    whole = torch.zeros((1, read.shape[1], *shape[2:]), dtype=cotangent.dtype)
    into, part = [slice(None)] * 2, [slice(None)] * 2
    for low, n, length in zip(start, read.shape[2:], shape[2:], strict=True):
        into.append(slice(max(low, 0), max(min(low + n, length), 0)))
        part.append(slice(max(-low, 0), max(min(n, length - low), 0)))
    whole[tuple(into)] = read[tuple(part)]
    return whole.expand(tuple(shape))


def _boxed(cotangent: torch.Tensor) -> tuple[torch.Tensor | None, list[int]]:
    """What is not zero along the spatial axes, and where it begins; one channel where all are alike."""
    flat = cotangent.amax((0, 1))
    first, cut = [], [slice(None)] * 2
    for axis in range(flat.ndim):
        seen = flat.amax([a for a in range(flat.ndim) if a != axis]) if flat.ndim > 1 else flat
        places = seen.nonzero()
        if not len(places):
            return None, []
        first.append(int(places[0]))
        cut.append(slice(first[-1], int(places[-1]) + 1))
    found = cotangent[tuple(cut)]
    if found.shape[1] > 1 and bool((found == found[:, :1]).all()):
        found = found[:, :1]
    return found, first
