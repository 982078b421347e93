"""Gradients of every channel of a unit by itself."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rftools.capture import Graph
from rftools.erf.maps.cone import Box, Cone, cut
from rftools.erf.maps.gradients import TAPED, as_array, cone_of, gradient_of
from rftools.erf.maps.mixing import mixes_images
from rftools.errors import RequestError
from rftools.runtime.evaluation import dtype_of, frozen
from rftools.runtime.outputs import layer_outputs
from rftools.units import Unit


def channel_maps(
    module: nn.Module,
    inputs: torch.Tensor,
    unit: Unit,
    *,
    device: torch.device,
    batch_size: int,
    graph: Graph | None = None,
) -> NDArray[np.floating[Any]]:
    """The map of every channel of the unit, ``(channels, *spatial)``: mean over images and input channels of
    ``|d y_c / d x|``. With the module's captured ``graph`` the channels go back together, inside the unit's window;
    otherwise, and where that is no less work, in one backward pass a channel. In the module's own precision.
    """
    total: torch.Tensor | None = None
    alone = 0 in unit.dims or (graph is not None and mixes_images(graph))
    size = 1 if alone else max(1, batch_size)
    with frozen(module, device):
        cone = None if graph is None else _worth(cone_of(graph, module, [unit], device, size, math.inf))
        if cone is not None and not cone.plan.batchable:
            size = 1
        for start in range(0, len(inputs), size):
            batch = inputs[start : start + size].to(device)
            x = batch.to(dtype_of(module, batch))
            own = one_by_one(module, x, unit) if cone is None else by_cone(cone, x, unit)
            total = own if total is None else total + own
    assert total is not None
    if not bool(total.isfinite().all()):
        raise RequestError(f"the gradient of layer {unit.layer!r} is not finite")
    maps: NDArray[np.floating[Any]] = as_array(total / len(inputs))
    return maps


def _worth(cone: Cone | None) -> Cone | None:
    """The cone unless autograd itself has to take each channel back through some operator.

    Elsewhere many channels at once make larger products, which pay for themselves in the largest window too.
    """
    if cone is None or (cone.plan.batchable and not cone.plan.tapes):
        return cone
    return cone if cone.plan.share_of_work() <= TAPED else None


def one_by_one(module: nn.Module, x: torch.Tensor, unit: Unit) -> torch.Tensor:
    """Sums over the batch of each channel's ``|d y_c / d x|``, input channels averaged: a backward pass a channel."""
    x = x.requires_grad_(True)
    with torch.enable_grad():
        channels = unit.rows(unit.of(layer_outputs(module, x, [unit.layer])[unit.layer])).sum(0)
        one, last = torch.ones_like(channels[0]), len(channels) - 1
        gradients = (gradient_of(y, one, x, c < last) for c, y in enumerate(channels))
        return torch.stack([gradient.abs().mean(1).sum(0).detach() for gradient in gradients])


def by_cone(cone: Cone, x: torch.Tensor, unit: Unit) -> torch.Tensor:
    """The same sums, all channels in one walk back as far as memory allows."""
    with cone.forward(x) as taken:
        values = taken.units[0]
        count = unit.rows(values).shape[1]
        found = x.new_zeros((count, *x.shape[2:]))
        for first in range(0, count, taken.most(0)):
            chosen = range(first, min(count, first + taken.most(0)))

            def sink(_number: int, row: int, gradient: torch.Tensor, box: Box, first: int = first) -> None:
                whole = tuple((0, n) for n in x.shape[2:])
                cut(found, whole, box)[first + row].add_(gradient.abs().mean(1).sum(0))

            taken.back({0: torch.stack([replace(unit, channel=c).only(torch.ones_like(values)) for c in chosen])}, sink)
    return found
