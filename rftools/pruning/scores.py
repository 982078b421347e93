"""How much each weight matters, by method. What is zero already scores nothing: it is never kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from rftools.erf.images import gather
from rftools.errors import RequestError
from rftools.loading import Model
from rftools.models.data import Dataset, load_data
from rftools.pruning.layout import to_kernels


@dataclass(frozen=True)
class Pictures:
    """Inputs as the net takes them, their labels where they have any, and where they are from."""

    inputs: torch.Tensor
    labels: torch.Tensor | None
    source: str
    batch_size: int = 16  # how many go through the net at a time

    def batches(self) -> Iterator[slice]:
        """The pictures' indices, some at a time."""
        return (slice(k, k + self.batch_size) for k in range(0, len(self.inputs), self.batch_size))


def pictures_of(
    model: Model, given: str | None = None, *, count: int = 64, seed: int = 0, root: str | None = None
) -> Pictures:
    """Pictures to score weights by: ``given`` files, array or noise; else some of the checkpoint's own training data.

    Raises:
        RequestError: nothing given, and the model does not say what it was trained on.
    """
    if given is not None:
        found = gather(given, model, count=count, seed=seed)
        return Pictures(found.inputs[:count], None, found.source)
    name = model.metadata.get("data")
    if name is None:
        raise RequestError(
            f"{model.name} does not say what it was trained on; give --images FOLDER, FILE, white or pink"
        )
    size = model.require_input_size()
    data = load_data(str(name), "train", root=root, size=size[-1] if name == "folder" else None)
    chosen = np.linspace(0, len(data) - 1, min(count, len(data))).astype(int)
    return Pictures(_inputs(data, chosen, model), data.labels[chosen], f"{name} ({len(chosen)} of {len(data)})")


def _inputs(data: Dataset, chosen: Any, model: Model) -> torch.Tensor:
    pixels = data.images[chosen].float() / 255
    if model.normalisation is None:
        return pixels
    mean, std = (torch.tensor(v).reshape(1, -1, 1, 1) for v in (model.normalisation.mean, model.normalisation.std))
    return (pixels - mean) / std


def scores_of(
    module: nn.Module, layers: Mapping[str, nn.Module], method: str, seed: int, pictures: Pictures | None
) -> dict[str, torch.Tensor]:
    """Scores of each layer's weights ``(out, in per group, taps)``, float64, from 0 up; -inf where a weight is 0."""
    known: dict[str, Callable[[], dict[str, torch.Tensor]]] = {
        "magnitude": lambda: {name: own.get_parameter("weight").detach().abs() for name, own in layers.items()},
        "random": lambda: _random(layers, seed),
        "gradient": lambda: _gradient(module, layers, _required(pictures, method)),
        "wanda": lambda: _wanda(module, layers, _required(pictures, method)),
    }
    found = known["magnitude" if method == "per-kernel" else method]()
    for name, score in found.items():
        if bool(score.isnan().any()):
            raise RequestError(
                f"method {method} gives layer {name!r} scores that are no numbers; its gradients overflow"
            )
    return {name: _without_zeros(layers[name], score) for name, score in found.items()}


def _without_zeros(layer: nn.Module, score: torch.Tensor) -> torch.Tensor:
    zero = layer.get_parameter("weight").detach().cpu() == 0
    return to_kernels(layer, score.double().cpu().masked_fill(zero, -torch.inf))


def _required(pictures: Pictures | None, method: str) -> Pictures:
    if pictures is None:
        raise RequestError(f"method {method} scores weights by pictures; give them (--images, pictures=)")
    return pictures


def _random(layers: Mapping[str, nn.Module], seed: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    shapes = {name: own.get_parameter("weight").shape for name, own in layers.items()}
    return {name: torch.rand(shape, generator=draw, dtype=torch.float64) for name, shape in shapes.items()}


def _gradient(module: nn.Module, layers: Mapping[str, nn.Module], pictures: Pictures) -> dict[str, torch.Tensor]:
    """``|w dL/dw|`` of the mean cross-entropy: what the loss would change by, to first order, without ``w``.

    Without labels the net's own answers stand for them. Lee et al. 2019, arXiv:1810.02340; Molchanov et al. 2019,
    arXiv:1906.10771.
    """
    weights = [own.get_parameter("weight") for own in layers.values()]
    totals = [torch.zeros_like(weight) for weight in weights]
    with _evaluating(module), torch.enable_grad():
        for batch in pictures.batches():
            scores = module(pictures.inputs[batch])
            labels = scores.argmax(1) if pictures.labels is None else pictures.labels[batch]
            loss = nn.functional.cross_entropy(scores, labels, reduction="sum")
            for total, own in zip(totals, torch.autograd.grad(loss, weights), strict=True):
                total += own
    both = zip(layers, weights, totals, strict=True)
    return {name: (weight.detach() * total).abs() / len(pictures.inputs) for name, weight, total in both}


def _wanda(module: nn.Module, layers: Mapping[str, nn.Module], pictures: Pictures) -> dict[str, torch.Tensor]:
    """``|w| |x|``: the weight times the norm, over pictures and places, of what it is multiplied with.

    Sun et al. 2023, arXiv:2306.11695, for linear layers; a convolution is one, at every place.
    """
    squares = {name: torch.zeros_like(own.get_parameter("weight")) for name, own in layers.items()}
    hooks = [own.register_forward_pre_hook(partial(_add_squares, squares[name])) for name, own in layers.items()]
    try:
        with _evaluating(module), torch.no_grad():
            for batch in pictures.batches():
                module(pictures.inputs[batch])
    finally:
        for hook in hooks:
            hook.remove()
    for name, total in squares.items():
        if not bool(total.any()):
            raise RequestError(
                f"method wanda has nothing to go by in layer {name!r}: it is not called, or all its inputs are 0; "
                "leave it out with --layers"
            )
    return {name: own.get_parameter("weight").detach().abs() * squares[name].sqrt() for name, own in layers.items()}


def _add_squares(total: torch.Tensor, layer: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
    """The sum of squares of each weight's factors is the gradient, by the weight, of the squares' sum of outputs."""
    weight = torch.zeros_like(total, requires_grad=True)
    own: dict[str, Any] = {"weight": weight}
    if getattr(layer, "bias", None) is not None:
        own["bias"] = torch.zeros_like(layer.get_parameter("bias"))
    with torch.enable_grad(), _without_hooks(layer):
        out = torch.func.functional_call(layer, own, (arguments[0].detach() ** 2,))
        total += torch.autograd.grad(out.sum(), weight)[0]


@contextmanager
def _without_hooks(layer: nn.Module) -> Iterator[None]:
    """The layer is called inside its own hook: not again."""
    hooks = layer._forward_pre_hooks
    layer._forward_pre_hooks = type(hooks)()
    try:
        yield
    finally:
        layer._forward_pre_hooks = hooks


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    training = module.training
    module.eval()
    try:
        yield
    except RuntimeError as error:
        raise RequestError(f"the net does not take these pictures: {str(error).splitlines()[0]}") from error
    finally:
        module.train(training)
