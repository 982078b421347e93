"""Nets with several inputs: images go to one of them, the others are held fixed."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from rftools.capture import Example, Inputs, example_of
from rftools.errors import RequestError
from rftools.loading import Model

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class FixedInputs:
    """A call's arguments, of which number ``example.of`` is looked at and the others stay as they are."""

    example: Example
    names: tuple[str, ...]
    given: tuple[bool, ...]

    @property
    def of(self) -> str:
        return self.names[self.example.of]

    @property
    def inputs(self) -> Inputs:
        """The arguments as `capture` takes them."""
        return dict(self.example.kwargs) if self.example.kwargs else list(self.example.args)

    @property
    def images(self) -> torch.Tensor | None:
        """What was given for the input that is looked at, if it was a tensor."""
        return self.example.tensors[self.example.of] if self.given[self.example.of] else None

    def remarks(self) -> tuple[str, ...]:
        """What the other inputs are, one line each."""
        lines = []
        for number, (name, tensor) in enumerate(zip(self.names, self.example.tensors, strict=True)):
            if number != self.example.of:
                what = "the given tensor" if self.given[number] else "white noise"
                size = "x".join(map(str, tensor.shape[1:]))
                lines.append(f"input {name} is held at {what} ({size}), the same for all images")
        return tuple(lines)

    def call(self, forward: Any, x: torch.Tensor) -> Any:
        """``forward`` with ``x`` for the input that is looked at."""
        values = [x if i == self.example.of else _beside(t, x) for i, t in enumerate(self.example.tensors)]
        if self.example.kwargs:
            return forward(**dict(zip(self.example.kwargs, values, strict=True)))
        return forward(*values)


def _beside(tensor: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """One sample for each image, of the images' precision unless it holds indices, on their device."""
    own = tensor.to(x.device, x.dtype if tensor.is_floating_point() else tensor.dtype)
    return own.expand(len(x), *own.shape[1:]) if own.ndim and len(own) == 1 else own


def fixed_inputs(model: Model, inputs: Inputs | None, of: int | str, seed: int) -> FixedInputs | None:
    """What the net is called with; None where it takes one input. Sizes stand for a sample of white noise.

    Raises:
        RequestError: there is no such input, or one that is held fixed is no single sample.
    """
    if inputs is None and not model.other_inputs and of in (0, "0"):
        return None
    whole: Inputs = [model.require_input_size(), *model.other_inputs] if inputs is None else inputs
    values = list(whole.values()) if isinstance(whole, Mapping) else list(whole)
    names = tuple(whole) if isinstance(whole, Mapping) else tuple(str(i) for i in range(len(values)))
    example = example_of(model.module, whole, of)
    given = tuple(isinstance(value, torch.Tensor) for value in values)
    for number, (name, tensor) in enumerate(zip(names, example.tensors, strict=True)):
        if number != example.of and given[number] and tensor.ndim and len(tensor) != 1:
            raise RequestError(
                f"input {name} is {len(tensor)} samples; give one (a first dimension of 1), which goes with every image"
            )
    drawn = _noise(example.tensors, given, seed)
    if isinstance(whole, Mapping):
        return FixedInputs(Example((), dict(zip(names, drawn, strict=True)), example.of), names, given)
    return FixedInputs(Example(tuple(drawn), {}, example.of), names, given)


def _noise(tensors: Sequence[torch.Tensor], given: Sequence[bool], seed: int) -> list[torch.Tensor]:
    """Standard normal values where only a size was given: at zero, a net that multiplies its inputs is dead."""
    generator = torch.Generator().manual_seed(seed)
    return [
        t if own else torch.randn(t.shape, generator=generator).to(t) for t, own in zip(tensors, given, strict=True)
    ]


def of_one_input(model: Model, fixed: FixedInputs) -> Model:
    """The model with the size of the input that is looked at; a normalisation for another number of channels goes."""
    size = tuple(int(n) for n in fixed.example.tensors[fixed.example.of].shape[1:])
    norm = model.normalisation
    fitting = norm if norm is not None and len(norm.mean) == size[0] else None
    return dataclasses.replace(model, input_size=size, normalisation=fitting)


@contextlib.contextmanager
def with_fixed(module: nn.Module, fixed: FixedInputs | None) -> Iterator[None]:
    """Inside the block the module takes the one input alone; its forward is its own again afterwards."""
    if fixed is None:
        yield
        return
    own = module.__dict__.get("forward")
    forward = module.forward
    try:
        module.forward = lambda x: fixed.call(forward, x)
        yield
    finally:
        if own is None:
            del module.__dict__["forward"]
        else:
            module.forward = own
