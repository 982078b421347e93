"""Boxes: parts of a tensor along all dimensions but the batch, and cotangents that live on one."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch

Span = tuple[int, int]
Box = tuple[Span, ...]


@dataclass
class Patch:
    """Values of a node on ``box``; ``values`` is ``(images, *sizes of the box)``."""

    values: torch.Tensor
    box: Box


@dataclass
class Cotangent:
    """Gradients of several targets at one node, zero outside ``box``.

    ``values`` is ``(targets * images, *sizes of the box)``, a target's images next to each other. ``own`` says that
    nothing else reads the tensor, so that it may be changed in place.
    """

    targets: tuple[int, ...]
    values: torch.Tensor
    box: Box
    own: bool = True

    @property
    def images(self) -> int:
        return self.values.shape[0] // len(self.targets)

    @property
    def bytes(self) -> int:
        return self.values.numel() * self.values.element_size()

    def of(self, wanted: Collection[int]) -> Cotangent | None:
        """The part that belongs to the wanted targets."""
        held = [t for t in self.targets if t in wanted]
        if not held or len(held) == len(self.targets):
            return self if held else None
        first = self.targets.index(held[0])
        if self.targets[first : first + len(held)] == tuple(held):
            rows = slice(first * self.images, (first + len(held)) * self.images)
            return Cotangent(tuple(held), self.values[rows], self.box, self.own)
        apart = self.values.unflatten(0, (len(self.targets), self.images))
        index = torch.tensor([self.targets.index(t) for t in held], device=apart.device)
        return Cotangent(tuple(held), apart.index_select(0, index).flatten(0, 1), self.box)


def full_box(shape: Sequence[int]) -> Box:
    return tuple((0, n) for n in shape[1:])


def sizes(box: Box) -> tuple[int, ...]:
    return tuple(high - low for low, high in box)


def volume(box: Box) -> int:
    return math.prod(sizes(box))


def union(a: Box, b: Box) -> Box:
    return tuple((min(p[0], q[0]), max(p[1], q[1])) for p, q in zip(a, b, strict=True))


def cut(values: torch.Tensor, box: Box, inner: Box) -> torch.Tensor:
    """A view of the part of ``values`` that lies on ``inner``, which ``box`` holds."""
    for dim, (has, wants) in enumerate(zip(box, inner, strict=True), 1):
        if has != wants:
            values = values.narrow(dim, wants[0] - has[0], wants[1] - wants[0])
    return values


def widen(values: torch.Tensor, box: Box, outer: Box) -> torch.Tensor:
    """``values`` with zeros around them, up to ``outer``."""
    if box == outer:
        return values
    wide = values.new_zeros((values.shape[0], *sizes(outer)))
    cut(wide, outer, box).copy_(values)
    return wide


def tighten(values: torch.Tensor, box: Box) -> tuple[torch.Tensor, Box]:
    """Without the margins in which every value is zero; an empty batch of zeros keeps one element a dimension."""
    hit = (values != 0).any(0)
    inner: list[Span] = []
    for dim, (low, _) in enumerate(box):
        others = [d for d in range(hit.ndim) if d != dim]
        alive = (hit.amax(others) if others else hit).nonzero()
        first, last = (int(alive[0]), int(alive[-1])) if len(alive) else (0, 0)
        inner.append((low + first, low + last + 1))
    return cut(values, box, tuple(inner)), tuple(inner)


def stack(parts: Sequence[Cotangent]) -> Cotangent:
    """The sum of cotangents at one node: targets side by side, the same target's contributions added."""
    base = max(parts, key=lambda part: (part.values.numel(), part.own))
    outer = base.box
    targets = list(base.targets)
    for part in parts:
        outer = union(outer, part.box)
        targets += [t for t in part.targets if t not in targets]
    rest = [part for part in parts if part is not base]
    if outer == base.box and len(targets) == len(base.targets):
        if not base.own and len(rest) == 1 and rest[0].targets == base.targets and rest[0].box == outer:
            return Cotangent(base.targets, base.values + rest[0].values, outer)
        total = base.values if base.own else base.values.clone()
    else:
        images = base.images
        total = base.values.new_zeros((len(targets) * images, *sizes(outer)))
        rest = list(parts)
    done = Cotangent(tuple(targets), total, outer)
    for part in rest:
        _add(done, part)
    return done


def _add(total: Cotangent, part: Cotangent) -> None:
    inside = cut(total.values, total.box, part.box)
    if part.targets == total.targets:
        inside.add_(part.values)
        return
    n = part.images
    for number, target in enumerate(part.targets):
        position = total.targets.index(target)
        inside[position * n : position * n + n].add_(part.values[number * n : number * n + n])


def joined(parts: list[Cotangent]) -> list[Cotangent]:
    """Cotangents that share a target become one; the others stay apart."""
    groups: list[list[Cotangent]] = []
    for part in parts:
        touching = [g for g in groups if any(set(part.targets) & set(other.targets) for other in g)]
        merged = [part, *(other for g in touching for other in g)]
        groups = [g for g in groups if g not in touching] + [merged]
    return [group[0] if len(group) == 1 else stack(group) for group in groups]
