"""A third carrier for the rules: where in the image each element of a tensor lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rftools.trf.flow import Flow
from rftools.trf.shortcuts import narrow
from rftools.trf.taps import Taps

NEAR = 1e-3  # px: places closer than that are one


@dataclass(frozen=True, eq=False)
class Position(Flow):
    """The places of one tensor's elements in input pixels, ``(input axes, *shape)``; NaN where there is none."""

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape[1:])

    def window(self, dim: int, taps: Taps) -> Position:
        dim = dim % len(self.shape) + 1
        rows = np.where(taps.table < 0, 0, taps.table)
        seen = torch.from_numpy(taps.table >= 0)
        if (self.tensor.shape[dim] > 1 and self.tensor.stride(dim) == 0) or self.tensor.shape[dim] == 1:
            taken = self.tensor.narrow(dim, 0, 1).expand(_with(self.tensor.shape, dim, taps.length))
        elif (law := self._progression(dim)) is not None and taps.offsets:
            first, step = law
            centres = torch.tensor(_mean_indices(taps), dtype=first.dtype)
            taken = first + step * centres.reshape([-1 if d == dim else 1 for d in range(first.ndim)])
            taken = taken.expand(_with(self.tensor.shape, dim, taps.length))
        else:
            parts = [self.tensor.index_select(dim, torch.from_numpy(row)) for row in rows]
            shape = [-1 if d == dim else 1 for d in range(self.tensor.ndim)]
            masked = [torch.where(s.reshape(shape), part, torch.nan) for s, part in zip(seen, parts, strict=True)]
            taken = torch.stack(masked).nanmean(0)
        if not bool(seen.any(0).all()):
            shape = [-1 if d == dim else 1 for d in range(taken.ndim)]
            taken = torch.where(seen.any(0).reshape(shape), taken, torch.nan)
        return Position(taken)

    def _progression(self, dim: int) -> tuple[torch.Tensor, torch.Tensor] | None:
        """The first place along ``dim`` and the step from one to the next; None where steps differ."""
        slim = narrow(self.tensor)
        first, step = slim.narrow(dim, 0, 1), slim.narrow(dim, 1, 1) - slim.narrow(dim, 0, 1)
        steps = slim.diff(dim=dim)
        return (first, step) if bool(((steps - step).abs() < NEAR).all()) else None

    def reduce(self, *dims: int, keepdim: bool = True) -> Position:
        if not dims:
            return self
        chosen = [d % len(self.shape) + 1 for d in dims]
        slim = narrow(self.tensor)
        mean = slim.nanmean(chosen, keepdim=True) if any(slim.shape[d] > 1 for d in chosen) else slim
        wide = mean.expand([1 if d in chosen else n for d, n in enumerate(self.tensor.shape)])
        return Position(wide if keepdim else wide.squeeze(chosen))

    def couple(self, *dims: int) -> Position:
        return self

    def running(self, dim: int) -> Position:
        return self

    def channels(self, dim: int, length: int, groups: int = 1) -> Position:
        return self.reduce(dim).expand_dim(dim % len(self.shape), length)

    def split_dim(self, dim: int, sizes: Sequence[int]) -> Position:
        return self.reshape((*self.shape[:dim], *sizes, *self.shape[dim + 1 :]))

    def expand_dim(self, dim: int, length: int) -> Position:
        return Position(self.tensor.expand(_with(self.tensor.shape, dim % len(self.shape) + 1, length)))

    def expand(self, shape: Sequence[int]) -> Position:
        extra = len(shape) - len(self.shape)
        wide = self.tensor.reshape((self.tensor.shape[0], *[1] * extra, *self.shape))
        return Position(wide.expand((self.tensor.shape[0], *shape)))

    def permute(self, order: Sequence[int]) -> Position:
        return Position(self.tensor.permute((0, *(d % len(self.shape) + 1 for d in order))))

    def reshape(self, shape: Sequence[int]) -> Position:
        return Position(self.tensor.reshape((self.tensor.shape[0], *shape)))

    def take(self, dim: int, indices: Sequence[int]) -> Position:
        index = torch.as_tensor(list(indices), dtype=torch.int64)
        dim = dim % len(self.shape) + 1
        if self.tensor.stride(dim) == 0:
            return Position(self.tensor.narrow(dim, 0, 1).expand(_with(self.tensor.shape, dim, len(index))))
        return Position(self.tensor.index_select(dim, index))

    def select(self, dim: int, index: int) -> Position:
        return Position(self.tensor.select(dim % len(self.shape) + 1, index))

    def settled(self) -> Position:
        return self

    def closed(self, places: torch.Tensor) -> Position:
        return self

    def contract(self, dim: int, reads: np.ndarray) -> Position:
        return self.reduce(dim).expand_dim(dim, len(reads))

    def bounded(self) -> Position:
        return self

    @staticmethod
    def joined(flows: Sequence[Flow], shape: Sequence[int]) -> Position:
        """Of what is added up, that which tells most places apart: a gate's or a token mixer's is one for all."""
        best = flows[0] if len(flows) == 1 else max(flows, key=lambda flow: places_of(flow.tensor))
        return Position(best.tensor).expand(shape)

    @staticmethod
    def concatenated(flows: Sequence[Flow | None], lengths: Sequence[int], dim: int, shape: Sequence[int]) -> Position:
        axes = next(flow for flow in flows if flow is not None).tensor.shape[0]
        pieces = [
            torch.full((axes, *_with(shape, dim, length)), torch.nan) if flow is None else flow.tensor
            for flow, length in zip(flows, lengths, strict=True)
        ]
        return Position(torch.cat(pieces, dim + 1))


def _with(shape: Sequence[int], dim: int, length: int) -> list[int]:
    return [length if d == dim else n for d, n in enumerate(shape)]


def _mean_indices(taps: Taps) -> list[float]:
    """The mean of the indices that each output index reads, had the input no end."""
    means = [sum(row) / max(len(row), 1) for row in taps.offsets]
    return [means[o % taps.period] + (o // taps.period) * taps.step for o in range(taps.length)]


def places_of(tensor: torch.Tensor) -> int:
    slim = narrow(tensor)
    slim = slim.reshape(len(slim), -1)
    known = slim[:, ~slim.isnan().any(0)]
    return int((known / NEAR).round().unique(dim=1).shape[1]) if known.numel() else 0
