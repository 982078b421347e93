"""From a request to maps image by image, and from those to a result's rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from rftools.capture import capture
from rftools.erf.chosen import ChosenUnit, Window, chosen_units, windows
from rftools.erf.enough import ENOUGH, MAIN, Looks
from rftools.erf.fixed_inputs import fixed_inputs, of_one_input
from rftools.erf.images import COUNT, ImageSource, gather, takes_all
from rftools.erf.intervals import METHOD, Geometry, measure_all
from rftools.erf.maps.mixing import ONE_BY_ONE, mixes_images
from rftools.erf.measures import Definition
from rftools.erf.pictures import pictures
from rftools.erf.precision import PrecisionGoal, until_precise
from rftools.erf.request import Request, definitions
from rftools.erf.result import EffectiveLayer, EffectiveResult, Measure
from rftools.erf.sampling import MapSource, Sample, of_all_images, over_draws
from rftools.erf.sums import EVEN, constant_sum
from rftools.loading import Model, as_model
from rftools.trf import LayerField, Walked, explore
from rftools.units import choose

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import Dataset

DRAWN = 4  # images a draw of random weights, where the count is not given
SUMMED = ("abs", "signed")  # aggregations of the gradient of the channels' plain sum
MOST = 1000  # images that --precision spends at most, where nothing else is said


@dataclass(frozen=True)
class EffectiveMaps:
    """A model's maps of its units image by image, and the measures that are asked of them."""

    model: Model
    chosen: Sequence[ChosenUnit]
    source: MapSource
    sample: Sample
    measures: Mapping[str, Definition]

    @property
    def windows(self) -> dict[str, Window]:
        """Where the field of each unit that there is can lie."""
        there = [one for one in self.chosen if one.absent is None]
        return windows(there, self.model, whole=self.source.options.method == "occlusion")

    def result(self) -> EffectiveResult:
        """The maps' means and their measures."""
        sample, fixed, options = self.sample, self.source.fixed, self.source.options
        norm = sample.images.normalisation
        return EffectiveResult(
            model=self.model.info(),
            input_size=self.model.require_input_size(),
            layers=self._rows(),
            source=sample.images.source,
            normalisation=None if norm is None else vars(norm),
            seed=options.seed,
            interval=METHOD.replace("over images", "over draws of weights") if sample.draws else METHOD,
            skipped=sample.images.skipped,
            partial=sample.partial,
            method=options.method,
            events=(*(fixed.remarks() if fixed else ()), *sample.events),
            of_input=fixed.of if fixed else None,
            precision=sample.precision,
            draws=sample.draws,
            pictures=pictures(sample.images),
        )

    def _rows(self) -> tuple[EffectiveLayer, ...]:
        where, geometry = self.windows, Geometry()
        return tuple(
            self._row(one, where[one.unit.key], geometry) if one.absent is None else self._empty(one, one.absent)
            for one in self.chosen
        )

    def _row(self, one: ChosenUnit, window: Window, geometry: Geometry) -> EffectiveLayer:
        maps = self.sample.maps[one.unit.key]
        full = maps.mean(0, dtype=np.float64)
        return dataclasses.replace(
            self._empty(one, _why_nothing(one.row, full)),
            images=self.sample.of(one.unit.key),
            measures=measure_all(
                maps[(slice(None), *window.box)],
                window.frame,
                self.measures,
                seed=self.source.options.seed,
                geometry=geometry,
            ),
            map=full,
            scale=float(np.abs(full).max()),
        )

    def _empty(self, one: ChosenUnit, note: str | None) -> EffectiveLayer:
        """The row of a unit of which nothing was seen, or that its layer does not have."""
        size = self.model.require_input_size()[1:]
        return EffectiveLayer(
            name=one.unit.layer,
            channel=one.unit.channel,
            unit=one.unit.index,
            token=one.unit.token,
            cell=one.unit.cell,
            grid=one.row.grid,
            images=0,
            aggregation=self.source.options.aggregation,
            measures={n: Measure(None, None, None, d.unit) for n, d in self.measures.items() if len(size) in d.ranks},
            theoretical=_theoretical(one.row),
            map=np.zeros(tuple(size)),
            note=note,
        )


def effective_maps(
    model: Model | nn.Module, images: ImageSource | Dataset[Any], asked: Request, paired: Paired | None = None
) -> EffectiveMaps:
    """As `effective`, with the maps of single images in place of what is said of them.

    ``paired`` says which images one of several models takes that are compared.
    """
    subject = _sized(as_model(model, asked.input_size), images)
    fixed = fixed_inputs(subject, asked.inputs, asked.of, asked.seed)
    if fixed is None:
        graph = asked.graph or capture(subject.module, subject.require_input_size())
    else:
        subject = of_one_input(subject, fixed)
        graph = asked.graph or capture(subject.module, inputs=fixed.inputs, of=asked.of)
        images = fixed.images if images is None else images
    net = explore(subject.module, graph)
    rows = choose(net.rows(asked.unit), subject.module, asked.layers, some=True)
    chosen = [_with_a_sum(one, net, asked) for one in chosen_units(rows, net, asked.channels, asked.grid)]
    there = [one for one in chosen if one.absent is None]
    source = MapSource([one.unit for one in there], asked.map_options, graph, fixed, asked.progress)
    if mixes_images(graph):
        source.options = dataclasses.replace(source.options, batch_size=1)
        source.log.events.append(ONE_BY_ONE)
    sample = _sample(subject, source, images, (asked, paired), there)
    return EffectiveMaps(subject, chosen, source, sample, definitions(asked.measures))


def _with_a_sum(one: ChosenUnit, net: Walked, asked: Request) -> ChosenUnit:
    """The unit, absent where its channels together are a constant and they are what is asked for."""
    unreached = bool(one.row.axes) and all(axis.window is None for axis in one.row.axes)
    if one.absent is not None or unreached or one.unit.channel is not None or asked.aggregation not in SUMMED:
        return one
    why = constant_sum(net.layer(one.row.name).node, one.row.unit_dims, net.graph.constants)
    return one if why is None else dataclasses.replace(one, absent=EVEN.format(why=why))


@dataclass(frozen=True)
class Paired:
    """Of several models on the same images: how many the first of them took, None for the first itself."""

    count: int | None = None


def _sample(
    model: Model,
    source: MapSource,
    images: Any,
    how: tuple[Request, Paired | None],
    chosen: Sequence[ChosenUnit],
) -> Sample:
    """The maps of all images, of as many as it takes, or over draws of random weights."""
    asked, paired = how
    draws, count, usual = asked.random_weights, asked.count, COUNT
    precise = asked.precision is not None
    if precise:
        count, usual = None, asked.max_images or MOST
    elif draws is not None:
        count, usual = None if asked.count is None else draws * asked.count, draws * DRAWN
    given = gather(images, model, count=count, usual=usual, seed=asked.seed, strict=asked.strict)
    if draws is not None:
        return over_draws(model, source, given, draws, asked.init)
    wanted = definitions((asked.measures if precise else None) or [MAIN])
    goal = PrecisionGoal(asked.precision or ENOUGH, usual if precise else COUNT, windows(chosen, model), wanted)
    if precise:
        return until_precise(model, source, given, goal)
    if paired is not None and paired.count is not None:
        return of_all_images(model, source, dataclasses.replace(given, inputs=given.inputs[: paired.count]))
    every = count is not None or takes_all(images)
    if every and asked.watch is None:
        return of_all_images(model, source, given)
    goal = dataclasses.replace(goal, most=len(given.inputs))
    return Looks(model, source, goal, paired is not None, every, asked.watch).sample(given)


def _sized(model: Model, images: Any) -> Model:
    """A plain module takes its input size from the images it is given."""
    first = images[0] if isinstance(images, (list, tuple)) and images else None
    shape = (1, *first.shape) if isinstance(first, torch.Tensor) else getattr(images, "shape", None)
    if model.input_size is None and shape is not None and len(shape) > 2:
        return dataclasses.replace(model, input_size=tuple(int(n) for n in shape[1:]))
    return model


def _why_nothing(row: LayerField, full: NDArray[np.float64]) -> str | None:
    if full.any():
        return None
    if row.axes and all(axis.window is None for axis in row.axes):
        return "nothing of the input reaches this unit"
    return "the gradient is zero everywhere: a dead unit at these images"


def _theoretical(row: LayerField) -> dict[str, Any]:
    axes = [
        {
            "size": axis.size,
            "stride": axis.stride,
            "start": axis.start,
            "centre": axis.centre,
            "window": axis.window,
            "clipped": axis.clipped,
            "global": axis.global_,
            "unit_centre": axis.unit_centre,
        }
        for axis in row.axes
    ]
    return {"status": row.status, "axes": axes}
