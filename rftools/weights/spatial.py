"""Rows of `rftools.orientation` for 3-D kernels, which have axes on the sphere where planar ones have angles."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from rftools.weights.directions import from_axes, masses_of
from rftools.weights.kernels import Kernels
from rftools.weights.masks import Masks
from rftools.weights.results import LayerOrientation, Pooled
from rftools.weights.statistics.axes_clusters import (
    as_vectors,
    filter_axes_test,
    inertia_parts,
    order_interval,
    orders_of,
    pooled_anisotropies,
    resampled_axes,
)
from rftools.weights.statistics.axes_test import sphere_test
from rftools.weights.statistics.clusters import design_effect, shared, sums_by_filter
from rftools.weights.statistics.null_axes import SphereNull
from rftools.weights.statistics.resampling import mean_interval
from rftools.weights.statistics.shapes import coordinates
from rftools.weights.statistics.sphere import axes, fractional_anisotropy, longest_axes, products, tensors

Floats = NDArray[np.float64]
HAS, SHAPE, ALIVE = 12, 13, 14  # columns of `parts_in_space`
#: kernels, or filters, below which intervals hold the truth too seldom to be shown (docs/calibration.md)
ORDER_FROM, SHAPE_FROM, POOLED_FROM = 12, 100, 100
OTHERS = (
    20  # that differ from the commonest anisotropy: of fewer the mean's spread is not known (lines have 1, all alike)
)


def in_space(
    layer: Kernels, mass: str, found: Masks, step: tuple[float, ...], null: SphereNull | None, independent: str
) -> LayerOrientation:
    """A 3-D layer's row: `Axes` stands where planar layers have a resultant. No test without a ``null``."""
    survivors, filters = mass == "survivors", layer.weight.shape[:2]
    values = found.alive.astype(np.float64) if survivors else masses_of(layer, mass)
    counts = found.counts if survivors else np.ones(len(values), dtype=np.int64)
    index = found.index if survivors else np.arange(len(values)).reshape(filters)
    own = axes(values, counts.astype(np.float64), coordinates(layer.kernel, step))
    row = from_axes(layer.name, own, "taps")
    if own.order is None:
        return row
    parts = parts_in_space(values, coordinates(layer.kernel, step))
    chance = _by_chance(null, found, parts[:, HAS])
    sums = sums_by_filter(np.column_stack([parts, chance]), index)
    apart = as_vectors(sums[:, :6] - np.pad(sums[:, 15:], ((0, 0), (0, 3))))
    alone = float(counts @ (parts[:, HAS] - (chance**2).sum(axis=1)))  # so long are kernels' own, squared
    scale = math.sqrt(own.oriented / max(alone, 1e-9 * own.oriented))
    effect = None if index.shape[1] == 1 else design_effect(scale * apart, sums[:, HAS])
    by_filters = independent == "filters" or (independent == "auto" and shared(effect, int((sums[:, HAS] > 0).sum())))
    seed = 0 if null is None else null.seed
    row = _with_ends(
        row, *((sums[:, :15], np.ones(len(sums), dtype=np.int64)) if by_filters else (parts, counts)), seed
    )
    row = dataclasses.replace(row, independent="filters" if by_filters else "kernels", design_effect=effect)
    return row if null is None else _tested(row, null, found, own.order, sums if by_filters else None)


def parts_in_space(values: Floats, positions: Floats) -> Floats:
    """What is summed over kernels, ``(kernels, 15)``: ``u u^T`` and the inertia by six entries each, whether there is
    an axis, the fractional anisotropy, and whether there is a tap.
    """
    inertia = tensors(values, positions)
    has, axis = longest_axes(inertia)
    shape = fractional_anisotropy(np.linalg.eigvalsh(inertia).astype(np.float64))
    alive = values.sum(axis=1) > 0
    return np.column_stack([products(np.where(has[:, None], axis, 0.0)), inertia_parts(inertia), has, shape, alive])


def _by_chance(null: SphereNull | None, found: Masks, has: Floats) -> Floats:
    """The diagonal of ``u u^T`` that chance would make of each mask on average: a third on a cube."""
    if null is None or null.symmetric:
        return np.repeat(has[:, None] / 3, 3, axis=1)
    means = np.zeros((int(found.taps.max()) + 1, 3))
    for t in np.unique(found.taps).tolist():
        if t:
            own = null[t].cumulants.mean[:3]
            means[t] = own / max(float(own.sum()), 1e-300)
    return np.asarray(has[:, None] * means[found.taps])


def _with_ends(row: LayerOrientation, parts: Floats, counts: NDArray[np.int64], seed: int) -> LayerOrientation:
    """With the intervals of the order, of the mean anisotropy and of the pooled one, each where there are enough."""
    parts, counts = parts[parts[:, ALIVE] > 0], counts[parts[:, ALIVE] > 0]
    assert row.axes is not None
    assert row.axes.order is not None
    if counts.sum() < ORDER_FROM or row.anisotropy is None or row.pooled is None:
        return row
    sums = resampled_axes(parts, counts, row.axes.order, np.random.default_rng((seed, 3)))
    own = row.axes
    if counts[parts[:, HAS] > 0].sum() >= ORDER_FROM:
        low, high = order_interval(orders_of(sums[:, :6]), row.axes.order)
        own = dataclasses.replace(own, order_low=low, order_high=high)
    row, number = dataclasses.replace(row, axes=own), int(counts.sum())
    if number >= SHAPE_FROM and row.anisotropy is not None and _others(parts, counts) >= OTHERS:
        low, high = mean_interval(sums[:, SHAPE] / np.maximum(sums[:, ALIVE], 1e-300), row.anisotropy, number)
        row = dataclasses.replace(row, anisotropy_low=low, anisotropy_high=high)
    if number >= POOLED_FROM and row.pooled is not None:
        ends = order_interval(pooled_anisotropies(sums[:, 6:12]), row.pooled.anisotropy)
        row = dataclasses.replace(row, pooled=Pooled(row.pooled.anisotropy, None, row.pooled.rank, *ends))
    return row


def _others(parts: Floats, counts: NDArray[np.int64]) -> int:
    """How many kernels, or filters, have another anisotropy than most."""
    shape = (parts[:, SHAPE] / np.maximum(parts[:, ALIVE], 1e-300)).round(6)
    _, which = np.unique(shape, return_inverse=True)
    return int(counts.sum() - np.bincount(which, weights=counts).max())


def _tested(
    row: LayerOrientation, null: SphereNull, found: Masks, order: float, sums: Floats | None
) -> LayerOrientation:
    """With the test against the lattice, by kernels or, where their ``sums`` are given, by filters."""
    if sums is None:
        taps = np.bincount(found.taps, weights=found.counts).astype(np.int64)
        present = np.flatnonzero(taps)
        test = sphere_test(null, present, taps[present], order)
    else:
        sums = sums[sums[:, HAS] > 0]
        expected = np.pad(sums[:, 15:], ((0, 0), (0, 3)))
        test = filter_axes_test(sums[:, :6], expected, null.symmetric, order, seed=null.seed)
    if test is None:
        return row
    return dataclasses.replace(row, p_lattice=test.p, p_error=test.error, null_radius=test.radius)
