"""A second carrier (see `carrier`) for the same rules: a tensor whose gradient is the exact support, pixel by pixel.

Every rule is written in a few moves (windows, reductions, reshapes, unions). Done on a tensor with coefficients that
are never negative, the same moves give a linear map whose transpose carries a unit's support back to the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rftools.trf.taps import Taps


@dataclass(frozen=True, eq=False)
class Flow:
    """One tensor on the way; has the moves of `Field`."""

    tensor: torch.Tensor
    cause: str | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    @property
    def labels(self) -> np.ndarray:
        """Elements of one tensor are told apart by themselves."""
        return np.zeros(2, dtype=np.int64)

    def carries(self, dim: int) -> bool:
        return True

    def window(self, dim: int, taps: Taps) -> Flow:
        total: torch.Tensor | None = None
        for row in taps.rows():
            index = torch.from_numpy(np.where(row < 0, 0, row)).to(self.tensor.device)
            part = self.tensor.index_select(dim, index)
            if (row < 0).any():
                shape = [1] * len(self.shape)
                shape[dim] = len(row)
                part = part * torch.from_numpy(row >= 0).to(part).reshape(shape)
            total = part if total is None else total + part
        assert total is not None
        return Flow(total)

    def reduce(self, *dims: int, keepdim: bool = True) -> Flow:
        return Flow(self.tensor.sum(dims, keepdim=keepdim)) if dims else self

    def couple(self, *dims: int) -> Flow:
        return Flow(self.tensor.sum(dims, keepdim=True).expand(self.shape)) if dims else self

    def channels(self, dim: int, length: int, groups: int = 1) -> Flow:
        dim %= len(self.shape)
        split = (*self.shape[:dim], groups, self.shape[dim] // groups, *self.shape[dim + 1 :])
        summed = self.tensor.reshape(split).sum(dim + 1, keepdim=True)
        wide = list(summed.shape)
        wide[dim + 1] = length // groups
        return Flow(summed.expand(wide).reshape((*self.shape[:dim], length, *self.shape[dim + 1 :])))

    def split_dim(self, dim: int, sizes: Sequence[int]) -> Flow:
        return self.reshape((*self.shape[:dim], *sizes, *self.shape[dim + 1 :]))

    def expand_dim(self, dim: int, length: int) -> Flow:
        shape = list(self.shape)
        shape[dim] = length
        return Flow(self.tensor.expand(shape))

    def expand(self, shape: Sequence[int]) -> Flow:
        return Flow(self.tensor.expand(tuple(shape)))

    def permute(self, order: Sequence[int]) -> Flow:
        return Flow(self.tensor.permute(tuple(order)))

    def reshape(self, shape: Sequence[int]) -> Flow:
        return Flow(self.tensor.reshape(tuple(shape)))

    def take(self, dim: int, indices: Sequence[int]) -> Flow:
        index = torch.as_tensor(list(indices), dtype=torch.int64, device=self.tensor.device)
        return Flow(self.tensor.index_select(dim, index))

    def select(self, dim: int, index: int) -> Flow:
        return Flow(self.tensor.select(dim, index))

    def running(self, dim: int) -> Flow:
        return Flow(self.tensor.cumsum(dim))

    def settled(self) -> Flow:
        return self

    def closed(self, places: torch.Tensor) -> Flow:
        return Flow(self.tensor * (~places).to(self.tensor))

    def contract(self, dim: int, reads: np.ndarray) -> Flow:
        summed = self.tensor.movedim(dim, -1) @ torch.from_numpy(reads.T.copy()).to(self.tensor)
        return Flow(summed.movedim(-1, dim))

    def bounded(self) -> Flow:
        return self

    @staticmethod
    def joined(flows: Sequence[Flow], shape: Sequence[int]) -> Flow:
        total = flows[0].tensor
        for flow in flows[1:]:
            total = total + flow.tensor
        return Flow(total.expand(tuple(shape)))

    @staticmethod
    def concatenated(flows: Sequence[Flow | None], lengths: Sequence[int], dim: int, shape: Sequence[int]) -> Flow:
        like = next(flow for flow in flows if flow is not None).tensor
        pieces = []
        for flow, length in zip(flows, lengths, strict=True):
            blank = list(shape)
            blank[dim] = length
            pieces.append(like.new_zeros(blank) if flow is None else flow.tensor)
        return Flow(torch.cat(pieces, dim))
