"""Rows of `rftools.orientation` from arrays: inertias of kernels in, statistics of their directions out."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rftools.weights.kernels import Kernels
from rftools.weights.results import Examples, FilterOrientation, Histogram, LayerOrientation, Pooled
from rftools.weights.statistics.axial import rayleigh, resultant
from rftools.weights.statistics.continuous import kuiper, rao
from rftools.weights.statistics.resampling import LEAST, ends, length_interval, mean_interval, resampled_sums
from rftools.weights.statistics.shapes import Inertia
from rftools.weights.statistics.sphere import Axes

EDGES = tuple(float(e) for e in np.linspace(-7.5, 172.5, 13))
Floats = NDArray[np.float64]
Ends = tuple[float | None, float | None]  # of an interval


def blank(name: str, kernels: int, note: str) -> LayerOrientation:
    """A layer without orientation; ``note`` says why."""
    empty = Histogram(EDGES, (0,) * (len(EDGES) - 1))
    return LayerOrientation(name, kernels, 0, None, None, None, None, None, None, None, empty, note=note)


def from_axes(name: str, own: Axes, units: str) -> LayerOrientation:
    """The row of a layer whose directions are axes on the sphere."""
    none = blank(name, own.kernels, "3-D: axes on the sphere, see axes")
    pooled = Pooled(own.pooled_anisotropy, None, own.pooled_rank)
    return dataclasses.replace(
        none, oriented=own.oriented, anisotropy=own.anisotropy, pooled=pooled, units=units, axes=own
    )


def parts_of(shapes: Inertia) -> Floats:
    """What is summed over kernels, ``(kernels, 8)``: ``exp(2 i theta)`` and ``Mxx - Myy + 2 i Mxy`` by their real and
    imaginary parts, whether there is a direction, ``Mxx + Myy``, the anisotropy, and whether there is a tap.
    """
    z, has = shapes.doubled, ~np.isnan(shapes.angle)
    moment = (shapes.xx - shapes.yy, 2 * shapes.xy)
    columns = (z.real, z.imag, *moment, has, shapes.xx + shapes.yy, shapes.anisotropy, shapes.mass > 0)
    return np.stack(columns, axis=1).astype(np.float64)


def describe(
    name: str, shapes: Inertia, counts: NDArray[np.int64], units: str, seed: int, filters: Floats | None = None
) -> LayerOrientation:
    """One layer's axial statistics from its kernels' inertia, each ``counts`` times; no test against the lattice.

    ``filters`` are the sums of `parts_of` by filter where those, and not kernels, are independent.
    """
    angle, weights = shapes.angle, counts.astype(np.float64)
    has = ~np.isnan(angle)
    oriented = int(counts[has].sum())
    length, mean = resultant(angle[has], weights[has]) if oriented else (None, None)
    rows, number = (parts_of(shapes), counts) if filters is None else (filters, np.ones(len(filters), dtype=np.int64))
    sums = resampled_sums(rows, number, np.random.default_rng((seed, 3)))
    p_kuiper = p_rao = None
    if length is not None and oriented > 1:
        p_kuiper, p_rao = kuiper(angle[has], counts[has])[1], rao(angle[has], counts[has], seed)[1]
    ends_, turned = _of_direction(sums, int(number[rows[:, 4] > 0].sum()), length, mean)
    anisotropy, living = float(weights @ shapes.anisotropy / weights.sum()), int(number[rows[:, 7] > 0].sum())
    spread: Ends = (None, None)
    if living >= LEAST:
        spread = mean_interval(sums[:, 6] / np.maximum(sums[:, 7], 1e-300), anisotropy, living)
    return LayerOrientation(
        name=name,
        kernels=int(counts.sum()),
        oriented=oriented,
        mean_angle=None if mean is None else math.degrees(mean),
        resultant=length,
        anisotropy=anisotropy,
        p_rayleigh=None if length is None else rayleigh(oriented, length),
        p_lattice=None,
        q=None,
        pooled=_pooled(shapes, weights, sums if living >= LEAST else None),
        histogram=_histogram(np.degrees(angle[has]), counts[has]),
        units=units,
        resultant_low=ends_[0],
        resultant_high=ends_[1],
        angle_low=turned[0],
        angle_high=turned[1],
        anisotropy_low=spread[0],
        anisotropy_high=spread[1],
        p_kuiper=p_kuiper,
        p_rao=p_rao,
    )


def _of_direction(sums: Floats, number: int, length: float | None, mean: float | None) -> tuple[Ends, Ends]:
    """The intervals of R and of the mean angle.

    Angles spread as ``1/sqrt(R R*)`` about the true one, R* the one found: where R is small by truth, layers whose R*
    is far from 0 have it by luck, and their angles are further off than resamples say. The angle's interval is that of
    an R at its own lower end, and there is none where that reaches 45 degrees to a side, or R's reaches 0: there may be
    no direction.
    """
    if length is None or number < LEAST:
        return (None, None), (None, None)
    z = _means(sums, 0, 4)
    low, high = length_interval(z, length)
    if mean is None or not low:
        return (low, high), (None, None)
    left, right = (math.sqrt(length / low) * end for end in ends(np.angle(z * np.exp(-2j * mean)) / 2))
    if max(-left, right) >= math.pi / 4:
        return (low, high), (None, None)
    return (low, high), (math.degrees(mean + left), math.degrees(mean + right))


def _means(sums: Floats, real: int, total: int) -> NDArray[np.complex128]:
    """A column and the next one as a complex number, over another."""
    return np.asarray(
        (sums[:, real] + 1j * sums[:, real + 1]) / np.maximum(sums[:, total], 1e-300), dtype=np.complex128
    )


def _histogram(degrees: Floats, counts: NDArray[np.int64]) -> Histogram:
    """Bins are centred on 0, 15, ...: a lattice's directions (0, 45, 90, ...) would sit on the edges otherwise, and
    the histogram of a mirror-symmetric layer would look turned. What lies above the last edge belongs to the first bin.
    """
    wrapped = np.where(degrees >= EDGES[-1], degrees - 180, degrees)
    place = np.floor((wrapped - EDGES[0]) / (EDGES[1] - EDGES[0])).astype(np.int64)
    found = np.bincount(np.clip(place, 0, len(EDGES) - 2), weights=counts, minlength=len(EDGES) - 1)
    return Histogram(EDGES, tuple(int(n) for n in found))


def _pooled(shapes: Inertia, weights: Floats, sums: Floats | None) -> Pooled:
    """The inertia of all kernels together (each about its own centroid): ``sum_kernels M``."""
    xx, xy, yy = (np.array([weights @ part]) for part in (shapes.xx, shapes.xy, shapes.yy))
    one = Inertia(xx, xy, yy, weights[:1])
    anisotropy, angle = float(one.anisotropy[0]), float(one.angle[0])
    rank = 0 if one.xx[0] + one.yy[0] <= 1e-9 else 1 if anisotropy > 1 - 1e-9 else 2
    low = high = None
    if sums is not None and rank:
        low, high = length_interval(_means(sums, 2, 5), anisotropy)
    return Pooled(anisotropy, None if math.isnan(angle) else math.degrees(angle), rank, low, high)


def with_filters(row: LayerOrientation, sums: Floats) -> LayerOrientation:
    """Filter by filter, from the sums of `parts_of`: how many still span the plane, and how anisotropic the pooled
    filter is on average.
    """
    along, across, trace = sums[:, 2], sums[:, 3], sums[:, 5]
    pooled = Inertia((trace + along) / 2, across / 2, (trace - along) / 2, np.ones(len(sums)))
    alive = trace > 1e-9
    spanning = int((alive & (pooled.anisotropy < 1 - 1e-9)).sum())
    degrees = np.degrees(pooled.angle)
    found = (np.flatnonzero(alive), pooled.anisotropy[alive], degrees[alive])
    which, sizes, turns = (own.tolist() for own in found)
    filters = tuple(map(FilterOrientation, which, sizes, [d if d == d else None for d in turns]))
    mean = float(pooled.anisotropy[alive].mean()) if alive.any() else None
    return dataclasses.replace(row, spanning_filters=spanning, filter_anisotropy=mean, filters=filters)


def examples_of(kernels: NDArray[np.float32], shapes: Inertia, index: NDArray[Any], most: int) -> Examples:
    """At most so many living kernels, evenly through their orientations, those without one last."""
    which = index.reshape(-1)
    alive = np.flatnonzero((shapes.mass > 0)[which])
    angles = np.degrees(shapes.angle)[which[alive]]
    order = alive[np.argsort(angles, kind="stable")]  # NaN comes last
    chosen = order[np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(np.int64)]
    return Examples(kernels[chosen].copy(), np.degrees(shapes.angle)[which[chosen]])


def masses_of(layer: Kernels, mass: str) -> Floats:
    """|w| or w^2 of every kernel ``(kernels, taps)``, its largest 1: only the shape counts, and nothing underflows."""
    values = np.abs(layer.weight.reshape(-1, math.prod(layer.kernel)).astype(np.float64))
    largest = values.max(axis=1, keepdims=True)
    values = np.divide(values, largest, out=np.zeros_like(values), where=largest > 0)
    return values if mass == "abs" else values**2
