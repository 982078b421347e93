"""What a net is called with while its operators are written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from rftools.errors import RequestError, closest

Given = torch.Tensor | Sequence[int]
Inputs = Sequence[Given] | Mapping[str, Given]


@dataclass(frozen=True)
class Example:
    """The arguments of one call; ``of`` counts the one whose pixels the fields speak of, positional ones first."""

    args: tuple[torch.Tensor, ...]
    kwargs: Mapping[str, torch.Tensor]
    of: int = 0

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        return (*self.args, *self.kwargs.values())

    @property
    def text(self) -> str:
        sizes = ["x".join(map(str, tensor.shape[1:])) for tensor in self.tensors]
        return " and ".join(sizes)


def example_of(module: nn.Module, inputs: Inputs, of: int | str = 0) -> Example:
    """Tensors as they are and zeros for sizes ``(C, *spatial)``, in the model's precision and on its device.

    Raises:
        RequestError: an input that is neither, or an ``of`` that there is not.
    """
    if isinstance(inputs, Mapping):
        kwargs = {name: _tensor(module, value) for name, value in inputs.items()}
        return Example((), kwargs, _position(of, list(kwargs)))
    args = tuple(_tensor(module, value) for value in inputs)
    return Example(args, {}, _position(of, [str(i) for i in range(len(args))]))


def _position(of: int | str, names: Sequence[str]) -> int:
    if isinstance(of, int) and 0 <= of < len(names):
        return of
    if str(of) in names:
        return names.index(str(of))
    allowed = ", ".join(names)
    raise RequestError(f"there is no input {of}{closest(str(of), names)}; the inputs are {allowed or 'none'}")


def _tensor(module: nn.Module, value: Given) -> torch.Tensor:
    own = next((p for p in (*module.parameters(), *module.buffers()) if p.is_floating_point()), None)
    device = own.device if own is not None else torch.device("cpu")
    dtype = own.dtype if own is not None else torch.get_default_dtype()
    if isinstance(value, torch.Tensor):
        return value.detach().to(device, dtype if value.is_floating_point() else None)
    try:
        size = tuple(int(n) for n in value)
    except (TypeError, ValueError):
        raise RequestError(f"an input is a tensor or a size (C, *spatial), not {value!r}") from None
    return torch.zeros((1, *size), dtype=dtype, device=device)


def is_index(value: torch.Tensor) -> bool:
    """Whether an input's values say where to read (indices, masks), and not what."""
    return not (value.is_floating_point() or value.is_complex())
