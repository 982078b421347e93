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
from rftools.erf.maps.cone import Cone, Unit, without_rule
from rftools.erf.maps.seeds import AGGREGATIONS, Seeds, Target
from rftools.errors import RequestError
from rftools.runtime.evaluation import dtype_of, frozen
from rftools.runtime.outputs import layer_outputs


def layer_maps(
    module: nn.Module,
    inputs: torch.Tensor,
    targets: Sequence[Target],
    *,
    aggregation: str,
    device: torch.device,
    batch_size: int,
    seed: int,
    progress: Any = None,
    graph: Graph | None = None,
    log: Log | None = None,
) -> Mapping[str, NDArray[np.float32]]:
    """Each target's map of every image, ``(N, *spatial)``, input channels aggregated.

    ``abs``: mean over channels of ``|dy/dx|``; ``power``: mean of squares, with a random sign a channel of the layer,
    which makes it an unbiased estimate of the sum over its channels of squared gradients; ``positive``: Ding et al.,
    ``relu`` of the gradient of the unit's summed ``relu``, summed over channels; ``signed``: mean of the gradient.

    With the module's captured ``graph`` gradients are worked out inside the units' windows, where that is less work;
    the values are the same.
    """
    if aggregation not in AGGREGATIONS:
        raise RequestError(f"no aggregation {aggregation!r}; there are {', '.join(AGGREGATIONS)}")
    if any(0 in target.dims for target in targets) or getattr(module, "takes_one_batch", False):
        batch_size = 1  # a layer that folds space into the batch keeps one image apart from the next only alone

    with frozen(module, device):
        unseen = without_hook(module, targets)
        least = math.inf if unseen else LESS
        cone = None if graph is None else cone_of(graph, module, targets, device, min(batch_size, len(inputs)), least)
        if cone is None and unseen:
            raise RequestError(f"{unseen[0]!r} is no module's own output, which this way of taking gradients needs")

        def work(batch: torch.Tensor, start: int) -> dict[str, NDArray[np.float32]]:
            return _batch(module, batch.to(device), targets, aggregation, seed + start, start, cone)

        return in_batches(inputs, batch_size, work, progress, log)


def without_hook(module: nn.Module, targets: Sequence[Target]) -> list[str]:
    """Targets that no hook can see: operators between modules, and single ones of several outputs."""
    modules = dict(module.named_modules())
    return [target.name for target in targets if target.path not in modules or "[" in target.name]


FORWARD = 0.4  # what has to be saved, in whole gradients: the cone's forward pass keeps more
TAPED = 0.7  # the same where some operators go by autograd one by one
LESS = 0.9  # the cone is taken where its multiplications are at most this share of whole gradients
UNRULED = 0.1  # operators without a rule, of all, beyond which planning alone costs more than the cone could save


def cone_of(
    graph: Graph, module: nn.Module, targets: Sequence[Target], device: torch.device, images: int, most: float = LESS
) -> Cone | None:
    """The cone of the targets; None where whole gradients take no more work, or the graph is of another module."""
    nodes = {layer.name: layer.node for layer in graph.layers}
    own = {id(p) for p in module.parameters()}
    foreign = any(isinstance(c, nn.Parameter) and id(c) not in own for c in graph.constants.values())
    if foreign or len(graph.inputs) > 1 or any(target.name not in nodes for target in targets):
        return None
    if most < math.inf and without_rule(graph) > UNRULED:
        return None
    cone = Cone(graph, [Unit(nodes[t.name], t.dims, t.place) for t in targets], device)
    if most == math.inf:
        return cone
    bound = most if not cone.plan.tapes else min(most, TAPED)
    bound = bound if cone.plan.batchable or images == 1 else bound / 2
    share = cone.plan.share_of_work()
    return cone if share <= bound and len(targets) * (1 - share) >= FORWARD else None


def _batch(
    module: nn.Module,
    batch: torch.Tensor,
    targets: Sequence[Target],
    aggregation: str,
    seed: int,
    first: int,
    cone: Cone | None = None,
) -> dict[str, NDArray[np.float32]]:
    dtype = dtype_of(module, batch)
    generator = torch.Generator().manual_seed(seed)
    if cone is not None:
        return by_cone(cone, batch.to(dtype), targets, aggregation, generator, first)
    x, seeds = batch.to(dtype).requires_grad_(True), Seeds(targets, aggregation, generator)
    with torch.enable_grad():
        outputs = layer_outputs(module, x, [target.name for target in targets])
        maps = {}
        for number, target in enumerate(targets):
            unit = target.unit(outputs[target.name])
            gradient = gradient_of(unit, seeds(number, unit.detach()), x, number + 1 < len(targets))
            _check_finite(gradient, target, first)
            maps[target.key] = aggregate(gradient.detach(), aggregation)
    return maps


def by_cone(
    cone: Cone, x: torch.Tensor, targets: Sequence[Target], aggregation: str, generator: torch.Generator, first: int
) -> dict[str, NDArray[np.float32]]:
    """The same maps, each gradient worked out inside its unit's window only."""

    def aggregated(number: int, image: int, gradient: torch.Tensor) -> torch.Tensor:
        _check_finite(gradient, targets[number], first + image)
        return _aggregate(gradient, aggregation)

    found = cone.maps(x, Seeds(targets, aggregation, generator), aggregated)
    return {target.key: found[number].cpu().numpy() for number, target in enumerate(targets)}


def _check_finite(gradient: torch.Tensor, target: Target, first: int) -> None:
    if not bool(gradient.isfinite().all()):
        bad = first + int((~gradient.isfinite()).flatten(1).any(1).nonzero()[0])
        raise RequestError(f"the gradient of layer {target.name!r} is not finite at image {bad}")


def gradient_of(unit: torch.Tensor, seed: torch.Tensor, x: torch.Tensor, keep: bool) -> torch.Tensor:
    """The gradient at the input of the unit's channels, weighed by the seed; samples do not mix."""
    if not unit.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(unit, x, seed, retain_graph=keep, allow_unused=True)
    return torch.zeros_like(x) if gradient is None else gradient


def aggregate(gradient: torch.Tensor, aggregation: str) -> NDArray[np.float32]:
    """Gradients or attributions ``(N, C, *spatial)`` with the input channels aggregated."""
    array: NDArray[np.float32] = _aggregate(gradient, aggregation).cpu().numpy()
    return array


def _aggregate(gradient: torch.Tensor, aggregation: str) -> torch.Tensor:
    if aggregation == "abs":
        return gradient.abs().mean(1)
    if aggregation == "power":
        return gradient.square().mean(1)
    if aggregation == "positive":
        return torch.relu(gradient).sum(1)
    return gradient.mean(1)
