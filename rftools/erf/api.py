"""`effective`: from a model and images to what units of its layers really see."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rftools.capture import Inputs, capture
from rftools.erf.images import Given, gather, pictures
from rftools.erf.inputs import held, looked_at
from rftools.erf.intervals import METHOD, measure_all
from rftools.erf.measures.registry import Definition
from rftools.erf.request import Asked, Where, definitions
from rftools.erf.result import EffectiveLayer, EffectiveResult, Measure
from rftools.erf.sampling import DRAWN, Plan, Progress, Promise, Survey, Taker, over_draws, survey, until_precise
from rftools.erf.targets import Aim, Place, aims_at, choose, places
from rftools.loading import Model, as_model
from rftools.runtime.device import pick_device
from rftools.trf import LayerField, explore

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import Dataset

COUNT = 32  # images, where nothing else is said
MOST = 1000  # images that --precision spends at most, where nothing else is said


def effective(
    model: Model | nn.Module,
    images: Given | Dataset[Any] = None,
    layers: Sequence[str] | str | None = None,
    unit: Where | Mapping[str, Where] | None = None,
    aggregation: str = "abs",
    device: str = "auto",
    *,
    input_size: tuple[int, ...] | None = None,
    count: int | None = None,
    batch_size: int = 16,
    seed: int = 0,
    strict: bool = False,
    method: str = "gradient",
    measures: Sequence[str] | None = None,
    precision: float | None = None,
    max_images: int | None = None,
    random_weights: int | None = None,
    init: str = "default",
    progress: Progress | None = None,
    channel: int | Sequence[int] | None = None,
    grid: tuple[int, ...] | None = None,
    inputs: Inputs | None = None,
    of: int | str = 0,
) -> EffectiveResult:
    """What one unit of each layer sees: its gradient with respect to the input, aggregated over images.

    ``map[p] = mean over images and input channels of |d y / d x[p]|`` for ``aggregation="abs"``, where y sums the
    unit's channels (Luo et al., arXiv:1701.04128); see `layer_maps` for the others. Every measure comes with a 95 %
    bootstrap interval over the images.

    Args:
        images: ``(N, C, *spatial)`` inputs, a path to pictures or arrays, a data set, ``white`` or ``pink`` noise
            (the default: ``count`` images of white noise).
        layers: names or patterns (``layer4.*``; with a slash, ``layer1.*/add``, of operators between modules); by
            default all layers that hold weights and have a map.
        unit: the output index; by default the centre of each layer's map. Of layers of tokens (vision transformers) it
            is a place on the grid that they make of the image, or ``"class"`` for the class token.
        device: ``auto`` takes CUDA when present.
        count: images at most where there are more, or noise images to make: 32 (4 a draw of random weights).
        seed: of noise, of which of many files are taken, of random signs, weights and resampling.
        method: ``gradient``, or one of captum's attributions, see `attribution_maps`.
        measures: names of the measures to work out; by default all.
        precision: look at ever more images until the half-width of each measure's interval (``radius_50`` where none
            is named) is at most this share of its value, ``max_images`` (1,000) at most.
        random_weights: average maps over this many draws of random weights instead, drawn as ``init`` says: the map of
            a draw is what an image's is otherwise, so that intervals are over draws.
        channel: y is this channel of the unit alone; of several, each gets a row of its own. In a layer of fewer
            channels there is nothing to see: its row's measures are None.
        grid: so many units along each axis of every layer's map, evenly from the first to the last (the central one is
            among them where the number is odd), a row each: how the field changes towards the border.
        inputs: all inputs of a model that takes several, in order or by name: a tensor of one sample, or a size
            ``(C, *spatial)`` for one of white noise. The images go to the input ``of``, the others stay as they are.

    Ctrl-C ends it early: the result then holds the images that are done, and is ``partial``.

    Raises:
        RequestError: no such layer, unit, channel, aggregation, method or measure; images that do not fit; a gradient
            that is not finite.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=1), torch.nn.Conv2d(1, 1, 3, padding=1))
    >>> result = effective(net, torch.rand(4, 1, 15, 15))
    >>> result["1"].map.shape, int((result["1"].map > 0).sum())
    ((15, 15), 25)
    """
    asked = Asked(
        layers=layers,
        unit=unit,
        aggregation=aggregation,
        device=device,
        input_size=input_size,
        count=count,
        batch_size=batch_size,
        seed=seed,
        strict=strict,
        method=method,
        measures=measures,
        precision=precision,
        max_images=max_images,
        random_weights=random_weights,
        init=init,
        progress=progress,
        channel=channel,
        grid=grid,
        inputs=inputs,
        of=of,
    )
    return examined(model, images, asked).result()


@dataclass(frozen=True)
class Examined:
    """A model, the maps of its units image by image, and the measures that are asked of them."""

    subject: Model
    aims: Sequence[Aim]
    taker: Taker
    survey: Survey
    measures: Mapping[str, Definition]

    @property
    def places(self) -> dict[str, Place]:
        return places(self.taker.aims, self.subject, whole=self.taker.plan.method == "occlusion")

    def result(self) -> EffectiveResult:
        """The maps' means and their measures."""
        plan, images, found = self.taker.plan, self.survey.images, self.survey
        return EffectiveResult(
            model=self.subject.info(),
            input_size=self.subject.require_input_size(),
            layers=self._rows(),
            source=images.source,
            normalisation=None if images.normalisation is None else vars(images.normalisation),
            seed=plan.seed,
            interval=METHOD.replace("over images", "over draws of weights") if found.draws else METHOD,
            skipped=images.skipped,
            partial=found.partial,
            method=plan.method,
            events=(*fixed.remarks(), *found.events) if (fixed := self.taker.fixed) else found.events,
            of_input=fixed.of if fixed else None,
            precision=found.precision,
            draws=found.draws,
            pictures=pictures(images),
        )

    def _rows(self) -> tuple[EffectiveLayer, ...]:
        plan, found, where = self.taker.plan, self.survey, self.places
        size = self.subject.require_input_size()[1:]
        return tuple(
            _absent(aim, self.measures, plan, size)
            if aim.absent
            else _layer(aim, found.maps[aim.key], where[aim.key], self.measures, plan, found.count)
            for aim in self.aims
        )


def examined(model: Model | nn.Module, images: Given | Dataset[Any], asked: Asked) -> Examined:
    """As `effective`, with the maps of single images in place of what is said of them."""
    asked.check()
    subject = _sized(as_model(model, asked.input_size), images)
    fixed = held(subject, asked.inputs, asked.of, asked.seed)
    if fixed is None:
        graph = capture(subject.module, subject.require_input_size())
    else:
        subject = looked_at(subject, fixed)
        graph = capture(subject.module, inputs=fixed.inputs, of=asked.of)
        images = fixed.images if images is None else images
    net = explore(subject.module, graph)
    aims = aims_at(
        choose(net.rows(asked.unit), subject.module, asked.layers, some=True), net, asked.channels, asked.grid
    )
    plan = Plan(
        asked.aggregation, asked.method, pick_device(asked.device), asked.batch_size, asked.seed, asked.progress
    )
    taker = Taker([aim for aim in aims if not aim.absent], plan, graph, fixed)
    return Examined(subject, aims, taker, _surveyed(subject, taker, images, asked), definitions(asked.measures))


def _surveyed(subject: Model, taker: Taker, images: Any, asked: Asked) -> Survey:
    """The maps of all images, of as many as it takes, or over draws of random weights."""
    count, seed, strict = asked.count, asked.seed, asked.strict
    if asked.precision is not None:
        wanted = definitions(asked.measures or ["radius_50"])
        promise = Promise(asked.precision, asked.max_images or MOST, places(taker.aims, subject), wanted)
        return until_precise(subject, taker, images, promise, strict)
    if asked.random_weights is not None:
        draws = asked.random_weights
        given = gather(images, subject, count=draws * (count or DRAWN), seed=seed, strict=strict)
        return over_draws(subject, taker, given, draws, asked.init)
    return survey(subject, taker, gather(images, subject, count=count or COUNT, seed=seed, strict=strict))


def _sized(model: Model, images: Any) -> Model:
    """A plain module takes its input size from the images it is given."""
    shape = getattr(images, "shape", None)
    if model.input_size is None and shape is not None and len(shape) > 2:
        return dataclasses.replace(model, input_size=tuple(int(n) for n in shape[1:]))
    return model


def _layer(
    aim: Aim,
    maps: NDArray[np.float32],
    place: Place,
    measures: Mapping[str, Definition],
    plan: Plan,
    images: int,
) -> EffectiveLayer:
    row, full = aim.row, maps.mean(0, dtype=np.float64)
    return EffectiveLayer(
        name=row.name,
        channel=aim.channel,
        unit=row.unit or (),
        token=row.token,
        cell=aim.cell,
        grid=row.grid,
        images=images,
        aggregation=plan.aggregation,
        measures=measure_all(maps[(slice(None), *place.box)], place.frame, measures, seed=plan.seed),
        theoretical=_theoretical(row),
        map=full,
        scale=float(np.abs(full).max()),
        note=_why_nothing(row, full),
    )


def _why_nothing(row: LayerField, full: NDArray[np.float64]) -> str | None:
    if full.any():
        return None
    if row.axes and all(axis.window is None for axis in row.axes):
        return "nothing of the input reaches this unit"
    return "the gradient is zero everywhere: a dead unit at these images"


def _absent(aim: Aim, measures: Mapping[str, Definition], plan: Plan, size: Sequence[int]) -> EffectiveLayer:
    """The row of a layer that has no such unit or channel."""
    return EffectiveLayer(
        name=aim.row.name,
        channel=aim.channel,
        unit=aim.row.unit or (),
        token=aim.row.token,
        cell=aim.cell,
        grid=aim.row.grid,
        images=0,
        aggregation=plan.aggregation,
        measures={n: Measure(None, None, None, d.unit) for n, d in measures.items() if len(size) in d.ranks},
        theoretical=_theoretical(aim.row),
        map=np.zeros(tuple(size)),
        note=aim.absent,
    )


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
