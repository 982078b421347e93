"""Sparsity: what is zero, layer by layer, and what the zeros left of kernels, filters and inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.loading import Model
from rftools.weights.results import LayerSparsity, NearZero, Shapes, SparsityResult, Total
from rftools.weights.shapes import rank_of, spans_box, unique_masks
from rftools.weights.source import Array, Kernels, collect

if TYPE_CHECKING:
    import torch
    from torch import nn

CURVE = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def sparsity(
    model: Model | nn.Module | Mapping[str, torch.Tensor] | str | Path,
    *,
    threshold: float | None = None,
    relative: float = 0.01,
) -> SparsityResult:
    """What pruning left: zeros, taps a kernel, shapes, dead filters and inputs, by layer and in total.

    Sparsity is the share of weights that are exactly zero (masks applied). Near zero is ``|w| < threshold``, or
    ``|w| < relative`` times the layer's standard deviation where no absolute ``threshold`` is given.

    Args:
        model: a loaded model, a module, a state dict, or the path of a weight file (no architecture needed).

    Raises:
        RequestError: no weights; NaN in one; a threshold that is not positive.

    >>> import torch
    >>> conv = torch.nn.Conv2d(1, 1, 3)
    >>> _ = torch.nn.init.zeros_(conv.weight)
    >>> conv.weight.data[0, 0, 1] = 1.0
    >>> row = sparsity(torch.nn.Sequential(conv))["0"]
    >>> row.zeros, row.taps[3], row.shapes.line, row.full_box
    (6, 1, 1, 0)
    """
    for name, value in (("threshold", threshold), ("relative", relative)):
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise RequestError(f"the near-zero {name} is {value}; it takes a positive number")
    weights = collect(model)
    rows = tuple(_layer(layer, threshold, relative) for layer in weights.layers)
    return SparsityResult(model=weights.info, input_size=weights.input_size, layers=rows, total=_total(rows))


def _layer(layer: Kernels, threshold: float | None, relative: float) -> LayerSparsity:
    weight = layer.weight
    alive = weight != 0
    zeros = int(weight.size - np.count_nonzero(alive))
    deviation = float(weight.std())
    limit = threshold if threshold is not None else relative * deviation
    magnitudes = np.abs(weight)
    below = float((magnitudes < limit).mean()) if limit > 0 else float((weight == 0).mean())
    common = {
        "name": layer.name,
        "shape": tuple(weight.shape),
        "weights": int(weight.size),
        "zeros": zeros,
        "sparsity": zeros / weight.size,
        "near_zero": NearZero(limit, below, relative if threshold is None else None),
        "dead_filters": int((~alive.any(axis=tuple(range(1, weight.ndim)))).sum()),
        "dead_inputs": int((~alive.any(axis=(0, *range(2, weight.ndim)))).sum()),
        "zero_kind": layer.zero_kind,
        "curve": tuple((level, float((magnitudes < level * deviation).mean())) for level in CURVE) if deviation else (),
        "storage": storage(weight),
    }
    if not layer.kernel:
        return LayerSparsity(**common, taps=None, shapes=None, full_box=None)  # type: ignore[arg-type]
    flat = alive.reshape(-1, math.prod(layer.kernel))
    masks, counts = unique_masks(flat)
    taps = np.bincount(masks.sum(1), weights=counts, minlength=flat.shape[1] + 1)
    ranks = rank_of(masks, layer.kernel)
    return LayerSparsity(
        **common,  # type: ignore[arg-type]
        taps=tuple(int(n) for n in taps),
        shapes=Shapes(
            dead=int(counts[ranks == -1].sum()),
            point=int(counts[ranks == 0].sum()),
            line=int(counts[ranks == 1].sum()),
            plane=int(counts[ranks >= 2].sum()),
        ),
        full_box=int(counts[spans_box(masks, layer.kernel)].sum()),
        expected_taps=binomial_taps(flat.shape[1], 1 - zeros / weight.size, len(flat)),
        survival=_nested((counts @ masks / counts.sum()).reshape(layer.kernel)),
    )


def binomial_taps(size: int, density: float, kernels: int) -> tuple[float, ...]:
    """How many of ``kernels`` would have 0, 1, ... ``size`` survivors if each weight survived by chance alone."""
    from scipy.stats import binom

    return tuple(float(kernels * p) for p in binom.pmf(np.arange(size + 1), size, density))


def storage(weight: Array) -> dict[str, int]:
    """Bytes of a layer as dense float32, as CSR (32-bit columns and row ends) and as a bit mask with values."""
    alive = int(np.count_nonzero(weight))
    return {
        "dense": 4 * weight.size,
        "csr": 8 * alive + 4 * (weight.shape[0] + 1),
        "bitmask": 4 * alive + math.ceil(weight.size / 8),
    }


def _nested(array: NDArray[np.float64]) -> tuple[object, ...]:
    return tuple(_nested(item) if item.ndim else float(item) for item in array)


def _total(rows: Sequence[LayerSparsity]) -> Total:
    weights, zeros = sum(row.weights for row in rows), sum(row.zeros for row in rows)
    near = sum(row.near_zero.share * row.weights for row in rows) / weights
    shaped = [row.shapes for row in rows if row.shapes is not None]
    kernel, taps = _common_taps(rows)
    return Total(
        weights=weights,
        zeros=zeros,
        sparsity=zeros / weights,
        near_zero=NearZero(max(row.near_zero.threshold for row in rows), near, rows[0].near_zero.relative),
        taps=taps,
        shapes=Shapes(*(sum(getattr(s, kind) for s in shaped) for kind in ("dead", "point", "line", "plane"))),
        full_box=sum(row.full_box or 0 for row in rows),
        dead_filters=sum(row.dead_filters for row in rows),
        dead_inputs=sum(row.dead_inputs for row in rows),
        tap_kernel=kernel,
    )


def _common_taps(rows: Sequence[LayerSparsity]) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
    """The tap counts of all layers of the kernel size that most kernels have."""
    kernels: dict[tuple[int, ...], NDArray[np.int64]] = {}
    for row in rows:
        if row.taps is not None and math.prod(row.shape[2:]) > 1:
            own = np.array(row.taps, dtype=np.int64)
            kernels[row.shape[2:]] = kernels.get(row.shape[2:], np.zeros_like(own)) + own
    if not kernels:
        return None, None
    kernel = max(kernels, key=lambda k: int(kernels[k].sum()))
    return kernel, tuple(int(n) for n in kernels[kernel])
