"""The per-image maps of layers: taken from all images, until measures are precise, or over random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from rftools.capture import Graph
from rftools.erf.images import Given, Images, gather
from rftools.erf.initialise import initialise, rebound
from rftools.erf.inputs import Held, holding
from rftools.erf.intervals import half_width, measure_all
from rftools.erf.maps.attribution import attribution_maps
from rftools.erf.maps.batches import Log
from rftools.erf.maps.gradients import layer_maps
from rftools.erf.measures.registry import Definition
from rftools.erf.targets import Aim, Place
from rftools.loading import Model

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import Dataset

Maps = Mapping[str, NDArray[np.float32]]
Progress = Callable[[int, int], None]
FIRST = 24  # images before the first look at how wide the intervals are
GROWTH = 1.5  # each look has this many times the images of the one before
DRAWN = 4  # images a draw of random weights, where the count is not given


@dataclass(frozen=True)
class Plan:
    """How maps are taken of whichever images."""

    aggregation: str
    method: str
    device: torch.device
    batch_size: int
    seed: int
    progress: Progress | None = None


@dataclass(frozen=True)
class Survey:
    """Maps ``(N, *spatial)`` by the aims' keys, and how they came about. ``images`` is how many were looked at."""

    maps: Maps
    images: Images
    count: int
    partial: bool = False
    events: tuple[str, ...] = ()
    precision: Mapping[str, Any] | None = None
    draws: Mapping[str, Any] | None = None


@dataclass
class Taker:
    """Takes maps of one model's units, and remembers what was remarkable on the way."""

    aims: Sequence[Aim]
    plan: Plan
    graph: Graph | None = None  # of the model, for gradients inside the units' windows only
    fixed: Held | None = None  # what goes to the other inputs of a net with several
    log: Log = field(default_factory=Log)

    def __call__(self, module: nn.Module, inputs: torch.Tensor, done: int = 0, total: int | None = None) -> Maps:
        """The maps of ``inputs``, the images from number ``done`` on of ``total``; fewer where it was interrupted."""
        plan, whole = self.plan, len(inputs) if total is None else total
        report = plan.progress
        options: dict[str, Any] = {
            "aggregation": plan.aggregation,
            "device": plan.device,
            "batch_size": plan.batch_size,
            "seed": plan.seed + done,
            "progress": None if report is None else lambda n: report(done + n, whole),
            "log": self.log,
        }
        targets = [aim.target for aim in self.aims]
        with holding(module, self.fixed):
            if plan.method == "gradient":
                return layer_maps(module, inputs, targets, graph=self.graph, **options)
            return attribution_maps(module, inputs, targets, method=plan.method, **options)


def survey(model: Model, taker: Taker, given: Images) -> Survey:
    """The maps of all the given images."""
    maps = taker(model.module, given.inputs)
    count = length(maps)
    return Survey(maps, given, count, partial=count < len(given.inputs), events=tuple(taker.log.events))


def length(maps: Maps) -> int:
    """How many images maps are of."""
    return min((len(values) for values in maps.values()), default=0)


@dataclass(frozen=True)
class Promise:
    """The relative half-width that each asked measure's interval shall have, and how many images it may take."""

    precision: float
    most: int
    places: Mapping[str, Place]
    definitions: Mapping[str, Definition]

    def kept(self, maps: Maps, seed: int) -> list[dict[str, Any]]:
        """The layers and measures whose interval is still too wide, with their relative half-width (None: no value)."""
        wide = []
        for layer, values in maps.items():
            place = self.places[layer]
            cut = values[(slice(None), *place.box)]
            for name, found in measure_all(cut, place.frame, self.definitions, seed=seed).items():
                width = half_width(found)
                if width is None or width > self.precision:
                    wide.append({"layer": layer, "measure": name, "half_width": width})
        return wide


def until_precise(model: Model, taker: Taker, images: Given | Dataset[Any], promise: Promise, strict: bool) -> Survey:
    """Maps of ever more images until every asked interval is as narrow as promised, or ``promise.most`` are spent."""
    given = gather(images, model, count=promise.most, seed=taker.plan.seed, strict=strict)
    most = min(promise.most, len(given.inputs))

    def take(start: int, stop: int) -> Maps:
        return _more(model, taker, given.inputs[start:stop], start, most)

    maps, wide = grown(promise, take, most, taker.plan.seed, lambda: taker.log.interrupted)
    done = length(maps)
    stated = {
        "asked": promise.precision,
        "measures": list(promise.definitions),
        "reached": not wide,
        "images": done,
        "max_images": promise.most,
        "missed": wide,
    }
    return Survey(maps, given, done, taker.log.interrupted, tuple(taker.log.events), precision=stated)


def grown(
    promise: Promise,
    take: Callable[[int, int], Maps],
    most: int,
    seed: int,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[Maps, list[dict[str, Any]]]:
    """Maps of images 0, 1, ... as ``take(start, stop)`` gives them until the promise is kept; what is still wide."""
    maps: dict[str, NDArray[np.float32]] = {}
    goal = min(FIRST, most)
    while True:
        more = take(length(maps), goal)
        maps = {name: np.concatenate([maps[name], more[name]]) if maps else more[name] for name in more or maps}
        wide = promise.kept(maps, seed)
        if not wide or stopped() or length(maps) >= most:
            return maps, wide
        goal = min(most, int(np.ceil(length(maps) * GROWTH)))


def _more(model: Model, taker: Taker, inputs: torch.Tensor, done: int, most: int) -> Maps:
    """As the taker; an interruption before the first of these images is done leaves those from before."""
    try:
        return taker(model.module, inputs, done, most)
    except KeyboardInterrupt:
        if done == 0:
            raise
        taker.log.interrupted = True
        return {}


def over_draws(model: Model, taker: Taker, given: Images, draws: int, init: str) -> Survey:
    """One map a draw of random weights, the mean over its images (Luo et al., arXiv:1701.04128, average 20 draws).

    Draw k takes every ``draws``-th image from the k-th on, so that no image is seen by two draws unless there are fewer
    images than draws.
    """
    found: list[Maps] = []
    images = given.inputs
    share = max(1, len(images) // draws)
    total, looked = draws * share, 0
    for draw in range(draws):
        chosen = torch.arange(share) * draws + draw
        try:
            module = initialise(model, init, taker.plan.seed + draw)
            graph = None if taker.graph is None else rebound(taker.graph, model.module, module)
            maps = replace(taker, graph=graph)(module, images[chosen % len(images)], looked, total)
        except KeyboardInterrupt:
            if not found:
                raise
            taker.log.interrupted = True
            break
        looked += length(maps)
        found.append({name: values.mean(0, keepdims=True, dtype=np.float64) for name, values in maps.items()})
        if taker.log.interrupted:
            break
    joined = {name: np.concatenate([maps[name] for maps in found]).astype(np.float32) for name in found[0]}
    stated = {"draws": len(found), "init": init, "images_per_draw": share}
    partial = len(found) < draws or length(maps) < share
    return Survey(joined, given, looked, partial=partial, events=tuple(taker.log.events), draws=stated)
