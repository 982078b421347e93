"""Several models on the same images: which differences of their effective fields hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

import numpy as np
from numpy.typing import NDArray

from rftools.arguments import checked
from rftools.erf.chosen import Window
from rftools.erf.images import ImageSource
from rftools.erf.intervals import Difference, Sided, differences
from rftools.erf.measured import EffectiveMaps, Paired, effective_maps
from rftools.erf.request import Options, Request, request
from rftools.erf.result import EffectiveLayer, EffectiveResult, write_maps
from rftools.errors import RequestError
from rftools.loading import Model
from rftools.results import ModelInfo, Result, plain
from rftools.units import Where

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import Dataset

SHOWN = ("radius_50", "relative_size", "ellipse_anisotropy", "edge_energy")  # in tables, where none was asked for


@dataclass(frozen=True, repr=False)
class ComparedLayer:
    """One layer of several models: its effective field in each, and how each but the first differs from the first."""

    name: str
    rows: tuple[EffectiveLayer, ...]
    differences: tuple[Mapping[str, Difference], ...]

    def __repr__(self) -> str:
        """A line a measure: the first model's value, and by how much each other differs."""
        found = [f"<ComparedLayer {self.name}: {len(self.rows)} models>"]
        for name, first in self.rows[0].measures.items():
            start = "not defined" if first.value is None else f"{first.value:.4g}"
            found.append(f"  {name}: " + "; ".join([start, *(str(own[name]) for own in self.differences)]))
        return "\n".join(found)


@dataclass(frozen=True, repr=False)
class EffectiveComparison(Result[ComparedLayer]):
    """Effective fields of several models on the same images; ``model`` is the first, which the others differ from.

    ``left_out`` are layers that not all models have.
    """

    SCHEMA: ClassVar[tuple[str, int]] = ("rftools.erf-comparison", 1)

    labels: tuple[str, ...] = ()
    results: tuple[EffectiveResult, ...] = field(default=(), compare=False)
    left_out: tuple[str, ...] = ()
    partial: bool = False

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        return tuple(result.model for result in self.results)

    def _body(self) -> dict[str, Any]:
        first = self.results[0].to_dict()
        shared = {key: first[key] for key in ("images", "seed", "interval", "method")}
        return shared | {
            "models": [plain(model) for model in self.models],
            "labels": list(self.labels),
            "left_out": list(self.left_out),
            "partial": self.partial,
            "layers": [
                {
                    "name": layer.name,
                    "measures": [{name: plain(m) for name, m in row.measures.items()} for row in layer.rows],
                    "differences": [
                        {name: plain(d) | {"holds": d.holds} for name, d in found.items()}
                        for found in layer.differences
                    ],
                }
                for layer in self.layers
            ],
        }

    def shown(self) -> tuple[str, ...]:
        """The measures of the table: the usual few, or those that were asked for."""
        known = self.layers[0].rows[0].measures
        usual = tuple(name for name in SHOWN if name in known)
        return usual if len(known) > len(SHOWN) else tuple(known)

    def columns(self) -> tuple[str, ...]:
        if len(self.labels) == 2:
            return ("layer", "measure", *self.labels, "difference", "low", "high", "holds")
        return ("at", "layer", *self.shown(), f"{self.shown()[0]} since {self.labels[0]}", "low", "high", "holds")

    def records(self) -> Sequence[Sequence[Any]]:
        return self._pairs() if len(self.labels) == 2 else self._steps()

    def _pairs(self) -> list[Sequence[Any]]:
        found: list[Sequence[Any]] = []
        for layer in self.layers:
            for name in self.shown():
                change = layer.differences[0][name]
                pair = [row.measures[name].value for row in layer.rows]
                found.append((layer.name, name, *pair, change.value, change.low, change.high, change.verdict))
        return found

    def _steps(self) -> list[Sequence[Any]]:
        names, found = self.shown(), list[Sequence[Any]]()
        for number, label in enumerate(self.labels):
            for layer in self.layers:
                values = [layer.rows[number].measures[name].value for name in names]
                change = layer.differences[number - 1][names[0]] if number else Difference(None, None, None, "")
                found.append((label, layer.name, *values, change.value, change.low, change.high, change.verdict))
        return found

    def to_npz(self, path: str | Path) -> None:
        """Write all maps as an NPZ: float64, named by the number of the model, a colon and the layer (``1:conv``)."""
        write_maps(
            path,
            {
                f"{number}:{key}": values
                for number, result in enumerate(self.results)
                for key, values in result.maps().items()
            },
        )


@checked
def compare(
    models: Sequence[Model | nn.Module],
    images: ImageSource | Dataset[Any] = None,
    layers: Sequence[str] | str | None = Request.layers,
    unit: Where | Mapping[str, Where] | None = Request.unit,
    aggregation: str = Request.aggregation,
    device: str = Request.device,
    *,
    labels: Sequence[str] | None = None,
    **options: Unpack[Options],
) -> EffectiveComparison:
    """Effective fields of two or more models on the same images, and which differences from the first one hold.

    Every difference has a 95 % interval from paired resampling: a resample takes the same images (or draws of random
    weights) in both models, so that what images have in common drops out. A difference *holds* where its interval does
    not contain zero; of many that are none, one in twenty holds by chance.

    Args:
        models: two or more, with inputs of one size; layers are matched by name.
        images: as for `rftools.effective`, and so are the layers, the unit, the aggregation and the device.
        labels: what the models are called in tables and plots; by default their names.
        options: the other options of `rftools.effective`, except ``precision``.

    Raises:
        RequestError: fewer than two models, inputs of different sizes, no layer in common, or what `effective` raises.

    >>> import torch
    >>> nets = [torch.nn.Sequential(torch.nn.Conv2d(1, 1, k, padding=k // 2)) for k in (3, 5)]
    >>> found = compare(nets, torch.rand(4, 1, 15, 15), labels=["small", "large"])
    >>> found["0"].differences[0]["relative_size"].unit
    '1'
    """
    if not isinstance(models, Sequence):
        raise RequestError(f"a comparison takes a list of two models or more, not {type(models).__name__}")
    if len(models) < 2:
        raise RequestError(f"a comparison takes two models or more, not {len(models)}")
    asked = request({"layers": layers, "unit": unit, "aggregation": aggregation, "device": device} | options)
    if asked.precision is not None:
        raise RequestError("a precision is of one model; leave it out where several are compared")
    kept = _maps_of(models, images, asked)
    return _compared(kept, labels, len(models))


def _maps_of(models: Sequence[Model | nn.Module], images: Any, asked: Request) -> list[EffectiveMaps]:
    """The maps of the models that were done before an interruption; those of at least two."""
    kept = [effective_maps(models[0], images, asked, Paired())]
    same = Paired(None if kept[0].sample.precision is None else kept[0].sample.count)
    for model in models[1:]:
        if kept[-1].source.log.interrupted or (other := _unless_interrupted(model, images, (asked, same))) is None:
            break
        _same_inputs(kept[0], other)
        kept.append(other)
    if len(kept) < 2:
        raise KeyboardInterrupt
    return kept


def _compared(kept: Sequence[EffectiveMaps], labels: Sequence[str] | None, asked: int) -> EffectiveComparison:
    found = [_differences(kept[0], other) for other in kept[1:]]
    results = [maps.result() for maps in kept]
    common = [row.key for row in results[0] if row.images and all(_has(result, row.key) for result in results[1:])]
    if not common:
        raise RequestError("the models have no measured layer of the same name in common; name layers that they share")
    every = dict.fromkeys(row.key for result in results for row in result)
    names = tuple(labels or (result.model.name for result in results))[: len(results)]
    return EffectiveComparison(
        model=results[0].model,
        input_size=results[0].input_size,
        layers=tuple(
            ComparedLayer(name, tuple(result[name] for result in results), tuple(changes[name] for changes in found))
            for name in common
        ),
        labels=_distinct(names),
        results=tuple(results),
        left_out=tuple(name for name in every if name not in common),
        partial=len(results) < asked,
    )


def _has(result: EffectiveResult, key: str) -> bool:
    return any(row.key == key and row.images for row in result)


def _unless_interrupted(model: Model | nn.Module, images: Any, how: tuple[Request, Paired]) -> EffectiveMaps | None:
    """None where it was interrupted: a model of which a part is done is left out."""
    try:
        found = effective_maps(model, images, *how)
    except KeyboardInterrupt:
        return None
    return None if found.sample.partial else found


def _same_inputs(first: EffectiveMaps, other: EffectiveMaps) -> None:
    sizes = [part.model.require_input_size() for part in (first, other)]
    if sizes[0] != sizes[1]:
        one, two = ("x".join(map(str, size)) for size in sizes)
        raise RequestError(
            f"{first.model.name} takes inputs of {one}, {other.model.name} of {two}; give both one --input-size"
        )


def _differences(first: EffectiveMaps, other: EffectiveMaps) -> dict[str, Mapping[str, Difference]]:
    """Of each layer that both have, of each measure."""
    sides = [(part.sample.maps, part.windows) for part in (first, other)]
    shared = [name for name in sides[0][0] if name in sides[1][0]]
    seed = first.source.options.seed
    found: dict[str, Mapping[str, Difference]] = {}
    for name in shared:
        one, two = (_cut(*side, name) for side in sides)
        found[name] = differences(one, two, first.measures, seed=seed)
    return found


def _cut(maps: Mapping[str, NDArray[np.float32]], where: Mapping[str, Window], name: str) -> Sided:
    return maps[name][(slice(None), *where[name].box)], where[name].frame


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The same name twice is told apart by its number.

    >>> _distinct(["a", "a", "b"])
    ('a (1)', 'a (2)', 'b')
    """
    taken: dict[str, int] = {}
    found = []
    for name in names:
        taken[name] = taken.get(name, 0) + 1
        found.append(f"{name} ({taken[name]})" if list(names).count(name) > 1 else name)
    return tuple(found)
