"""Random weights: what a net sees before it has learnt anything, by how it was initialised."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from rftools.capture import Graph
from rftools.errors import RequestError, closest
from rftools.loading import Model
from rftools.loading.load import redrawn
from rftools.runtime.randomness import seeded
from rftools.runtime.state import held_tensors

INITS = ("default", "xavier", "he", "orthogonal", "uniform-positive")


def check_init(init: str) -> None:
    """Raise `RequestError` for an initialisation that there is not."""
    if init not in INITS:
        raise RequestError(f"no initialisation {init!r}{closest(init, INITS)}; there are {', '.join(INITS)}")


def initialise(model: Model, init: str, seed: int) -> nn.Module:
    """A copy of the model's module with random weights; the random state is as before afterwards.

    ``default``: as the net's own constructor draws them. Otherwise the weights of convolutions and linear layers are
    drawn and their biases are zero: ``xavier`` (normal, variance 2 / (fan in + fan out); Glorot and Bengio 2010),
    ``he`` (normal, variance 2 / fan in; arXiv:1502.01852), ``orthogonal`` (arXiv:1312.6120, with gain sqrt 2), or
    ``uniform-positive`` (uniform in [0, 2 / fan in], so that a layer keeps its input's mean). The rest, such as a batch
    norm's, is as it was when built.

    >>> net = nn.Sequential(nn.Conv2d(1, 1, 3))
    >>> drawn = initialise(Model(net, "net", "net"), "uniform-positive", 0)
    >>> bool((drawn[0].weight >= 0).all()), drawn[0] is net[0]
    (True, False)
    """
    check_init(init)
    module = _fresh(model, seed)
    if init != "default":
        with seeded(seed), torch.no_grad():
            for layer in module.modules():
                if isinstance(layer, (_ConvNd, nn.Linear)) and "weight" in layer._parameters:
                    DRAWS[init](layer.weight, _transposed(layer))
                    if layer.bias is not None:
                        layer.bias.zero_()
    return module


def _fresh(model: Model, seed: int) -> nn.Module:
    """Built anew where the model says how, else copied with each of its layers reset."""
    if model.weights is not None or "arch" in model.metadata:
        return redrawn(model, seed)
    module = copy.deepcopy(model.module)
    with seeded(seed):
        for name, layer in module.named_modules():
            reset = getattr(layer, "reset_parameters", None)
            if callable(reset):
                reset()
            elif any(True for _ in layer.parameters(recurse=False)):
                raise RequestError(
                    f"layer {name!r} ({type(layer).__name__}) has parameters and no reset_parameters(), so it can't be "
                    "drawn anew; name the architecture by a spec, such as module:factory"
                )
    return module


#: How a constant of the forward pass itself is named, by each way to capture.
WRITTEN = {"trace": "constant_", "export": "lifted_tensor"}


def rebound(graph: Graph, module: nn.Module, drawn: nn.Module) -> Graph | None:
    """The graph captured of ``module`` with the weights of ``drawn``, which is built alike.

    None where that is not sure: a graph that was recorded, whose way may hang on the weights, or a constant that is
    neither a parameter nor a buffer nor written in the forward pass itself (a tensor that the module holds aside).
    """
    if graph.method not in WRITTEN:
        return None
    names = {id(tensor): name for name, tensor in _tensors(module).items()}
    others, constants, aside = _tensors(drawn), {}, held_tensors(module)
    for key, tensor in graph.constants.items():
        other = others.get(names.get(id(tensor), ""))
        if other is None and (id(tensor) in aside or WRITTEN[graph.method] not in key):
            return None
        constants[key] = tensor if other is None else other
        if constants[key].shape != tensor.shape:
            return None
    return dataclasses.replace(graph, constants=constants)


def _tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _transposed(layer: nn.Module) -> bool:
    return isinstance(layer, _ConvTransposeNd)


def _fan_in(weight: torch.Tensor, transposed: bool) -> int:
    return math.prod(weight.shape[2:]) * weight.shape[0 if transposed else 1]


def _xavier(weight: torch.Tensor, transposed: bool) -> None:
    nn.init.xavier_normal_(weight)


def _he(weight: torch.Tensor, transposed: bool) -> None:
    weight.normal_(0, math.sqrt(2 / _fan_in(weight, transposed)))


def _orthogonal(weight: torch.Tensor, transposed: bool) -> None:
    nn.init.orthogonal_(weight, gain=math.sqrt(2))


def _uniform_positive(weight: torch.Tensor, transposed: bool) -> None:
    weight.uniform_(0, 2 / _fan_in(weight, transposed))


DRAWS: dict[str, Callable[[torch.Tensor, bool], None]] = {
    "xavier": _xavier,
    "he": _he,
    "orthogonal": _orthogonal,
    "uniform-positive": _uniform_positive,
}
