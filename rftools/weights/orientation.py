"""Orientation: which way the surviving taps of each kernel point, and whether a layer still looks everywhere."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.loading import Model
from rftools.weights.masks import Masks, masks_of
from rftools.weights.results import Examples, FilterOrientation, Histogram, LayerOrientation, OrientationResult, Pooled
from rftools.weights.source import Kernels, Weights, collect
from rftools.weights.statistics.axial import benjamini_hochberg, rayleigh, resultant
from rftools.weights.statistics.continuous import kuiper, rao
from rftools.weights.statistics.null import Null, SphereNull, lattice_test, sphere_test
from rftools.weights.statistics.shapes import Inertia, coordinates, inertia
from rftools.weights.statistics.signed import signed
from rftools.weights.statistics.sphere import Axes, axes

if TYPE_CHECKING:
    import torch
    from torch import nn

MASSES = ("survivors", "abs", "square")
EDGES = tuple(float(e) for e in np.linspace(-7.5, 172.5, 13))
BOOTSTRAPS = 1000
BLOCK = 1 << 15  # kernels at a time
FEW = 1024  # distinct masks
NORMAL_FROM = 300  # kernels whose bootstrap sums are normal
SPARSE = 8  # kernels a distinct one, from which on numbers are drawn and not kernels
Floats = NDArray[np.float64]
Nulls = dict[tuple[tuple[int, ...], tuple[float, ...]], Null]  # by kernel and step


def orientation(
    model: Model | nn.Module | Mapping[str, torch.Tensor] | str | Path,
    *,
    mass: str = "survivors",
    jumps: Mapping[str, tuple[float, ...]] | None = None,
    seed: int = 0,
    signs: bool = False,
    examples: int = 0,
) -> OrientationResult:
    """Which way kernels point: axial statistics a layer, tested against the lattice's own null.

    A kernel's orientation is the major axis of its taps' inertia; its anisotropy ``(l1 - l2)/(l1 + l2)``. A layer's
    ``resultant`` is ``|mean exp(2 i theta)|`` over its oriented kernels. ``pooled`` sums all kernels' inertia: it
    answers whether a layer of lines still spans the plane (rank 2) and how evenly.

    Args:
        mass: what a tap weighs: ``survivors`` (1 where the weight is not zero), ``abs`` (|w|) or ``square`` (w^2).
        jumps: input pixels between neighbouring taps at dilation 1, by layer and axis (the step of the layer's input;
            of its output where it is a transposed convolution); with it angles are those in the input.
        seed: of the null's draws and the bootstrap.
        signs: also what the weights' signs say (``row.signed``): blobs, edges or lines, and which way kernels rise.
        examples: also keep so many kernels of each layer (``row.examples``), evenly through their orientations, to be
            drawn.

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
    directing = Directing(mass, jumps or {}, seed, signs, examples)
    weights = collect(model)
    return directing.result(weights, [directing.layer(layer) for layer in weights.layers if layer.kernel])


@dataclass
class Directing:
    """How layers are described, and the nulls of the lattices that were met: many layers have the same."""

    mass: str = "survivors"
    jumps: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    seed: int = 0
    signs: bool = False
    examples: int = 0
    nulls: Nulls = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mass not in MASSES:
            raise RequestError(f"no mass {self.mass!r}; there are {', '.join(MASSES)}")

    def layer(self, layer: Kernels, found: Masks | None = None) -> LayerOrientation:
        """One layer's row, without ``q``; ``found`` are its survivor masks where they are at hand."""
        row = _layer(layer, found, self)
        if layer.note is not None and row.note is None:
            row = dataclasses.replace(row, note=layer.note)
        return _with_signs(row, layer) if self.signs else row

    def result(self, weights: Weights, rows: Sequence[LayerOrientation]) -> OrientationResult:
        if not rows:
            raise RequestError(f"{weights.info.name} has no convolution, so no kernel has an orientation")
        adjusted = benjamini_hochberg([row.p_lattice for row in rows])
        pairs = zip(rows, adjusted, strict=True)
        layers = tuple(row if q is None else dataclasses.replace(row, q=q) for row, q in pairs)
        return OrientationResult(
            model=weights.info, input_size=weights.input_size, layers=layers, mass=self.mass, seed=self.seed
        )

    def null(self, kernel: tuple[int, ...], step: tuple[float, ...]) -> Null:
        """The lattice's null, one for all layers that have the lattice."""
        if (kernel, step) not in self.nulls:
            self.nulls[kernel, step] = (SphereNull if len(kernel) == 3 else Null)(kernel, step, self.seed)
        return self.nulls[kernel, step]


def _layer(layer: Kernels, found: Masks | None, directing: Directing) -> LayerOrientation:
    mass, jump, seed = directing.mass, directing.jumps.get(layer.name), directing.seed
    note = _why_none(layer)
    if note is not None and math.prod(layer.kernel) == 1:
        alive = np.count_nonzero(layer.weight if found is None else found.living)
        return blank(layer.name, int(alive), note)
    found = masks_of(layer.weight) if found is None else found
    living = int(found.counts[found.alive.any(axis=1)].sum())
    if note is not None:
        return blank(layer.name, living, note)
    if not living:
        return blank(layer.name, 0, "every kernel is dead")
    step = _step(layer, jump)
    if len(layer.kernel) == 3:
        row = _on_the_sphere(layer, mass, found, step, "taps" if jump is None else "px")
        return row if mass != "survivors" else _test_axes(row, directing.null(layer.kernel, step), found)
    shapes, index = _shapes(layer, mass, found, coordinates(layer.kernel, step))
    counts = found.counts if mass == "survivors" else np.ones(index.size, dtype=np.int64)
    present = shapes.mass > 0
    units = "taps" if jump is None else "px"
    row = describe(layer.name, shapes.only(present), counts[present], units, seed)
    if mass == "survivors":  # the null speaks of which taps survive, not of what they weigh
        row = _test(row, directing.null(layer.kernel, step), found)
    if directing.examples:
        row = dataclasses.replace(row, examples=_examples(layer, shapes, index, directing.examples))
    return _by_filter(row, shapes, index)


def _examples(layer: Kernels, shapes: Inertia, index: NDArray[Any], most: int) -> Examples:
    """At most so many living kernels, evenly through their orientations, those without one last."""
    which = index.reshape(-1)
    alive = np.flatnonzero((shapes.mass > 0)[which])
    angles = np.degrees(shapes.angle)[which[alive]]
    order = alive[np.argsort(angles, kind="stable")]  # NaN comes last
    chosen = order[np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(np.int64)]
    kernels = layer.weight.reshape(-1, *layer.kernel)[chosen].copy()
    return Examples(kernels, np.degrees(shapes.angle)[which[chosen]])


def _shapes(layer: Kernels, mass: str, found: Masks, positions: Floats) -> tuple[Inertia, NDArray[Any]]:
    """Inertias, and ``(out, in)`` which kernel has which: one a distinct mask, or one a kernel where weights count."""
    if mass == "survivors":
        return inertia(found.alive.astype(np.float64), positions), found.index
    filters, inputs = layer.weight.shape[:2]
    values = _masses(layer, mass)
    return inertia(values, positions), np.arange(len(values)).reshape(filters, inputs)


def _with_signs(row: LayerOrientation, layer: Kernels) -> LayerOrientation:
    if len(layer.kernel) != 2 or math.prod(layer.kernel) == 1 or not np.any(layer.weight):
        return row
    return dataclasses.replace(row, signed=signed(layer.weight, _step(layer, None)))


def _masses(layer: Kernels, mass: str) -> Floats:
    """|w| or w^2 of every kernel ``(kernels, taps)``, its largest 1: only the shape counts, and nothing underflows."""
    values = np.abs(layer.weight.reshape(-1, math.prod(layer.kernel)).astype(np.float64))
    largest = values.max(axis=1, keepdims=True)
    values = np.divide(values, largest, out=np.zeros_like(values), where=largest > 0)
    return values if mass == "abs" else values**2


def _on_the_sphere(layer: Kernels, mass: str, found: Masks, step: tuple[float, ...], units: str) -> LayerOrientation:
    """A 3-D layer has axes, no angles: `Axes` stands where 2-D layers have a resultant."""
    values = found.alive.astype(np.float64) if mass == "survivors" else _masses(layer, mass)
    counts = found.counts.astype(np.float64) if mass == "survivors" else np.ones(len(values))
    return from_axes(layer.name, axes(values, counts, coordinates(layer.kernel, step)), units)


def from_axes(name: str, own: Axes, units: str) -> LayerOrientation:
    """The row of a layer whose directions are axes on the sphere."""
    none = blank(name, own.kernels, "3-D: axes on the sphere, see axes")
    pooled = Pooled(own.pooled_anisotropy, None, own.pooled_rank)
    return dataclasses.replace(
        none, oriented=own.oriented, anisotropy=own.anisotropy, pooled=pooled, units=units, axes=own
    )


def _why_none(layer: Kernels) -> str | None:
    if len(layer.kernel) == 1:
        return "1-D: a line has no orientation"
    if sum(k > 1 for k in layer.kernel) < 2:
        return (
            f"{' x '.join('1' for _ in layer.kernel)}: a point has no orientation"
            if max(layer.kernel) == 1
            else "one tap wide: one direction only"
        )
    return None


def blank(name: str, kernels: int, note: str) -> LayerOrientation:
    """A layer without orientation; ``note`` says why."""
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


def describe(name: str, shapes: Inertia, counts: NDArray[np.int64], units: str, seed: int) -> LayerOrientation:
    """One layer's axial statistics from its kernels' inertia, each ``counts`` times; no test against the lattice."""
    angle, weights = shapes.angle, counts.astype(np.float64)
    has = ~np.isnan(angle)
    oriented = int(counts[has].sum())
    length, mean = resultant(angle[has], weights[has]) if oriented else (None, None)
    z = np.where(has, np.exp(2j * np.nan_to_num(angle)), 0)
    parts = np.stack([z.real, z.imag, has, shapes.xx, shapes.xy, shapes.yy, shapes.anisotropy], axis=1)
    sums = resampled_sums(parts, counts, np.random.default_rng((seed, 3)))
    low = high = angle_low = angle_high = p_kuiper = p_rao = None
    if length is not None and oriented > 1:
        low, high = unbiased_interval(np.hypot(sums[:, 0], sums[:, 1]) / np.maximum(sums[:, 2], 1), length)
        p_kuiper, p_rao = kuiper(angle[has], counts[has])[1], rao(angle[has], counts[has], seed)[1]
    if mean is not None and oriented > 1:
        turned = np.angle((sums[:, 0] + 1j * sums[:, 1]) * np.exp(-2j * mean)) / 2
        angle_low, angle_high = (math.degrees(mean + end) for end in ends(turned))
    spread = ends(sums[:, 6] / weights.sum()) if weights.sum() > 1 else (None, None)
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
        pooled=_pooled(shapes, weights, sums[:, 3:6]),
        histogram=_histogram(np.degrees(angle[has]), counts[has]),
        units=units,
        resultant_low=low,
        resultant_high=high,
        angle_low=angle_low,
        angle_high=angle_high,
        anisotropy_low=spread[0],
        anisotropy_high=spread[1],
        p_kuiper=p_kuiper,
        p_rao=p_rao,
    )


def resampled_sums(parts: Floats, counts: NDArray[np.int64], draw: np.random.Generator) -> Floats:
    """Bootstrap: sums of ``parts`` ``(distinct, quantities)`` over kernels resampled with replacement.

    From 300 kernels on the sums are drawn from the normal distribution that they tend to.
    """
    total = int(counts.sum())
    if total < NORMAL_FROM:
        resamples: Floats = _resamples(counts, total, draw) @ parts
        return resamples
    mean = counts @ parts / total
    centred = parts - mean
    covariance = (counts[:, None] * centred).T @ centred  # of the sum: total times that of one kernel
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    sums: Floats = total * mean + draw.standard_normal((BOOTSTRAPS, parts.shape[1])) @ root.T
    return sums


def _resamples(counts: NDArray[np.int64], total: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """How often each distinct kernel is drawn ``(resamples, distinct)``: number by number, or kernel by kernel where
    nearly all are distinct.
    """
    if SPARSE * len(counts) < total:
        return draw.multinomial(total, counts / total, size=BOOTSTRAPS)
    blocks = (draw.integers(0, total, (BOOTSTRAPS // 4, total), dtype=np.int32) for _ in range(4))
    if len(counts) == total:
        return np.concatenate([_counts(block, total) for block in blocks])
    kernels = np.repeat(np.arange(len(counts)), counts)
    return np.concatenate([_counts(kernels[block], len(counts)) for block in blocks])


def unbiased_interval(lengths: Floats, found: float) -> tuple[float, float]:
    """The 95 % bootstrap interval of a length in [0, 1] (R, an anisotropy).

    The length of a noisy vector is too long: ``E[R*^2] = R^2 + variance``. The variance is taken off each resample's
    square, or an interval near 0 would lie wholly above the length that it is for.

    >>> unbiased_interval(np.array([0.3, 0.3, 0.3]), 0.0)
    (0.0, 0.0)
    """
    squares = lengths**2 - np.mean(lengths**2) + found**2
    low, high = (math.sqrt(min(max(end, 0.0), 1.0)) for end in ends(squares))
    return low, high


def ends(values: Floats) -> tuple[float, float]:
    """The 2.5 and 97.5 % quantiles, as `numpy.quantile` has them, in a tenth of its time.

    >>> ends(np.arange(101.0))
    (2.5, 97.5)
    """
    order = np.sort(values)
    found = []
    for share in (0.025, 0.975):
        place = share * (len(order) - 1)
        low = int(place)
        high = min(low + 1, len(order) - 1)
        found.append(float(order[low] + (place - low) * (order[high] - order[low])))
    return found[0], found[1]


def _histogram(degrees: Floats, counts: NDArray[np.int64]) -> Histogram:
    """Bins are centred on 0, 15, ...: a lattice's directions (0, 45, 90, ...) would sit on the edges otherwise, and
    the histogram of a mirror-symmetric layer would look turned. What lies above the last edge belongs to the first bin.
    """
    wrapped = np.where(degrees >= EDGES[-1], degrees - 180, degrees)
    place = np.floor((wrapped - EDGES[0]) / (EDGES[1] - EDGES[0])).astype(np.int64)
    found = np.bincount(np.clip(place, 0, len(EDGES) - 2), weights=counts, minlength=len(EDGES) - 1)
    return Histogram(EDGES, tuple(int(n) for n in found))


def _pooled(shapes: Inertia, weights: Floats, sums: Floats) -> Pooled:
    """The inertia of all kernels together (each about its own centroid): ``sum_kernels M``."""
    xx, xy, yy = (np.array([weights @ part]) for part in (shapes.xx, shapes.xy, shapes.yy))
    one = Inertia(xx, xy, yy, weights[:1])
    anisotropy, angle = float(one.anisotropy[0]), float(one.angle[0])
    rank = 0 if one.xx[0] + one.yy[0] <= 1e-9 else 1 if anisotropy > 1 - 1e-9 else 2
    low = high = None
    if weights.sum() > 1:
        many = Inertia(sums[:, 0], sums[:, 1], sums[:, 2], sums[:, 0])
        low, high = unbiased_interval(many.anisotropy, anisotropy)
    return Pooled(anisotropy, None if math.isnan(angle) else math.degrees(angle), rank, low, high)


def _test_axes(row: LayerOrientation, null: Null, found: Masks) -> LayerOrientation:
    if row.axes is None or row.axes.order is None or not isinstance(null, SphereNull):
        return row
    taps = np.bincount(found.taps, weights=found.counts).astype(np.int64)
    present = np.flatnonzero(taps)
    test = sphere_test(null, present, taps[present], row.axes.order)
    if test is None:
        return row
    return dataclasses.replace(row, p_lattice=test.p, p_error=test.error, null_radius=test.radius)


def _test(row: LayerOrientation, null: Null, found: Masks) -> LayerOrientation:
    if row.resultant is None:
        return row
    taps = np.bincount(found.taps, weights=found.counts).astype(np.int64)
    present = np.flatnonzero(taps)
    test = lattice_test(null.kernel, present, taps[present], row.resultant, step=null.step, seed=null.seed, null=null)
    if test is None:
        return row
    return dataclasses.replace(row, p_lattice=test.p, p_error=test.error, null_radius=test.radius)


def _blocks(index: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Rows of ``index``, about ``BLOCK`` numbers at a time."""
    rows = max(1, BLOCK // max(index.shape[1], 1))
    for first in range(0, len(index), rows):
        yield index[first : first + rows]


def _counts(index: NDArray[Any], number: int) -> NDArray[np.int64]:
    """How often each of ``number`` values stands in each row."""
    apart = index + np.arange(len(index), dtype=np.int64)[:, None] * number
    return np.bincount(apart.reshape(-1), minlength=len(index) * number).reshape(len(index), number)


def _by_filter(row: LayerOrientation, shapes: Inertia, index: NDArray[Any]) -> LayerOrientation:
    """Filter by filter: how many still span the plane, and how anisotropic the pooled filter is on average."""
    parts = np.stack([shapes.xx, shapes.xy, shapes.yy], axis=1)
    if SPARSE * index.shape[1] < len(parts):
        sums = np.concatenate([parts[block].sum(axis=1) for block in _blocks(index)])
    elif len(parts) < FEW:  # count each filter's masks: cheaper than to look every kernel up
        sums = np.concatenate([_counts(block, len(parts)) @ parts for block in _blocks(index)])
    else:
        sums = np.stack([parts[own].sum(axis=0) for own in index])
    pooled = Inertia(sums[:, 0], sums[:, 1], sums[:, 2], np.ones(len(sums)))
    alive = pooled.xx + pooled.yy > 1e-9
    spanning = int((alive & (pooled.anisotropy < 1 - 1e-9)).sum())
    degrees = np.degrees(pooled.angle)
    found = (np.flatnonzero(alive), pooled.anisotropy[alive], degrees[alive])
    which, sizes, turns = (own.tolist() for own in found)
    filters = tuple(map(FilterOrientation, which, sizes, [d if d == d else None for d in turns]))
    mean = float(pooled.anisotropy[alive].mean()) if alive.any() else None
    return dataclasses.replace(row, spanning_filters=spanning, filter_anisotropy=mean, filters=filters)
