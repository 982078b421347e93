"""Tensors of a file as what a module's parameters take: dense real numbers, or a line that says what they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rftools.errors import RequestError
from rftools.reading import check

if TYPE_CHECKING:
    import torch


def dense(state: Mapping[str, torch.Tensor], where: str) -> dict[str, torch.Tensor]:
    """A state dict without sparse and quantised tensors: these are unfolded into the values that they stand for.

    Raises:
        RequestError: tensors without values (of the meta device); more numbers than the limit.
    """
    return {name: _dense(tensor, f"{where}: {name}") for name, tensor in state.items()}


def _dense(tensor: torch.Tensor, what: str) -> torch.Tensor:
    import torch

    if tensor.is_meta:
        raise RequestError(f"{what} is on the meta device: it has a shape and no values; save the net with its weights")
    if tensor.is_nested:
        raise RequestError(f"{what} is a nested tensor, which is not read")
    if tensor.is_quantized:
        return tensor.dequantize()
    if tensor.layout != torch.strided:
        check("constants", tensor.numel(), what)
        return tensor.to_dense()
    return tensor


def check_kind(given: torch.Tensor, own: torch.Tensor, what: str) -> None:
    """Raise where a copy would change what the numbers mean.

    Raises:
        RequestError: complex numbers for real ones; whole numbers for fractions, which stand for others by a scale.
    """
    if given.is_complex() and not own.is_complex():
        raise RequestError(f"{what} is complex, the model's is real")
    if own.is_floating_point() and not given.is_floating_point():
        kind = str(given.dtype).removeprefix("torch.")
        raise RequestError(f"{what} is {kind}, the model's is of fractions: quantised, and its scales are not read")
