"""Orientation: which way the surviving taps of each kernel point, and whether a layer still looks everywhere."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from rftools.arguments import checked
from rftools.errors import RequestError, closest
from rftools.loading import Model, as_model
from rftools.weights.directions import blank, describe, examples_of, masses_of, parts_of, with_filters
from rftools.weights.jumps import Jumps, input_jumps
from rftools.weights.kernels import Kernels
from rftools.weights.masks import Masks, masks_of
from rftools.weights.results import LayerOrientation, OrientationResult
from rftools.weights.results.orientation import LOPSIDED
from rftools.weights.source import Weights, chosen, collect
from rftools.weights.spatial import in_space
from rftools.weights.statistics.axial import benjamini_hochberg
from rftools.weights.statistics.clusters import design_effect, filter_test, shared, sums_by_filter
from rftools.weights.statistics.expected import expected_histogram
from rftools.weights.statistics.lattice import lattice_test
from rftools.weights.statistics.null import Null
from rftools.weights.statistics.null_axes import SphereNull
from rftools.weights.statistics.shapes import Inertia, coordinates, inertia
from rftools.weights.statistics.signed import signed

if TYPE_CHECKING:
    import torch
    from torch import nn

MASSES = ("survivors", "abs", "square")
INDEPENDENT = ("auto", "kernels", "filters")
Floats = NDArray[np.float64]
Nulls = dict[tuple[tuple[int, ...], tuple[float, ...]], Null]  # by kernel and step


class Options(TypedDict, total=False):
    """What `orientation` takes besides: see there."""

    independent: str
    signs: bool
    examples: int


@checked
def orientation(
    model: Model | nn.Module | Mapping[str, torch.Tensor] | str | Path,
    layers: Sequence[str] | str | None = None,
    *,
    input_size: tuple[int, ...] | None = None,
    mass: str = "survivors",
    jumps: Jumps | None = None,
    seed: int = 0,
    **options: Unpack[Options],
) -> OrientationResult:
    """Which way kernels point: axial statistics a layer, tested against the lattice's own null.

    A kernel's orientation is the major axis of its taps' inertia; its anisotropy ``(l1 - l2)/(l1 + l2)``. A layer's
    ``resultant`` is ``|mean exp(2 i theta)|`` over its oriented kernels. ``pooled`` sums all kernels' inertia: it
    answers whether a layer of lines still spans the plane (rank 2) and how evenly.

    Angles are those in the input, in pixels, where the input size is known (``row.units`` is ``px``); of bare weights
    those between taps.

    Args:
        layers: names or patterns; all convolutions where none is named.
        input_size: ``(C, *spatial)`` of a plain module, whose angles are between taps otherwise.
        mass: what a tap weighs: ``survivors`` (1 where the weight is not zero), ``abs`` (|w|) or ``square`` (w^2).
        jumps: input pixels between neighbouring taps at dilation 1, by layer and axis, where they are at hand
            (`input_jumps`); a layer that is not among them has its angles between taps.
        seed: of the bootstrap, and of the null's draws and sampled masks, where it has them.

    Options, each with its default:
        independent ("auto"): what the test and the intervals take for independent: ``kernels``, ``filters``, or
            ``auto``: filters where kernels of one filter share masks or lean the same way, more than chance makes them
            (``row.design_effect``); ``row.independent`` says which.
        signs (False): also what the weights' signs say (``row.signed``): blobs, edges or lines, and which way kernels
            rise.
        examples (0): also keep so many kernels of each layer (``row.examples``), evenly through their orientations, to
            be drawn.

    Raises:
        RequestError: an unknown mass; a model without weights; a pattern that matches no layer.

    >>> import torch
    >>> conv = torch.nn.Conv2d(1, 1, 3)
    >>> _ = torch.nn.init.zeros_(conv.weight)
    >>> for i in range(3): conv.weight.data[0, 0, 2 - i, i] = 1.0  # from the lower left to the upper right
    >>> row = orientation(torch.nn.Sequential(conv))["0"]
    >>> row.mean_angle, row.anisotropy
    (45.0, 1.0)
    """
    directing = Directing(mass, seed, **options)
    subject = model if input_size is None else as_model(model, input_size)  # type: ignore[arg-type]  # it refuses
    weights = collect(subject)
    kernels = chosen([layer for layer in weights.layers if layer.kernel], layers)
    directing.locate(subject, jumps)
    return directing.result(weights, [directing.layer(layer) for layer in kernels])


@dataclass
class Directing:
    """How layers are described, and the nulls of the lattices that were met: many layers have the same."""

    mass: str = "survivors"
    seed: int = 0
    signs: bool = False
    examples: int = 0
    independent: str = "auto"
    jumps: Jumps = field(default_factory=dict)
    no_jumps: str | None = None  # why angles are between taps
    nulls: Nulls = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mass not in MASSES:
            raise RequestError(f"no mass {self.mass!r}; there are {', '.join(MASSES)}")
        if self.independent not in INDEPENDENT:
            known = ", ".join(INDEPENDENT)
            raise RequestError(
                f"independent are no {self.independent!r}{closest(self.independent, INDEPENDENT)}; {known}"
            )

    def locate(self, model: object, jumps: Jumps | None) -> None:
        """Jumps that are given, or those of a model whose input size is known."""
        if jumps is not None:
            self.jumps = jumps
        elif isinstance(model, Model) and model.input_size is not None:
            try:
                self.jumps = input_jumps(model)
            except RequestError as error:
                self.no_jumps = f"angles are between taps, not in input pixels: {error}"

    def layer(self, layer: Kernels, found: Masks | None = None) -> LayerOrientation:
        """One layer's row, without ``q``; ``found`` are its survivor masks where they are at hand."""
        row = _layer(layer, found, self)
        if layer.remark is not None and row.note is None:
            row = dataclasses.replace(row, note=layer.remark)
        return _with_signs(row, layer) if self.signs else row

    def result(self, weights: Weights, rows: Sequence[LayerOrientation]) -> OrientationResult:
        if not rows:
            raise RequestError(f"{weights.info.name} has no convolution, so no kernel has an orientation")
        adjusted = benjamini_hochberg([row.p_lattice for row in rows])
        pairs = zip(rows, adjusted, strict=True)
        layers = tuple(row if q is None else dataclasses.replace(row, q=q) for row, q in pairs)
        return OrientationResult(
            model=weights.info,
            input_size=weights.input_size,
            layers=layers,
            mass=self.mass,
            seed=self.seed,
            no_jumps=self.no_jumps,
        )

    def null(self, kernel: tuple[int, ...], step: tuple[float, ...]) -> Null:
        """The lattice's null, one for all layers that have the lattice."""
        if (kernel, step) not in self.nulls:
            self.nulls[kernel, step] = (SphereNull if len(kernel) == 3 else Null)(kernel, step, self.seed)
        return self.nulls[kernel, step]


def _layer(layer: Kernels, found: Masks | None, directing: Directing) -> LayerOrientation:
    mass, jump = directing.mass, directing.jumps.get(layer.name)
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
        null = directing.null(layer.kernel, step) if mass == "survivors" else None
        assert null is None or isinstance(null, SphereNull)
        row = in_space(layer, mass, found, step, null, directing.independent)
        return dataclasses.replace(row, units="taps" if jump is None else "px")
    return _in_the_plane(layer, found, step, directing)


def _in_the_plane(layer: Kernels, found: Masks, step: tuple[float, ...], directing: Directing) -> LayerOrientation:
    tested = directing.mass == "survivors"  # the null speaks of which taps survive, not of what they weigh
    shapes, index = _shapes(layer, directing.mass, found, coordinates(layer.kernel, step))
    counts = found.counts if tested else np.ones(index.size, dtype=np.int64)
    null = directing.null(layer.kernel, step) if tested else None
    parts = parts_of(shapes)
    sums = sums_by_filter(np.column_stack([parts, _by_chance(null, found, parts[:, 4])]), index)
    z = np.asarray(sums[:, 0] + 1j * sums[:, 1], dtype=np.complex128)
    effect = None if index.shape[1] == 1 else design_effect(z - sums[:, 8], sums[:, 4])
    apart = directing.independent
    filters = apart == "filters" or (apart == "auto" and shared(effect, int((sums[:, 4] > 0).sum())))
    present, units = shapes.mass > 0, "taps" if layer.name not in directing.jumps else "px"
    rows = sums[sums[:, 7] > 0, :8] if filters else None
    row = describe(layer.name, shapes.only(present), counts[present], units, directing.seed, rows)
    if null is not None:
        row = _test(row, null, found, (z, sums) if filters else None)
    elif len(set(layer.kernel)) > 1 or len(set(step)) > 1:
        row = dataclasses.replace(row, p_rayleigh=None, p_kuiper=None, p_rao=None, note=row.note or LOPSIDED)
    if directing.examples:
        row = dataclasses.replace(
            row, examples=examples_of(layer.weight.reshape(-1, *layer.kernel), shapes, index, directing.examples)
        )
    row = dataclasses.replace(row, independent="filters" if filters else "kernels", design_effect=effect)
    return with_filters(row, sums)


def _by_chance(null: Null | None, found: Masks, directed: Floats) -> Floats:
    """What ``cos 2 theta`` of each distinct mask would be on average by chance, 0 where it has no direction."""
    if null is None or null.symmetric:
        return np.zeros(len(directed))
    means = {
        t: float(null[t].harmonics[1] / max(null[t].harmonics[0], 1e-300)) for t in np.unique(found.taps).tolist() if t
    }
    return directed * np.array([means.get(t, 0.0) for t in found.taps.tolist()])


def _shapes(layer: Kernels, mass: str, found: Masks, positions: Floats) -> tuple[Inertia, NDArray[Any]]:
    """Inertias, and ``(out, in)`` which kernel has which: one a distinct mask, or one a kernel where weights count."""
    if mass == "survivors":
        return inertia(found.alive.astype(np.float64), positions), found.index
    filters, inputs = layer.weight.shape[:2]
    values = masses_of(layer, mass)
    return inertia(values, positions), np.arange(len(values)).reshape(filters, inputs)


def _with_signs(row: LayerOrientation, layer: Kernels) -> LayerOrientation:
    if len(layer.kernel) != 2 or math.prod(layer.kernel) == 1 or not np.any(layer.weight):
        return row
    return dataclasses.replace(row, signed=signed(layer.weight, _step(layer, None)))


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


def _step(layer: Kernels, jump: tuple[float, ...] | None) -> tuple[float, ...]:
    """The distance of neighbouring taps along each axis, in taps or, where the jump is known, in input pixels; the
    shortest is 1, since angles depend on the ratios only.
    """
    jumps = (1.0,) * len(layer.kernel) if jump is None else jump
    steps = [float(d) * j for d, j in zip(layer.dilation or (1,) * len(jumps), jumps, strict=True)]
    shortest = min(steps)
    return tuple(step / shortest for step in steps)


def _test(
    row: LayerOrientation, null: Null, found: Masks, filters: tuple[NDArray[np.complex128], Floats] | None
) -> LayerOrientation:
    if row.resultant is None:
        return row
    taps = np.bincount(found.taps, weights=found.counts).astype(np.int64)
    present = np.flatnonzero(taps)
    if filters is None:
        at = {"step": null.step, "seed": null.seed, "null": null}
        test = lattice_test(null.kernel, present, taps[present], row.resultant, **at)  # type: ignore[arg-type]
    else:
        z, sums = filters
        test = filter_test(z, sums[:, 4], sums[:, 8], seed=null.seed)
    if test is None:
        return row
    chance = expected_histogram(null, present, taps[present], row.histogram.edges)
    return dataclasses.replace(row, p_lattice=test.p, p_error=test.error, null_radius=test.radius, chance=chance)
