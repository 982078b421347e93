"""What `rftools.sparsity` returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rftools.results import Grouped, Result, plain
from rftools.rows import ShownRow


@dataclass(frozen=True)
class NearZero:
    """The share of weights with ``|w| < threshold`` (zeros included); ``relative`` is the threshold in layer
    standard deviations where it was given so.
    """

    threshold: float
    share: float
    relative: float | None = None


@dataclass(frozen=True)
class Shapes:
    """How many kernels have no tap, one, only collinear ones, or more."""

    dead: int
    point: int
    line: int
    plane: int


@dataclass(frozen=True)
class SurvivingField:
    """What the weights that are not zero leave of the field of a layer's central unit, through all layers before it,
    in pixels inside the image: the sides of its hull, those of the architecture's field, and the share of its pixels.
    """

    sizes: tuple[int, ...]
    whole: tuple[int, ...]
    share: float


@dataclass(frozen=True, repr=False)
class LayerSparsity(ShownRow):
    """What is left of one layer's weight ``(out, in per group, *kernel)``.

    ``taps[n]`` kernels have ``n`` survivors; ``expected_taps`` is the binomial's expectation at the same density.
    ``survival`` is how often each tap position survives (share, shaped like the kernel). ``dead_inputs`` counts the
    input channels that no filter reads. ``curve`` lists (threshold in standard deviations, share below it).
    ``n_of_m`` is an N:M pattern ("2:4") that all weights keep, ``filter_zeros`` the zeros of each filter,
    ``input_zeros`` those of the weights that read each input channel. ``surviving`` is what is left of its field, None
    where that was not worked out. ``survivors`` are those of each kernel ``(out, in per group)``, where asked for.
    """

    name: str
    shape: tuple[int, ...]
    weights: int
    zeros: int
    sparsity: float
    near_zero: NearZero
    taps: tuple[int, ...] | None
    shapes: Shapes | None
    full_box: int | None
    dead_filters: int
    dead_inputs: int
    zero_kind: str | None = None
    expected_taps: tuple[float, ...] | None = None
    survival: tuple[Any, ...] | None = None
    curve: tuple[tuple[float, float], ...] = ()
    storage: dict[str, int] | None = None
    n_of_m: str | None = None
    filter_zeros: tuple[int, ...] = ()
    input_zeros: tuple[int, ...] = ()
    note: str | None = None
    surviving: SurvivingField | None = None
    survivors: NDArray[np.int64] | None = field(default=None, repr=False, compare=False)  # not in the JSON


@dataclass(frozen=True, repr=False)
class Total(ShownRow):
    """The layers together; ``taps`` counts kernels of the most frequent kernel size only (``tap_kernel``)."""

    weights: int
    zeros: int
    sparsity: float
    near_zero: NearZero
    taps: tuple[int, ...] | None
    shapes: Shapes
    full_box: int
    dead_filters: int
    dead_inputs: int
    tap_kernel: tuple[int, ...] | None = None


@dataclass(frozen=True, repr=False)
class SparsityResult(Result[LayerSparsity]):
    """What pruning left, layer by layer and in total. ``no_fields`` says why no layer has a surviving field."""

    SCHEMA: ClassVar[tuple[str, int]] = ("rftools.sparsity", 1)

    total: Total
    no_fields: str | None = None

    def only(self, *patterns: str) -> SparsityResult:
        """As of every result; the total is that of the layers that are left."""
        from rftools.weights.sparsity import total

        chosen = super().only(*patterns)
        return dataclasses.replace(chosen, total=total(chosen.layers))

    def _body(self) -> dict[str, Any]:
        layers = [plain(dataclasses.replace(row, survivors=None)) for row in self.layers]
        for body in layers:
            del body["survivors"]
        return {"layers": layers, "total": plain(self.total), "no_fields": self.no_fields}

    def columns(self) -> tuple[str, ...]:
        names = ("layer", "shape", "weights", "zeros", "sparsity", "near zero", "dead", "point", "line", "plane",
                 "full box", "dead filters", "dead inputs", "zeros are")  # fmt: skip
        return (*names, "surviving field", "share left") if self._has_fields else names

    def records(self) -> Sequence[Sequence[Any]]:
        rows = [_sparsity_record(row.name, "x".join(map(str, row.shape)), row) for row in self.layers]
        rows.append(_sparsity_record("(total)", "", self.total))
        if not self._has_fields:
            return rows
        fields = [*(_field_record(row.surviving) for row in self.layers), (None, None)]
        return [(*row, *own) for row, own in zip(rows, fields, strict=True)]

    @property
    def _has_fields(self) -> bool:
        return any(row.surviving is not None for row in self.layers)

    def remarks(self) -> tuple[str, ...]:
        """What was done to layers' weights before they were counted, and why there is no surviving field."""
        whose: dict[str, list[str]] = {}
        for row in self.layers:
            if row.note is not None:
                whose.setdefault(row.note, []).append(row.name)
        notes = [f"{names[0]}{f' and {len(names) - 1} more' * (len(names) > 1)}: {n}" for n, names in whose.items()]
        return (*notes, *(() if self.no_fields is None else (self.no_fields,)))

    def by_filter(self) -> Grouped:
        """One row a filter: its weights, how many are zero, and the share."""
        records = []
        for row in self.layers:
            each = row.weights // row.shape[0]
            records += [(row.name, f, each, zeros, zeros / each) for f, zeros in enumerate(row.filter_zeros)]
        return Grouped(("layer", "filter", "weights", "zeros", "sparsity"), records)

    def by_kernel(self) -> Grouped:
        """One row a kernel of more than one tap: its filter, its input channel, its survivors and its sparsity; of
        results that were asked for them (``kernels=True``).
        """
        records: list[tuple[Any, ...]] = []
        for row in self.layers:
            if row.survivors is None:
                continue
            taps = row.weights // row.survivors.size
            own = row.survivors.shape[1]
            filters = row.shape[0] * own // max(len(row.input_zeros), 1)  # of a group
            records += [
                (row.name, f, f // filters * own + i, taps, int(left), 1 - float(left) / taps)
                for (f, i), left in np.ndenumerate(row.survivors)
            ]
        return Grouped(("layer", "filter", "input", "taps", "survivors", "sparsity"), records)

    def by_input(self) -> Grouped:
        """One row an input channel: the weights that read it, how many are zero, and the share."""
        records = []
        for row in self.layers:
            each = row.weights // max(len(row.input_zeros), 1)
            records += [(row.name, c, each, zeros, zeros / each) for c, zeros in enumerate(row.input_zeros)]
        return Grouped(("layer", "input", "weights", "zeros", "sparsity"), records)

    def by_tap(self) -> Grouped:
        """One row a tap position, its indices from 0 at the top left: the share of kernels that keep it."""
        records = []
        for row in self.layers:
            if row.survival is not None:
                kept = np.asarray(row.survival, dtype=np.float64)
                records += [
                    (row.name, "x".join(map(str, place)), float(share)) for place, share in np.ndenumerate(kept)
                ]
        return Grouped(("layer", "tap", "survival"), records)

    def by_threshold(self) -> Grouped:
        """The near-zero curve: one row a layer and threshold, in standard deviations of the layer's weights."""
        records = [(row.name, edge, share) for row in self.layers for edge, share in row.curve]
        return Grouped(("layer", "threshold (sd)", "share below"), records)

    def by_storage(self) -> Grouped:
        """One row a layer: bytes as dense float32, CSR and bit mask with values, and the N:M pattern that it keeps."""
        kinds = ("dense", "csr", "bitmask")
        records = [
            (row.name, *((row.storage or {}).get(kind) for kind in kinds), row.n_of_m or "") for row in self.layers
        ]
        totals = [sum((row.storage or {}).get(kind, 0) for row in self.layers) for kind in kinds]
        return Grouped(("layer", *kinds, "N:M"), [*records, ("(total)", *totals, "")])


def _field_record(field: SurvivingField | None) -> tuple[Any, Any]:
    return (None, None) if field is None else ("x".join(map(str, field.sizes)), field.share)


def _sparsity_record(name: str, shape: str, row: LayerSparsity | Total) -> tuple[Any, ...]:
    shapes = row.shapes
    kinds = (None,) * 4 if shapes is None else (shapes.dead, shapes.point, shapes.line, shapes.plane)
    head = (name, shape, row.weights, row.zeros, row.sparsity, row.near_zero.share)
    zero_kind = row.zero_kind if isinstance(row, LayerSparsity) else None
    return (*head, *kinds, row.full_box, row.dead_filters, row.dead_inputs, zero_kind)
