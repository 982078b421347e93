"""A loaded model: the module, and what is known of how it was made."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rftools.errors import RequestError, shown
from rftools.files import Hashed
from rftools.reading.limits import check
from rftools.results import ModelInfo

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Normalisation:
    """How pixels become inputs: ``(pixel / 255 - mean) / std``, one value a channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Model:
    """A module with its provenance. ``input_size`` is ``(C, *spatial)``, without the batch; ``other_inputs`` are the
    sizes of what else its forward takes, in order.

    ``metadata`` holds what the checkpoint says of itself: ``epoch``, ``history`` (a list of dicts, one an epoch:
    ``epoch, loss, accuracy, val_loss, val_accuracy, lr, seconds, images_per_second``), ``data``, ``arch``
    (``{"name", "arguments"}``), ``versions``, ``masked`` (the layers whose weights came with a pruning mask),
    ``left_out`` (operators of an ONNX file that are not read).
    """

    module: nn.Module
    spec: str
    name: str
    input_size: tuple[int, ...] | None = None
    file: Hashed | None = None
    normalisation: Normalisation | None = None
    classes: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None  # where weights that are from no file came from: ``random, seed 0``
    other_inputs: tuple[tuple[int, ...], ...] = ()

    def __repr__(self) -> str:
        size = "unknown" if self.input_size is None else "x".join(map(str, self.input_size))
        weights = "" if self.weights is None else f", weights {self.weights}"
        return f"<Model {self.name}: {self.parameters} parameters, input {size}{weights}>"

    @property
    def sha256(self) -> str | None:
        """That of the file that it was read from, worked out when it is first asked for; None where there was none, or
        it has changed since.
        """
        return None if self.file is None else self.file.sha256

    @property
    def parameters(self) -> int:
        """The number of trainable parameters."""
        return sum(p.numel() for p in self.module.parameters() if p.requires_grad)

    def info(self) -> ModelInfo:
        """The part of a result's JSON that says which model it speaks of."""
        left_out = tuple(self.metadata.get("left_out", ()))
        fit = self.metadata.get("fit")
        return ModelInfo(self.spec, self.name, self.sha256, self.parameters, self.weights, left_out, fit)

    def require_input_size(self) -> tuple[int, ...]:
        """The input size, or the line that asks for it."""
        if self.input_size is None:
            raise RequestError(
                f"the input size of {self.name} is not known; give it as --input-size CxHxW (input_size=(C, H, W))"
            )
        return self.input_size


def as_model(model: Model | nn.Module, input_size: tuple[int, ...] | int | None = None) -> Model:
    """``model`` as a `Model`: a plain module gets its class name, and ``input_size`` where one is given.

    One number is the side of the input: its channels and axes are those of the first convolution.
    """
    import dataclasses

    from torch import nn

    from rftools.runtime.evaluation import uncompiled

    if isinstance(model, Model):
        return (
            model if input_size is None else dataclasses.replace(model, input_size=whole_size(input_size, model.module))
        )
    if not isinstance(model, nn.Module):
        raise RequestError(_no_model(model))
    model = uncompiled(model)
    name = type(model).__name__
    size = None if input_size is None else whole_size(input_size, model)
    return Model(module=model, spec=name, name=name, input_size=size)


def _no_model(given: object) -> str:
    way = f": rf.load({str(given)!r})" if isinstance(given, (str, os.PathLike)) else ""
    return f"a model is a loaded Model or a torch.nn.Module, not {type(given).__name__}{way}"


def whole_size(size: tuple[int, ...] | int, module: nn.Module) -> tuple[int, ...]:
    """An input size ``(C, *spatial)``, of one number with the channels and axes of the first convolution."""
    from torch.nn.modules.conv import _ConvNd

    if not isinstance(size, int):
        return _checked(size)
    first = next((child for child in module.modules() if isinstance(child, _ConvNd)), None)
    if first is None:
        raise RequestError(
            f"{type(module).__name__} has no convolution to read channels off; give input_size=(C, H, W)"
        )
    return _checked((first.in_channels, *[size] * len(first.kernel_size)))


def _checked(size: Sequence[int]) -> tuple[int, ...]:
    """An input size, each number of which is at least 1, and which asks for no more numbers than an input may have.

    Raises:
        RequestError: it does not.
    """
    return check_input(tuple(size), "an input size")


def check_input(size: tuple[int, ...], what: str) -> tuple[int, ...]:
    """The size, if it is one, within the limit of an input's numbers.

    Raises:
        RequestError: it is not.
    """
    if not size or not all(isinstance(n, (int, np.integer)) and n > 0 for n in size):
        raise RequestError(f"{what} is (C, *spatial), whole numbers from 1, not {shown(size)}")
    check("input", math.prod(int(n) for n in size), f"input size {'x'.join(map(str, size))}")
    return size
