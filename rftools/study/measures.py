"""What is measured of a trained net: its fields in pixels of the last convolution, its costs, its kernels."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from rftools.loading import Model
from rftools.models.data import Dataset
from rftools.models.tasks import IGNORED, TASKS
from rftools.probing import probe
from rftools.runtime.evaluation import evaluating
from rftools.trf import theoretical
from rftools.weights import orientation
from rftools.weights.results import LayerOrientation, LayerSparsity, SparsityResult

NEAR = 2  # pixels: what counts as being at a border between classes


def of_model(model: Model, left: SparsityResult, held_out: Dataset, count: int, seed: int) -> dict[str, Any]:
    """The row of a net, of whose weights ``left`` says what is left. Field sizes are diameters in input pixels
    (samples).
    """
    method = "distance" if held_out.name in TASKS else "occlusion"
    told = probe(model, held_out, method=method, count=count, seed=seed)
    does = told.effective
    zeros = left.total
    found = {
        "parameters": model.parameters,
        "nonzero": model.parameters - zeros.zeros,
        "macs": multiply_adds(model),
        "theoretical": told.theoretical,
        "effective": None if does is None else does.value,
        "effective_low": None if does is None else does.low,
        "effective_high": None if does is None else does.high,
        "surviving": _surviving(model, told.layer, told.theoretical) if zeros.zeros else told.theoretical,
        "behavioural": told.behavioural.value,
        "behavioural_low": told.behavioural.low,
        "behavioural_high": told.behavioural.high,
        "sparsity": zeros.sparsity,
    }
    return found | ({"border_accuracy": border_accuracy(model, held_out)} if held_out.labels.dim() == 3 else {})


def multiply_adds(model: Model) -> int:
    """Multiply-adds of one forward pass of one input, as torch counts them."""
    sample = torch.zeros(1, *model.require_input_size())
    with torch.no_grad(), evaluating(model.module), FlopCounterMode(display=False) as counter:
        model.module(sample)
    return counter.get_total_flops() // 2


def _surviving(model: Model, layer: str | None, otherwise: int | None) -> int | None:
    if layer is None or otherwise is None:
        return None
    left = theoretical(model, surviving=True)[layer].surviving
    return otherwise if left is None else max(size or 0 for size in left.sizes)


@torch.no_grad()
def border_accuracy(model: Model, held_out: Dataset) -> float:
    """The share told right of the pixels that have another class within two pixels, along rows and columns."""
    labels = held_out.labels.float()[:, None]
    side = 2 * NEAR + 1
    highest = torch.nn.functional.max_pool2d(labels, side, stride=1, padding=NEAR)
    lowest = -torch.nn.functional.max_pool2d(-labels, side, stride=1, padding=NEAR)
    near = ((highest != lowest) & (labels != IGNORED))[:, 0]
    with evaluating(model.module):
        answers = torch.cat([model.module(part.float() / 255).argmax(1) for part in held_out.images.split(64)])
    return float((answers == held_out.labels)[near].double().mean())


def of_layers(model: Model, left: SparsityResult, seed: int) -> dict[str, list[dict[str, Any]]]:
    """The rows of a net's convolutions (``layers``): of a pruned net what is left of their kernels and which way it
    points, of a whole one how many weights are near zero; and, of a pruned one, their directions (``roses``).
    """
    if left.total.zeros == 0:
        near = [(row.name, row.near_zero) for row in left if len(row.shape) > 2]
        rows = [{"layer": name, "near_zero": own.share, "near_zero_below": own.threshold} for name, own in near]
        return {"layers": rows, "roses": []}
    shapes = {row.name: row for row in left}
    found = orientation(model, seed=seed)
    roses = [sector for row in found if row.oriented for sector in _rose(row)]
    return {"layers": [_layer(row, shapes[row.name]) for row in found], "roses": roses}


def _rose(row: LayerOrientation) -> list[dict[str, Any]]:
    """A layer's sectors of 15 degrees: kernels that point there, and how many random taps would send there."""
    edges, chance = row.histogram.edges, row.chance
    return [
        {"layer": row.name, "from": edges[k], "to": edges[k + 1], "kernels": count}
        | (
            {}
            if chance is None
            else {"chance": chance.mean[k], "chance_low": chance.low[k], "chance_high": chance.high[k]}
        )
        for k, count in enumerate(row.histogram.counts)
    ]


def _layer(row: LayerOrientation, shape: LayerSparsity) -> dict[str, Any]:
    pooled, shapes = row.pooled, shape.shapes
    return {
        "layer": row.name,
        "kernels": row.kernels,
        "sparsity": shape.sparsity,
        "lines": None if shapes is None else shapes.line,
        "full_box": shape.full_box,
        "anisotropy": row.anisotropy,
        "pooled_anisotropy": None if pooled is None else pooled.anisotropy,
        "pooled_rank": None if pooled is None else pooled.rank,
        "resultant": row.resultant,
        "mean_angle": row.mean_angle,
        "p_lattice": row.p_lattice,
        "q": row.q,
    }
