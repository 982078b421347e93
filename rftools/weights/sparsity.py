"""Sparsity: what is zero, layer by layer, and what the zeros left of kernels, filters and inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rftools.arguments import checked
from rftools.errors import RequestError
from rftools.loading import Model
from rftools.weights.binomial import binomial_taps
from rftools.weights.kernels import Array, Kernels
from rftools.weights.masks import Masks, bits, masks_of
from rftools.weights.results import LayerSparsity, NearZero, Shapes, SparsityResult, Total
from rftools.weights.source import Weights, chosen, collect
from rftools.weights.statistics.shapes import rank_of, spans_box

if TYPE_CHECKING:
    import torch
    from torch import nn

CHUNK = 1 << 16  # weights at a time: stays in the cache
PLAIN = (1e-20, 1e30)  # mean squares between which float32 sums are good
TABLED = 9  # kernels of up to so many taps: all their masks in a table
CURVE = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@checked
def sparsity(
    model: Model | nn.Module | Mapping[str, torch.Tensor] | str | Path,
    layers: Sequence[str] | str | None = None,
    *,
    threshold: float | None = None,
    relative: float = 0.01,
    kernels: bool = False,
) -> SparsityResult:
    """What pruning left: zeros, taps a kernel, shapes, dead filters and inputs, by layer and in total.

    Sparsity is the share of weights that are exactly zero (masks applied). Near zero is ``|w| < threshold``, or
    ``|w| < relative`` times the layer's standard deviation where no absolute ``threshold`` is given.

    Args:
        model: a loaded model, a module, a state dict, or the path of a weight file (no architecture needed).
        layers: names or patterns; all that hold a kernel or a matrix where none is named.
        kernels: also keep how many taps each kernel has (``row.survivors``), for ``.by_kernel()``.

    Raises:
        RequestError: no weights; NaN in one; a threshold that is not positive; a pattern that matches no layer.

    >>> import torch
    >>> conv = torch.nn.Conv2d(1, 1, 3)
    >>> _ = torch.nn.init.zeros_(conv.weight)
    >>> conv.weight.data[0, 0, 1] = 1.0
    >>> row = sparsity(torch.nn.Sequential(conv))["0"]
    >>> row.zeros, row.taps[3], row.shapes.line, row.full_box
    (6, 1, 1, 0)
    """
    counting = Counting(threshold, relative, kernels=kernels)
    weights = collect(model)
    own = chosen(weights.layers, layers)
    return counting.result(weights, [counting.layer(layer, masks_of(layer.weight)) for layer in own])


@dataclass
class Counting:
    """How layers are counted, and the shapes of kernels that were met: many layers have the same."""

    threshold: float | None = None
    relative: float = 0.01
    curve: tuple[float, ...] = CURVE  # thresholds in standard deviations
    kernels: bool = False
    _tables: dict[tuple[int, ...], tuple[NDArray[np.int64], NDArray[np.bool_]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("threshold", "relative"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, Real) and 0 < float(value) < math.inf):
                raise RequestError(f"the near-zero {name} is {value}; it takes a positive number")

    def result(self, weights: Weights, rows: Sequence[LayerSparsity]) -> SparsityResult:
        layers = tuple(rows)
        return SparsityResult(model=weights.info, input_size=weights.input_size, layers=layers, total=total(layers))

    def layer(self, layer: Kernels, found: Masks) -> LayerSparsity:
        """One layer's row from its survivor masks."""
        return _layer(layer, found, self)

    def shapes(self, found: Masks, kernel: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Of each distinct mask the dimension that it spans, and whether it spans the box."""
        if math.prod(kernel) == 1:
            return np.where(found.alive[:, 0], 0, -1), found.alive[:, 0]
        if found.codes is None or math.prod(kernel) > TABLED:
            return rank_of(found.alive, kernel), spans_box(found.alive, kernel)
        if kernel not in self._tables:
            taps = math.prod(kernel)
            alive = bits(np.arange(1 << taps), taps)
            self._tables[kernel] = rank_of(alive, kernel), spans_box(alive, kernel)
        ranks, boxes = self._tables[kernel]
        return ranks[found.codes], boxes[found.codes]


def _layer(layer: Kernels, found: Masks, counting: Counting) -> LayerSparsity:
    weight = layer.weight
    counts, living = found.counts, found.living
    zeros = int(weight.size - counts @ found.taps)
    near, curve = _near_zero(layer, counting)
    by_filter, by_input = survivors_by_channel(found, layer.groups)
    common = {
        "name": layer.name,
        "shape": tuple(weight.shape),
        "weights": int(weight.size),
        "zeros": zeros,
        "sparsity": zeros / weight.size,
        "near_zero": near,
        "dead_filters": int((by_filter == 0).sum()),
        "dead_inputs": int((by_input == 0).sum()),
        "zero_kind": layer.zero_kind or ("baked" if zeros else None),
        "curve": curve,
        "storage": storage(weight, zeros),
        "n_of_m": n_of_m(weight, living if found.alive.shape[1] == 1 else None),
        "filter_zeros": tuple((weight[0].size - by_filter).tolist()),
        "input_zeros": tuple((weight.size // len(by_input) - by_input).tolist()),
        "note": layer.remark,
    }
    if not layer.kernel:
        return LayerSparsity(**common, taps=None, shapes=None, full_box=None)  # type: ignore[arg-type]
    size = math.prod(layer.kernel)
    ranks, boxes = counting.shapes(found, layer.kernel)
    return LayerSparsity(
        **common,  # type: ignore[arg-type]
        taps=tuple(int(n) for n in np.bincount(found.taps, weights=counts, minlength=size + 1)),
        shapes=Shapes(
            dead=int(counts[ranks == -1].sum()),
            point=int(counts[ranks == 0].sum()),
            line=int(counts[ranks == 1].sum()),
            plane=int(counts[ranks >= 2].sum()),
        ),
        full_box=int(counts[boxes].sum()),
        expected_taps=binomial_taps(size, 1 - zeros / weight.size, int(counts.sum())),
        survivors=found.taps[found.index] if counting.kernels and size > 1 else None,
        survival=_nested((counts @ found.alive / counts.sum()).reshape(layer.kernel)),
    )


def survivors_by_channel(found: Masks, groups: int = 1) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many weights that are not zero each filter has, and each input channel is read by; filters in group order.

    >>> from rftools.weights.masks import masks_of
    >>> weight = np.array([[[1.0], [0.0]], [[0.0], [3.0]], [[0.0], [4.0]], [[0.0], [0.0]]], dtype=np.float32)
    >>> [found.tolist() for found in survivors_by_channel(masks_of(weight), groups=2)]  # 4 channels; 2 a filter
    [[1, 1, 1, 0], [1, 1, 0, 1]]
    """
    filters, inputs = found.index.shape
    if groups > 1:
        each = found.taps[found.index].reshape(groups, filters // groups, inputs)
        return each.sum(axis=2).reshape(-1), each.sum(axis=1).reshape(-1)
    by_filter, by_input = np.empty(filters, dtype=np.int64), np.zeros(inputs, dtype=np.int64)
    most = int(found.taps.max())
    kind = np.uint8 if most < 256 else np.int64
    block = max(1, 255 // max(most, 1))  # so many filters' counts add up within a byte
    short = np.uint16 if inputs * most < 1 << 16 else np.int64  # adds up three times as fast
    taps = found.taps.astype(kind)
    for first in range(0, filters, block):
        index, living = found.index[first : first + block], found.living[first : first + block]
        alive = living.view(np.uint8) if most <= 1 else taps[index]
        by_input += alive.sum(axis=0, dtype=kind)
        by_filter[first : first + block] = alive.sum(axis=1, dtype=short)
    return by_filter, by_input


def _near_zero(layer: Kernels, counting: Counting) -> tuple[NearZero, tuple[tuple[float, float], ...]]:
    """Shares of small weights, chunk by chunk, so that nothing of the layer's size is held beside it."""
    flat = layer.weight.reshape(-1)
    chunks = [flat[first : first + CHUNK] for first in range(0, flat.size, CHUNK)]
    deviation, kind = _deviation(chunks, layer.total)
    threshold, relative, levels = counting.threshold, counting.relative, counting.curve
    limit = threshold if threshold is not None else relative * deviation
    edges = [kind.type(limit), *(kind.type(level * deviation) for level in levels)]
    below = dict.fromkeys(edges, 0)
    magnitudes, small = np.empty(CHUNK, dtype=kind), np.empty(CHUNK, dtype=bool)
    for chunk in chunks:
        own, flags = np.abs(chunk, out=magnitudes[: chunk.size]), small[: chunk.size]
        for edge in below:
            below[edge] += int(np.count_nonzero(np.less(own, edge, out=flags)))
    shares = [below[edge] / flat.size for edge in edges]
    if limit <= 0:  # all weights are the same; zeros still count
        shares[0] = float(1 - np.count_nonzero(flat) / flat.size)
    near = NearZero(limit, shares[0], relative if threshold is None else None)
    return near, tuple(zip(levels, shares[1:], strict=True)) if deviation else ()


def _deviation(chunks: Sequence[Array], total: float) -> tuple[float, np.dtype[Any]]:
    """The standard deviation, from the sums of w and w^2 or, where those would cancel, about the mean; and the format
    in which weights can be compared with it: that of the weights, float64 near its ends.
    """
    size, kind = sum(chunk.size for chunk in chunks), chunks[0].dtype
    with np.errstate(over="ignore", invalid="ignore"):
        square = sum(float(chunk @ chunk) for chunk in chunks) / size
    if not PLAIN[0] < square < PLAIN[1]:
        return _scaled_deviation(chunks), np.dtype(np.float64)
    mean = (total if math.isfinite(total) else sum(float(chunk.sum(dtype=np.float64)) for chunk in chunks)) / size
    if mean**2 > 0.01 * square:
        return math.sqrt(sum(float((own := chunk - kind.type(mean)) @ own) for chunk in chunks) / size), kind
    return math.sqrt(max(square - mean**2, 0.0)), kind


def _scaled_deviation(chunks: Sequence[Array]) -> float:
    """The same of weights whose squares leave float32: about the mean, in float64, the largest weight being 1."""
    size, largest = sum(chunk.size for chunk in chunks), max(float(np.abs(chunk).max()) for chunk in chunks)
    if not largest:
        return 0.0
    mean = sum(float((chunk / np.float64(largest)).sum()) for chunk in chunks) / size
    square = sum(float((own := chunk / np.float64(largest) - mean) @ own) for chunk in chunks) / size
    return math.sqrt(square) * largest


def n_of_m(weight: Array, living: NDArray[np.bool_] | None = None) -> str | None:
    """The N:M pattern that a weight keeps: of each M neighbouring inputs at most N are not zero.

    Neighbours are inputs of one filter at one tap, as sparse tensor cores want them; M is 4 or 8, N at most half of it.
    ``living`` is ``weight != 0`` of a layer with one tap, where that is at hand.

    >>> n_of_m(np.array([[1, 0, 0, 2], [0, 3, 4, 0]], dtype=np.float32))
    '2:4'
    """
    for m, word in ((4, np.uint32), (8, np.uint64)):
        if weight.shape[1] % m:
            continue
        ones = word(int.from_bytes(b"\1" * m))
        most, first, block = 0, 0, 1
        while first < len(weight) and most <= m // 2:  # most layers keep no pattern, and the first filters say so
            if living is None:
                alive = np.ascontiguousarray(np.moveaxis(weight[first : first + block], 1, -1) != 0)
            else:
                alive = living[first : first + block]
            groups: NDArray[Any] = alive.view(word)
            most = max(most, int(np.right_shift(groups * ones, 8 * (m - 1)).max()))  # the top byte adds all up
            first, block = first + block, min(4 * block, max(1, CHUNK // weight[0].size))
        if most <= m // 2:
            return f"{most}:{m}" if most else None
    return None


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


def total(rows: Sequence[LayerSparsity]) -> Total:
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
