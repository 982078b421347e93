"""Gradients of single units: one forward pass for all layers, one backward pass each, nothing left behind."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rftools.capture import Graph
from rftools.erf.maps.batches import Log, in_batches
from rftools.erf.maps.cone import Cone, NodeUnit, without_rule
from rftools.erf.maps.options import MapOptions, Progress
from rftools.erf.maps.seeds import Seeds
from rftools.errors import RequestError
from rftools.runtime.evaluation import dtype_of, frozen
from rftools.runtime.outputs import call_of, layer_outputs
from rftools.units import Unit


def layer_maps(
    module: nn.Module,
    inputs: torch.Tensor,
    units: Sequence[Unit],
    options: MapOptions,
    *,
    graph: Graph | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
) -> Mapping[str, NDArray[np.float32]]:
    """Each unit's map of every image, ``(N, *spatial)``, input channels aggregated.

    ``abs``: mean over channels of ``|dy/dx|``; ``power``: mean of squares, with a random sign a channel of the layer,
    which makes it an unbiased estimate of the sum over its channels of squared gradients; ``positive``: Ding et al.,
    ``relu`` of the gradient of the unit's summed ``relu``, summed over channels; ``signed``: mean of the gradient.

    With the module's captured ``graph`` gradients are worked out inside the units' windows, where that is less work;
    the values are the same.
    """
    device, batch_size = options.device, options.batch_size
    if any(0 in unit.dims for unit in units) or getattr(module, "takes_one_batch", False):
        batch_size = 1  # a layer that folds space into the batch keeps one image apart from the next only alone

    with frozen(module, device):
        unseen = without_hook(module, units)
        least = math.inf if unseen else LESS
        cone = None if graph is None else cone_of(graph, module, units, device, min(batch_size, len(inputs)), least)
        if cone is None and unseen:
            raise RequestError(f"{unseen[0]!r} is no module's own output, which this way of taking gradients needs")

        def work(batch: torch.Tensor, start: int) -> dict[str, NDArray[np.float32]]:
            return _batch(module, batch.to(device), units, options, start, cone)

        return in_batches(inputs, batch_size, work, progress, log)


def without_hook(module: nn.Module, units: Sequence[Unit]) -> list[str]:
    """Layers that no hook can see: operators between modules, and single ones of several outputs."""
    modules = dict(module.named_modules())
    return [unit.layer for unit in units if call_of(unit.layer)[0] not in modules or "[" in unit.layer]


HALVES = (torch.bfloat16, torch.float16)
FORWARD = 0.4  # what has to be saved, in whole gradients: the cone's forward pass keeps more
TAPED = 0.7  # the same where some operators go by autograd one by one
LESS = 0.95  # the cone is taken where its multiplications are at most this share of whole gradients
UNRULED = 0.1  # operators without a rule, of all, beyond which planning alone costs more than the cone could save


def cone_of(
    graph: Graph, module: nn.Module, units: Sequence[Unit], device: torch.device, images: int, most: float = LESS
) -> Cone | None:
    """The cone of the units; None where whole gradients take no more work, or the graph is of another module."""
    nodes = {layer.name: layer.node for layer in graph.layers}
    own = {id(p) for p in module.parameters()}
    foreign = any(isinstance(c, nn.Parameter) and id(c) not in own for c in graph.constants.values())
    if foreign or len(graph.inputs) > 1 or any(unit.layer not in nodes for unit in units):
        return None
    if most < math.inf and without_rule(graph) > UNRULED:
        return None
    cone = Cone(graph, [NodeUnit(nodes[unit.layer], unit.dims, unit.place) for unit in units], device)
    if most == math.inf:
        return cone
    bound = most if not cone.plan.tapes else min(most, TAPED)
    bound = bound if cone.plan.batchable or images == 1 else bound / 2
    share = cone.plan.share_of_work()
    return cone if share <= bound and len(units) * (1 - share) >= FORWARD else None


def _batch(
    module: nn.Module,
    batch: torch.Tensor,
    units: Sequence[Unit],
    options: MapOptions,
    first: int,
    cone: Cone | None = None,
) -> dict[str, NDArray[np.float32]]:
    dtype, aggregation = dtype_of(module, batch), options.aggregation
    generator = torch.Generator().manual_seed(options.seed + first)
    if cone is not None:
        return by_cone(cone, batch.to(dtype), units, aggregation, generator, first)
    x, seeds = batch.to(dtype).requires_grad_(True), Seeds(units, aggregation, generator)
    with torch.enable_grad():
        outputs = layer_outputs(module, x, [unit.layer for unit in units])
        maps = {}
        for number, unit in enumerate(units):
            values = unit.of(outputs[unit.layer])
            gradient = gradient_of(values, seeds(number, values.detach()), x, number + 1 < len(units))
            _check_finite(gradient, unit, first)
            maps[unit.key] = aggregate(gradient.detach(), aggregation)
    return maps


def by_cone(
    cone: Cone, x: torch.Tensor, units: Sequence[Unit], aggregation: str, generator: torch.Generator, first: int
) -> dict[str, NDArray[np.float32]]:
    """The same maps, each gradient worked out inside its unit's window only."""

    def aggregated(number: int, image: int, gradient: torch.Tensor) -> torch.Tensor:
        _check_finite(gradient, units[number], first + image)
        return _aggregate(gradient, aggregation)

    found = cone.maps(x, Seeds(units, aggregation, generator), aggregated)
    return {unit.key: as_array(found[number]) for number, unit in enumerate(units)}


def _check_finite(gradient: torch.Tensor, unit: Unit, first: int) -> None:
    if not bool(gradient.isfinite().all()):
        bad = first + int((~gradient.isfinite()).flatten(1).any(1).nonzero()[0])
        raise RequestError(f"the gradient of layer {unit.layer!r} is not finite at image {bad}")


def gradient_of(values: torch.Tensor, seed: torch.Tensor, x: torch.Tensor, keep: bool) -> torch.Tensor:
    """The gradient at the input of a unit's channels, weighed by the seed; samples do not mix."""
    if not values.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(values, x, seed, retain_graph=keep, allow_unused=True)
    return torch.zeros_like(x) if gradient is None else gradient


def aggregate(gradient: torch.Tensor, aggregation: str) -> NDArray[np.float32]:
    """Gradients or attributions ``(N, C, *spatial)`` with the input channels aggregated."""
    return as_array(_aggregate(gradient, aggregation))


def as_array(values: torch.Tensor) -> NDArray[Any]:
    """Values on the CPU; those of half precision, which numpy lacks or loses range in, in single precision."""
    array: NDArray[Any] = (values.float() if values.dtype in HALVES else values).cpu().numpy()
    return array


def _aggregate(gradient: torch.Tensor, aggregation: str) -> torch.Tensor:
    if aggregation == "abs":
        return gradient.abs().mean(1)
    if aggregation == "power":
        return gradient.square().mean(1)
    if aggregation == "positive":
        return torch.relu(gradient).sum(1)
    return gradient.mean(1)
