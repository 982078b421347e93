"""`prune`: masks for a trained net."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Unpack

import numpy as np
import torch
from torch import nn

from rftools.arguments import checked
from rftools.errors import RequestError
from rftools.loading import Model, as_model
from rftools.loading.state_dict import check_finite
from rftools.models.training.pruning import fold_masks, prunable
from rftools.pruning.balance import balanced, can_balance, pooled_anisotropy
from rftools.pruning.layout import from_kernels, kernel_of, steps_of
from rftools.pruning.left import left_alone_of
from rftools.pruning.request import Options, Request
from rftools.pruning.result import PrunedLayer, PruneResult
from rftools.pruning.scores import Pictures, scores_of
from rftools.pruning.select import Bools, Scored, left_alone, pinned_taps, select


@dataclass(frozen=True, repr=False)
class Cut:
    """A pruned net: ``model`` has the masks applied, ``original`` are the weights before, ``masks`` go by layer."""

    model: Model
    original: dict[str, torch.Tensor]
    masks: dict[str, torch.Tensor]
    result: PruneResult

    def __repr__(self) -> str:
        """The table of the result, not the tensors."""
        table = repr(self.result).splitlines()[1:]
        head = f"<Cut of {self.model.name}: sparsity {self.result.sparsity:.3f}; .model, .masks, .original, .result>"
        return "\n".join([head, *table])

    def _repr_html_(self) -> str:
        return self.result._repr_html_()


@checked
def prune(
    model: Model | nn.Module,
    request: Request | None = None,
    pictures: Pictures | None = None,
    **options: Unpack[Options],
) -> Cut:
    """Set weights of a net to zero, in place.

    What is asked is a `Request`, or its fields by name.

    Of what is compared with each other (`Request.compared`) the ``max(round(N (1 - sparsity)), 1)`` best stay. Weights
    that are zero already count among those that go.

    Raises:
        RequestError: a request that can't be, or an option that there is not; no layer that matches; a layer that would
            be left without a weight (unless ``allow_dead_layers``); a method that needs pictures and has none.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    >>> cut = prune(net, sparsity=0.75)
    >>> cut.result.kept, cut.result.weights, int((net[0].weight != 0).sum())
    (198, 792, 54)
    """
    if request is not None and options:
        raise RequestError(f"a Request and {', '.join(options)} beside it; put all of it into the Request")
    request = request or Request(**options)
    request.check()
    loaded = as_model(model)
    module = loaded.module
    check_finite(module)
    wanted = prunable(module, request.layers, depthwise=request.depthwise)
    left = left_alone_of(module, wanted, depthwise=request.depthwise)
    steps = steps_of(loaded, wanted)
    fold_masks(module, wanted)
    layers = {name: module.get_submodule(name) for name in wanted}
    raw = scores_of(module, layers, request.method, request.seed, pictures)
    scored = {
        name: Scored(raw[name].numpy(), kernel_of(layers[name]), request.sparsity if own is None else own)
        for name, own in wanted.items()
    }
    notes = {name: left_alone(layer, request) for name, layer in scored.items()}
    masks = select({name: layer for name, layer in scored.items() if notes[name] is None}, request)
    if not masks:
        raise RequestError(
            "every layer that matches has kernels of one tap; give --sparsity with --scope layer or filter"
        )
    if request.balance:
        masks = _balance(masks, scored, steps, request)
    masks |= {name: scored[name].scores > -math.inf for name, note in notes.items() if note is not None}
    _refuse_dead(masks, request)
    rows = tuple(_row(name, scored[name], masks[name], steps[name], notes[name]) for name in wanted)
    in_place = {n: from_kernels(layers[n], torch.from_numpy(mask)) for n, mask in masks.items() if notes[n] is None}
    original = _apply(module, in_place)
    source = None if pictures is None else pictures.source
    result = PruneResult(
        loaded.info(), loaded.input_size, rows, request.method, request.compared, loaded.parameters, source, left=left
    )
    return Cut(loaded, original, in_place, result)


def _balance(
    masks: dict[str, Bools], scored: dict[str, Scored], steps: Mapping[str, tuple[float, ...]], request: Request
) -> dict[str, Bools]:
    flat = [name for name in masks if can_balance(scored[name].kernel)]
    if not flat:
        raise RequestError(
            "no layer to prune has flat kernels, so no directions to balance; leave out --balance-orientation"
        )
    found = {
        name: balanced(
            masks[name],
            scored[name].scores,
            scored[name].kernel,
            steps[name],
            near=request.near,
            pinned=pinned_taps(scored[name], request),
            spanning=request.keep_field == "kernel",
        )
        for name in flat
    }
    return masks | found


def _refuse_dead(masks: dict[str, Bools], request: Request) -> None:
    dead = [name for name, mask in masks.items() if not mask.any()]
    if dead and not request.allow_dead_layers:
        names = ", ".join(dead[:3]) + (f" and {len(dead) - 3} more" if len(dead) > 3 else "")
        raise RequestError(
            f"pruning would leave no weight in {names}: prune less, take --scope layer, or say --allow-dead-layers"
        )


def _row(name: str, layer: Scored, mask: Bools, step: tuple[float, ...], note: str | None) -> PrunedLayer:
    finite = np.where(np.isfinite(layer.scores), layer.scores, 0.0)
    total = float(finite.sum())
    flat = can_balance(layer.kernel)
    own = pooled_anisotropy(mask, layer.kernel, step)[mask.any(axis=(1, 2))] if flat else np.zeros(0)
    return PrunedLayer(
        name=name,
        weights=mask.size,
        kept=int(mask.sum()),
        sparsity=1 - float(mask.mean()),
        taps=tuple(np.bincount(mask.sum(axis=-1).ravel(), minlength=layer.taps + 1).tolist()),
        score=float(finite[mask].sum()) / total if total > 0 else 0.0,
        anisotropy=float(own.mean()) if own.size else None,
        note=note,
    )


@torch.no_grad()
def _apply(module: nn.Module, masks: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights as they were; the module's are masked."""
    original = {}
    for name, mask in masks.items():
        weight = module.get_submodule(name).get_parameter("weight")
        original[name] = weight.detach().clone()
        weight.mul_(mask.to(weight))
    return original


def with_history(cut: Cut, history: tuple[dict[str, float], ...]) -> Cut:
    """The same after fine-tuning: ``original`` are the weights that it came to."""
    weights = {name: cut.model.module.get_submodule(name).get_parameter("weight").detach() for name in cut.masks}
    return dataclasses.replace(cut, original=weights, result=dataclasses.replace(cut.result, history=history))
