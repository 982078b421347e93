"""What `rftools.orientation` returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rftools.results import Grouped, Result, plain
from rftools.rows import ShownRow
from rftools.weights.statistics.expected import Expected
from rftools.weights.statistics.signed import Signed
from rftools.weights.statistics.sphere import Axes

DENSE = (
    'no kernel has lost a tap, and full kernels point nowhere: take --mass abs (mass="abs"), the weights\' sizes, or '
    "--mass square"
)


LOPSIDED = "no p: taps that reach further one way than the other have a direction of their own, which weights follow"
BY_FILTERS = (
    "kernels of one filter depend on each other (shared masks, or one direction), so filters, not kernels, are what "
    "p lattice and the intervals take for independent"
)


@dataclass(frozen=True)
class Pooled:
    """All kernels' inertia summed: anisotropy, its angle in degrees, and how many directions it spans."""

    anisotropy: float
    angle: float | None
    rank: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Histogram:
    """Counts of oriented kernels between ``edges`` (degrees, -7.5 to 172.5; an axis at 175 is one at -5)."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class FilterOrientation:
    """One filter's pooled inertia: which filter, its anisotropy, its angle in degrees (None where it has none)."""

    filter: int
    anisotropy: float
    angle: float | None


@dataclass(frozen=True)
class Examples:
    """Kernels ``(n, height, width)`` in the order of their angles (degrees; NaN, last: none)."""

    kernels: NDArray[np.float32] = field(repr=False)
    angles: NDArray[np.float64] = field(repr=False)


@dataclass(frozen=True, repr=False)
class LayerOrientation(ShownRow):
    """Which way one layer's kernels point. Angles in degrees in [0, 180): 0 along x, counter-clockwise as seen.

    ``kernels`` have survivors, ``oriented`` of them an anisotropy above zero. ``anisotropy`` is the mean over
    ``kernels``. ``p_lattice`` tests ``resultant`` against random taps on the same lattice, ``q`` is it after
    Benjamini and Hochberg over the layers. ``p_kuiper`` and ``p_rao``, like ``p_rayleigh``, take angles to be
    continuous: on a lattice they reject random layers too. ``*_low`` and ``*_high`` are 95 % intervals, None of fewer
    than five kernels (or filters; in 3-D than 12 of the order, 100 of the mean anisotropy, 20 of them unlike most, 100
    of the pooled one); the mean angle's may reach beyond [0, 180), and is None where that of R reaches 0 or it would
    reach 45 degrees to a side. ``independent`` says what the test and
    the intervals take for independent, ``kernels`` or ``filters``; ``design_effect`` how many times the variance of the
    mean direction is what independent kernels would have. ``filters`` are the pooled inertias of each filter.
    ``note`` says why a layer has no orientation. A 3-D layer has ``axes`` and no angle; its anisotropies are fractional
    ones, and ``p_lattice`` and ``null_radius`` are about ``axes.order``.
    """

    name: str
    kernels: int
    oriented: int
    mean_angle: float | None
    resultant: float | None
    anisotropy: float | None
    p_rayleigh: float | None
    p_lattice: float | None
    q: float | None
    pooled: Pooled | None
    histogram: Histogram
    units: str = "taps"
    resultant_low: float | None = None
    resultant_high: float | None = None
    angle_low: float | None = None
    angle_high: float | None = None
    anisotropy_low: float | None = None
    anisotropy_high: float | None = None
    p_kuiper: float | None = None
    p_rao: float | None = None
    p_error: float | None = None
    null_radius: float | None = None
    spanning_filters: int | None = None
    filter_anisotropy: float | None = None
    filters: tuple[FilterOrientation, ...] = ()
    axes: Axes | None = None
    signed: Signed | None = None
    note: str | None = None
    independent: str = "kernels"
    design_effect: float | None = None
    examples: Examples | None = field(default=None, repr=False, compare=False)  # not in the JSON
    chance: Expected | None = field(default=None, repr=False, compare=False)  # the lattice's histogram; not in the JSON


COLUMNS = ("layer", "kernels", "oriented", "angle", "R", "low", "high", "anisotropy", "p lattice", "q",
           "p Rayleigh", "p Kuiper", "p Rao", "pooled anisotropy", "pooled angle", "rank", "note")  # fmt: skip


@dataclass(frozen=True, repr=False)
class OrientationResult(Result[LayerOrientation]):
    """The orientation of every layer with spatial kernels."""

    SCHEMA: ClassVar[tuple[str, int]] = ("rftools.orientation", 1)

    mass: str = "survivors"
    seed: int = 0
    of: str = "weights"  # or "effective": the ellipses of each channel's effective field, kernels being channels
    no_jumps: str | None = None  # why angles are between taps where they could be in pixels; not in the JSON

    def remarks(self) -> tuple[str, ...]:
        """Why angles are between taps, and the way to the orientation of kernels that have all their taps."""
        dense = [row for row in self.layers if row.kernels and row.note is None and not row.oriented]
        found = [] if self.no_jumps is None else [self.no_jumps]
        if dense and len(dense) == sum(row.note is None for row in self.layers) and self.mass == "survivors":
            found.append(DENSE)
        own = [row for row in self.layers if row.independent == "filters"]
        if own:
            names = ", ".join(row.name or "(model)" for row in own[:3]) + (
                f" and {len(own) - 3} more" if own[3:] else ""
            )
            found.append(f"{names}: {BY_FILTERS}")
        return tuple(found)

    def _body(self) -> dict[str, Any]:
        return {
            "of": self.of,
            "mass": self.mass,
            "seed": self.seed,
            "layers": [self._layer(row) for row in self.layers],
        }

    def _layer(self, row: LayerOrientation) -> dict[str, Any]:
        body: dict[str, Any] = plain(dataclasses.replace(row, examples=None, chance=None))
        del body["examples"], body["chance"]
        return body

    def columns(self) -> tuple[str, ...]:
        return self._placed(COLUMNS)

    def _placed(self, cells: tuple[Any, ...]) -> tuple[Any, ...]:
        """Of effective fields, which know no lattice, Rayleigh's p is the one to read: it stands beside R."""
        p, r = COLUMNS.index("p Rayleigh"), COLUMNS.index("anisotropy")
        return cells if self.of == "weights" else (*cells[:r], cells[p], *cells[r:p], *cells[p + 1 :])

    def records(self) -> Sequence[Sequence[Any]]:
        rows = []
        for row in self.layers:
            pooled = (None,) * 3 if row.pooled is None else (row.pooled.anisotropy, row.pooled.angle, row.pooled.rank)
            size = (row.mean_angle, row.resultant, row.resultant_low, row.resultant_high, row.anisotropy)
            tests = (row.p_lattice, row.q, row.p_rayleigh, row.p_kuiper, row.p_rao)
            rows.append(self._placed((row.name, row.kernels, row.oriented, *size, *tests, *pooled, row.note or "")))
        return rows

    def by_sign(self) -> Grouped:
        """One row a layer: the shares of blobs, edges and lines, and which way kernels rise."""
        columns = ("layer", "order 0", "order 1 (odd)", "order 2", "directed", "rises to", "R", "p Rayleigh")
        return Grouped(columns, [(row.name, *dataclasses.astuple(row.signed)) for row in self.layers if row.signed])

    def by_filter(self) -> Grouped:
        """One row a filter that has a tap with a neighbour: anisotropy and angle of its kernels' summed inertia."""
        records = [(row.name, own.filter, own.anisotropy, own.angle) for row in self.layers for own in row.filters]
        return Grouped(("layer", "filter", "anisotropy", "angle"), records)
