"""Sparsity: what is zero, layer by layer, and what the zeros left of kernels, filters and inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.loading import Model
from rftools.weights.masks import Masks, masks_of
from rftools.weights.results import LayerSparsity, NearZero, Shapes, SparsityResult, Total
from rftools.weights.shapes import rank_of, spans_box
from rftools.weights.source import Array, Kernels, collect

if TYPE_CHECKING:
    import torch
    from torch import nn

CHUNK = 1 << 16  # weights at a time: stays in the cache
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
    found = masks_of(weight)
    counts, living = found.counts, found.living
    zeros = int(weight.size - counts @ found.taps)
    near, curve = _near_zero(weight, threshold, relative)
    by_filter, by_input = survivors_by_channel(found, layer.groups)
    common = {
        "name": layer.name,
        "shape": tuple(weight.shape),
        "weights": int(weight.size),
        "zeros": zeros,
        "sparsity": zeros / weight.size,
        "near_zero": near,
        "dead_filters": int((~living.any(axis=1)).sum()),
        "dead_inputs": dead_inputs(living, layer.groups),
        "zero_kind": layer.zero_kind,
        "curve": curve,
        "storage": storage(weight, zeros),
        "n_of_m": n_of_m(weight),
        "filter_zeros": tuple((weight[0].size - by_filter).tolist()),
        "input_zeros": tuple((weight.size // len(by_input) - by_input).tolist()),
        "note": layer.note,
    }
    if not layer.kernel:
        return LayerSparsity(**common, taps=None, shapes=None, full_box=None)  # type: ignore[arg-type]
    size = math.prod(layer.kernel)
    ranks = rank_of(found.alive, layer.kernel)
    return LayerSparsity(
        **common,  # type: ignore[arg-type]
        taps=tuple(int(n) for n in np.bincount(found.taps, weights=counts, minlength=size + 1)),
        shapes=Shapes(
            dead=int(counts[ranks == -1].sum()),
            point=int(counts[ranks == 0].sum()),
            line=int(counts[ranks == 1].sum()),
            plane=int(counts[ranks >= 2].sum()),
        ),
        full_box=int(counts[spans_box(found.alive, layer.kernel)].sum()),
        expected_taps=binomial_taps(size, 1 - zeros / weight.size, int(counts.sum())),
        survival=_nested((counts @ found.alive / counts.sum()).reshape(layer.kernel)),
    )


def survivors_by_channel(found: Masks, groups: int = 1) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many weights that are not zero each filter has, and each input channel is read by; filters in group order."""
    if found.alive.shape[1] == 1:
        by_input = found.living.reshape(groups, -1, found.living.shape[1]).sum(axis=1)
        return np.count_nonzero(found.living, axis=1), by_input.reshape(-1).astype(np.int64)
    filters, inputs = found.index.shape
    by_filter, by_group = np.empty(filters, dtype=np.int64), np.zeros((groups, inputs), dtype=np.int64)
    for place, own in enumerate(found.index):  # a filter at a time: stays in the cache
        taps = found.taps[own]
        by_filter[place] = taps.sum()
        by_group[place * groups // filters] += taps
    return by_filter, by_group.reshape(-1)


def dead_inputs(living: NDArray[np.bool_], groups: int = 1) -> int:
    """Input channels that no filter reads; ``living`` is ``(out, in per group)``, filters ordered by group.

    >>> dead_inputs(np.array([[True, False], [False, True]]), groups=2)  # 4 channels: the 2nd and the 3rd
    2
    """
    return int((~living.reshape(groups, -1, living.shape[1]).any(axis=1)).sum())


def _near_zero(
    weight: Array, threshold: float | None, relative: float
) -> tuple[NearZero, tuple[tuple[float, float], ...]]:
    """Shares of small weights, chunk by chunk, so that nothing of the layer's size is held beside it."""
    flat = weight.reshape(-1)
    chunks = [flat[first : first + CHUNK] for first in range(0, flat.size, CHUNK)]
    mean = sum(float(chunk.sum()) for chunk in chunks) / flat.size
    deviation = math.sqrt(sum(_square_sum(chunk, mean) for chunk in chunks) / flat.size)
    limit = threshold if threshold is not None else relative * deviation
    limits = np.array([limit, *(level * deviation for level in CURVE)], dtype=np.float32)
    below = np.zeros(len(limits), dtype=np.int64)
    magnitudes, small = np.empty(CHUNK, dtype=np.float32), np.empty(CHUNK, dtype=bool)
    for chunk in chunks:
        own = np.abs(chunk, out=magnitudes[: chunk.size])
        for place, edge in enumerate(limits):
            below[place] += np.count_nonzero(np.less(own, edge, out=small[: chunk.size]))
    shares = (below / flat.size).tolist()
    if limit <= 0:  # all weights are the same; zeros still count
        shares[0] = float(1 - np.count_nonzero(flat) / flat.size)
    near = NearZero(limit, shares[0], relative if threshold is None else None)
    return near, tuple(zip(CURVE, shares[1:], strict=True)) if deviation else ()


def _square_sum(chunk: Array, mean: float) -> float:
    centred = chunk - np.float32(mean)
    return float(centred @ centred)


def n_of_m(weight: Array) -> str | None:
    """The N:M pattern that a weight keeps: of each M neighbouring inputs at most N are not zero.

    Neighbours are inputs of one filter at one tap, as sparse tensor cores want them; M is 4 or 8, N at most half of it.

    >>> n_of_m(np.array([[1, 0, 0, 2], [0, 3, 4, 0]], dtype=np.float32))
    '2:4'
    """
    for m, word in ((4, np.uint32), (8, np.uint64)):
        if weight.shape[1] % m:
            continue
        most = 0
        for own in np.moveaxis(weight, 1, -1):  # filter by filter: most layers keep no pattern, and the first says so
            groups: NDArray[Any] = np.ascontiguousarray(own != 0).view(word).reshape(-1)
            ones = word(int.from_bytes(b"\1" * m))
            most = max(most, int(np.right_shift(groups * ones, 8 * (m - 1)).max()))  # the top byte adds all up
            if most > m // 2:
                break
        else:
            return f"{most}:{m}" if most else None
    return None


def binomial_taps(size: int, density: float, kernels: int) -> tuple[float, ...]:
    """How many of ``kernels`` would have 0, 1, ... ``size`` survivors if each weight survived by chance alone."""
    from scipy.stats import binom

    return tuple(float(kernels * p) for p in binom.pmf(np.arange(size + 1), size, density))


def storage(weight: Array, zeros: int) -> dict[str, int]:
    """Bytes of a layer as dense float32, as CSR (32-bit columns and row ends) and as a bit mask with values."""
    alive = weight.size - zeros
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
