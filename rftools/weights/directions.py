"""Orientation: which way the surviving taps of each kernel point, and whether a layer still looks everywhere."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.loading import Model
from rftools.weights.axial import benjamini_hochberg, rayleigh, resultant
from rftools.weights.null import lattice_test
from rftools.weights.results import Histogram, LayerOrientation, OrientationResult, Pooled
from rftools.weights.shapes import Inertia, coordinates, inertia, unique_masks
from rftools.weights.source import Kernels, collect

if TYPE_CHECKING:
    import torch
    from torch import nn

MASSES = ("survivors", "abs", "square")
EDGES = tuple(float(e) for e in np.linspace(0, 180, 13))
BOOTSTRAPS = 1000
Floats = NDArray[np.float64]


def orientation(
    model: Model | nn.Module | Mapping[str, torch.Tensor] | str | Path,
    *,
    mass: str = "survivors",
    jumps: Mapping[str, tuple[float, ...]] | None = None,
    seed: int = 0,
) -> OrientationResult:
    """Which way kernels point: axial statistics a layer, tested against the lattice's own null.

    A kernel's orientation is the major axis of its taps' inertia; its anisotropy ``(l1 - l2)/(l1 + l2)``. A layer's
    ``resultant`` is ``|mean exp(2 i theta)|`` over its oriented kernels. ``pooled`` sums all kernels' inertia: it
    answers whether a layer of lines still spans the plane (rank 2) and how evenly.

    Args:
        mass: what a tap weighs: ``survivors`` (1 where the weight is not zero), ``abs`` (|w|) or ``square`` (w^2).
        jumps: input pixels a step of the layer's input, by layer and axis; with it angles are those in the input.
        seed: of the null's draws and the bootstrap.

    Raises:
        RequestError: an unknown mass; a model without weights.

    >>> import torch
    >>> conv = torch.nn.Conv2d(1, 1, 3)
    >>> _ = torch.nn.init.zeros_(conv.weight)
    >>> for i in range(3): conv.weight.data[0, 0, 2 - i, i] = 1.0  # from the lower left to the upper right
    >>> row = orientation(torch.nn.Sequential(conv))["0"]
    >>> row.mean_angle, row.anisotropy
    (45.0, 1.0)
    """
    if mass not in MASSES:
        raise RequestError(f"no mass {mass!r}; there are {', '.join(MASSES)}")
    weights = collect(model)
    layers = [layer for layer in weights.layers if layer.kernel]
    if not layers:
        raise RequestError(f"{weights.info.name} has no convolution, so no kernel has an orientation")
    rows = [_layer(layer, mass, (jumps or {}).get(layer.name), seed) for layer in layers]
    adjusted = benjamini_hochberg([row.p_lattice for row in rows])
    rows = [dataclasses.replace(row, q=q) for row, q in zip(rows, adjusted, strict=True)]
    return OrientationResult(
        model=weights.info, input_size=weights.input_size, layers=tuple(rows), mass=mass, seed=seed
    )


def _layer(layer: Kernels, mass: str, jump: tuple[float, ...] | None, seed: int) -> LayerOrientation:
    size = math.prod(layer.kernel)
    alive = (layer.weight != 0).reshape(-1, size)
    living = int(alive.any(axis=1).sum())
    note = _why_none(layer)
    if note is not None:
        return _blank(layer.name, living, note)
    step = _step(layer, jump)
    units = "taps" if jump is None else "px"
    positions = coordinates(layer.kernel, step)
    if mass == "survivors":
        masks, counts = unique_masks(alive)
        present = masks.any(axis=1)
        masks, counts = masks[present], counts[present]
        shapes = inertia(masks.astype(np.float64), positions)
    else:
        values = np.abs(layer.weight.reshape(-1, size)[alive.any(axis=1)].astype(np.float64))
        masks, counts = alive[alive.any(axis=1)], np.ones(len(values), dtype=np.int64)
        shapes = inertia(values if mass == "abs" else values**2, positions)
    if not len(counts):
        return _blank(layer.name, 0, "every kernel is dead")
    row = _describe(layer.name, shapes, counts, units, seed)
    row = _test(row, layer.kernel, masks, counts, step, mass, seed)
    return _by_filter(row, layer, mass, positions)


def _why_none(layer: Kernels) -> str | None:
    if len(layer.kernel) == 1:
        return "1-D: a line has no orientation"
    if len(layer.kernel) == 3:
        return "3-D: axes on the sphere are not worked out yet"
    if sum(k > 1 for k in layer.kernel) < 2:
        return "1 x 1: a point has no orientation" if max(layer.kernel) == 1 else "one tap wide: one direction only"
    return None


def _blank(name: str, kernels: int, note: str) -> LayerOrientation:
    empty = Histogram(EDGES, (0,) * (len(EDGES) - 1))
    return LayerOrientation(name, kernels, 0, None, None, None, None, None, None, None, empty, note=note)


def _step(layer: Kernels, jump: tuple[float, ...] | None) -> tuple[float, ...]:
    """The distance of neighbouring taps along each axis: in taps, or in input pixels where the jump is known.

    An even dilation keeps angles in taps; only its ratio between axes turns them.
    """
    dilation = layer.dilation or (1,) * len(layer.kernel)
    return (
        tuple(float(d) for d in dilation) if jump is None else tuple(d * j for d, j in zip(dilation, jump, strict=True))
    )


def _describe(name: str, shapes: Inertia, counts: NDArray[np.int64], units: str, seed: int) -> LayerOrientation:
    angle, weights = shapes.angle, counts.astype(np.float64)
    has = ~np.isnan(angle)
    oriented = int(counts[has].sum())
    length, mean = resultant(angle[has], weights[has]) if oriented else (None, None)
    draws = _bootstrap(counts, seed)
    z = np.where(has, np.exp(2j * np.nan_to_num(angle)), 0)
    lengths = np.abs(draws @ z) / np.maximum(draws @ has, 1)
    low, high = _interval(lengths) if oriented > 1 else (None, None)
    return LayerOrientation(
        name=name,
        kernels=int(counts.sum()),
        oriented=oriented,
        mean_angle=None if mean is None else math.degrees(mean),
        resultant=length,
        anisotropy=float(weights @ shapes.anisotropy / weights.sum()),
        p_rayleigh=None if length is None else rayleigh(oriented, length),
        p_lattice=None,
        q=None,
        pooled=_pooled(shapes, weights, draws),
        histogram=_histogram(np.degrees(angle[has]), counts[has]),
        units=units,
        resultant_low=low,
        resultant_high=high,
    )


def _bootstrap(counts: NDArray[np.int64], seed: int) -> Floats:
    """Bootstrap resamples of kernels, as counts of each distinct kernel ``(draws, distinct)``."""
    total = int(counts.sum())
    draw = np.random.default_rng((seed, 3))
    draws = BOOTSTRAPS if len(counts) <= 20_000 else 100
    return draw.multinomial(total, counts / total, size=draws).astype(np.float64)


def _interval(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _histogram(degrees: Floats, counts: NDArray[np.int64]) -> Histogram:
    """Bins centred on 0, 15, ... would split an axis at 0; edges at 0, 15, ... keep [0, 180) whole."""
    found, _ = np.histogram(np.minimum(degrees, 180 - 1e-9), bins=np.array(EDGES), weights=counts)
    return Histogram(EDGES, tuple(int(n) for n in found))


def _pooled(shapes: Inertia, weights: Floats, draws: Floats | None = None) -> Pooled:
    """The inertia of all kernels together (each about its own centroid): ``sum_kernels M``."""
    parts = np.stack([shapes.xx, shapes.xy, shapes.yy], axis=1)
    whole = weights @ parts
    one = Inertia(whole[:1], whole[1:2], whole[2:], np.array([weights.sum()]))
    trace = whole[0] + whole[2]
    anisotropy = float(one.anisotropy[0])
    angle = float(one.angle[0])
    rank = 0 if trace <= 1e-9 else 1 if anisotropy > 1 - 1e-9 else 2
    low = high = None
    if draws is not None and weights.sum() > 1:
        many = draws @ parts
        low, high = _interval(Inertia(many[:, 0], many[:, 1], many[:, 2], many[:, 0]).anisotropy)
    return Pooled(anisotropy, None if math.isnan(angle) else math.degrees(angle), rank, low, high)


def _test(
    row: LayerOrientation,
    kernel: tuple[int, ...],
    masks: NDArray[np.bool_],
    counts: NDArray[np.int64],
    step: tuple[float, ...],
    mass: str,
    seed: int,
) -> LayerOrientation:
    """The lattice's null speaks of which taps survive; weighted masses have none."""
    if mass != "survivors" or row.resultant is None:
        return row
    taps = np.bincount(masks.sum(1), weights=counts).astype(np.int64)
    present = np.flatnonzero(taps)
    test = lattice_test(kernel, present, taps[present], row.resultant, step=step, seed=seed)
    if test is None:
        return row
    return dataclasses.replace(row, p_lattice=test.p, p_error=test.error, null_radius=test.radius)


def _by_filter(row: LayerOrientation, layer: Kernels, mass: str, positions: Floats) -> LayerOrientation:
    """Filter by filter: how many still span the plane, and how anisotropic the pooled filter is on average."""
    size = len(positions)
    filters, inputs = layer.weight.shape[:2]
    flat = layer.weight.reshape(-1, size)
    values = (flat != 0).astype(np.float64) if mass == "survivors" else np.abs(flat).astype(np.float64)
    shapes = inertia(values**2 if mass == "square" else values, positions)
    xx, xy, yy = (part.reshape(filters, inputs).sum(1) for part in (shapes.xx, shapes.xy, shapes.yy))
    pooled = Inertia(xx, xy, yy, np.ones(filters))
    trace = pooled.xx + pooled.yy
    spanning = int(((trace > 1e-9) & (pooled.anisotropy < 1 - 1e-9)).sum())
    alive = trace > 1e-9
    mean = float(pooled.anisotropy[alive].mean()) if alive.any() else None
    return dataclasses.replace(row, spanning_filters=spanning, filter_anisotropy=mean)
