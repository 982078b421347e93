"""What rules are written on: a tensor's field, or anything else that goes through the same moves.

`Field` carries the sets of input indices; `Flow` a tensor whose gradient is one unit's support; `Position` the places
of elements in the image. A rule does not know which of them it works on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray

from rftools.trf.taps import Taps


class Carrier(Protocol):
    """The moves that rules are made of; each gives what the operator's output carries."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's own shape."""

    @property
    def cause(self) -> str | None:
        """Why what is carried is not known; None where it is."""

    def carries(self, dim: int) -> bool:
        """Whether it matters where along ``dim`` an element is."""

    def window(self, dim: int, taps: Taps) -> Self:
        """After an operator that reads dimension ``dim`` at ``taps``."""

    def reduce(self, *dims: int, keepdim: bool = True) -> Self:
        """After a reduction over whole dimensions."""

    def couple(self, *dims: int) -> Self:
        """After an operator in which every element of ``dims`` sees all others."""

    def channels(self, dim: int, length: int, groups: int = 1) -> Self:
        """After an operator that mixes dimension ``dim`` within ``groups`` and leaves ``length`` channels."""

    def split_dim(self, dim: int, sizes: Sequence[int]) -> Self:
        """One dimension seen as several."""

    def expand_dim(self, dim: int, length: int) -> Self:
        """A dimension of length 1 repeated."""

    def expand(self, shape: Sequence[int]) -> Self:
        """Broadcast to ``shape``."""

    def permute(self, order: Sequence[int]) -> Self:
        """Dimensions in another order."""

    def reshape(self, shape: Sequence[int]) -> Self:
        """The same elements in row-major order under another shape."""

    def take(self, dim: int, indices: Sequence[int]) -> Self:
        """The elements at ``indices`` along ``dim``."""

    def select(self, dim: int, index: int) -> Self:
        """One element of dimension ``dim``, which goes."""

    def running(self, dim: int) -> Self:
        """After a cumulative operator."""

    def settled(self) -> Self:
        """Element by element what was said of groups of channels."""

    def closed(self, places: torch.Tensor) -> Self:
        """Without what elements see where ``places`` is true, since a constant makes them one."""

    def contract(self, dim: int, reads: NDArray[np.bool_]) -> Self:
        """After a sum over ``dim`` in which output index ``o`` reads index ``i`` where ``reads[o, i]``."""

    def bounded(self) -> Self:
        """Said to contain the truth, and perhaps more."""
