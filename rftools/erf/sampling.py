"""The per-image maps of units: taken from all images, or over draws of random weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from rftools.capture import Graph
from rftools.erf.fixed_inputs import FixedInputs, with_fixed
from rftools.erf.initialise import initialise, rebound
from rftools.erf.maps.attribution import attribution_maps
from rftools.erf.maps.batches import Log
from rftools.erf.maps.gradients import layer_maps
from rftools.erf.maps.options import MapOptions
from rftools.erf.pictures import Images
from rftools.erf.request import Progress
from rftools.loading import Model
from rftools.units import Unit

if TYPE_CHECKING:
    from torch import nn

Maps = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Sample:
    """Maps ``(N, *spatial)`` by the units' keys, and how they came about.

    ``count`` images were looked at, or those in ``counts`` where some units took fewer.
    """

    maps: Maps
    images: Images
    count: int
    partial: bool = False
    events: tuple[str, ...] = ()
    precision: Mapping[str, Any] | None = None
    draws: Mapping[str, Any] | None = None
    counts: Mapping[str, int] | None = None

    def of(self, key: str) -> int:
        """How many images a unit took."""
        return self.count if self.counts is None else self.counts.get(key, 0)


@dataclass
class MapSource:
    """Gives the maps of one model's units for any images, and remembers what was remarkable on the way."""

    units: Sequence[Unit]
    options: MapOptions
    graph: Graph | None = None  # of the model, for gradients inside the units' windows only
    fixed: FixedInputs | None = None  # what goes to the other inputs of a net with several
    progress: Progress | None = None
    log: Log = field(default_factory=Log)

    def __call__(self, module: nn.Module, inputs: torch.Tensor, done: int = 0, total: int | None = None) -> Maps:
        """The maps of ``inputs``, the images from number ``done`` on of ``total``; fewer where it was interrupted."""
        options = replace(self.options, seed=self.options.seed + done)
        progress, whole = self.progress, len(inputs) if total is None else total
        report = None if progress is None else lambda n: progress(done + n, whole)
        with with_fixed(module, self.fixed):
            if options.method == "gradient":
                return layer_maps(module, inputs, self.units, options, graph=self.graph, progress=report, log=self.log)
            return attribution_maps(module, inputs, self.units, options, progress=report, log=self.log)


def of_all_images(model: Model, source: MapSource, given: Images) -> Sample:
    """The maps of all the given images."""
    maps = source(model.module, given.inputs)
    count = length(maps)
    return Sample(maps, given, count, partial=count < len(given.inputs), events=tuple(source.log.events))


def length(maps: Maps) -> int:
    """How many images maps are of."""
    return min((len(values) for values in maps.values()), default=0)


def over_draws(model: Model, source: MapSource, given: Images, draws: int, init: str) -> Sample:
    """One map a draw of random weights, the mean over its images (Luo et al., arXiv:1701.04128, average 20 draws).

    Draw k takes every ``draws``-th image from the k-th on, so that no image is seen by two draws unless there are fewer
    images than draws.
    """
    found: list[Maps] = []
    share, looked = max(1, len(given.inputs) // draws), 0
    for draw in range(draws):
        try:
            maps = _of_draw(model, source, given.inputs, init, (draw, draws, looked))
        except KeyboardInterrupt:
            if not found:
                raise
            source.log.interrupted = True
            break
        looked += length(maps)
        found.append({name: values.mean(0, keepdims=True, dtype=np.float64) for name, values in maps.items()})
        if source.log.interrupted:
            break
    joined = {name: np.concatenate([maps[name] for maps in found]).astype(np.float32) for name in found[0]}
    stated = {"draws": len(found), "init": init, "images_per_draw": share}
    partial = len(found) < draws or length(maps) < share
    return Sample(joined, given, looked, partial=partial, events=tuple(source.log.events), draws=stated)


def _of_draw(model: Model, source: MapSource, images: torch.Tensor, init: str, at: tuple[int, int, int]) -> Maps:
    """The maps of one draw's images: ``at`` counts the draw, all draws, and the images looked at before."""
    draw, draws, looked = at
    share = max(1, len(images) // draws)
    module = initialise(model, init, source.options.seed + draw)
    graph = None if source.graph is None else rebound(source.graph, model.module, module)
    chosen = (torch.arange(share) * draws + draw) % len(images)
    return replace(source, graph=graph)(module, images[chosen], looked, draws * share)
