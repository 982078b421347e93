"""As many images as it takes: maps of ever more of them, until the asked measures are known so well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rftools.erf.chosen import Window
from rftools.erf.intervals import Geometry, half_width, measure_all
from rftools.erf.measures import Definition
from rftools.erf.pictures import Images
from rftools.erf.result import Measure
from rftools.erf.sampling import Maps, MapSource, Sample, length
from rftools.loading import Model

FIRST = 24  # images before the first look at how wide the intervals are
GROWTH = 1.5  # each look has this many times the images of the one before


@dataclass(frozen=True)
class PrecisionGoal:
    """The relative half-width that each asked measure's interval shall have, and how many images it may take."""

    precision: float
    most: int
    windows: Mapping[str, Window]
    definitions: Mapping[str, Definition]
    geometry: Geometry = field(default_factory=dict, compare=False, repr=False)

    def measured(self, maps: Maps, seed: int) -> dict[str, dict[str, Measure]]:
        """The asked measures of each layer's maps."""
        found = {}
        for layer, values in maps.items():
            window = self.windows[layer]
            cut = values[(slice(None), *window.box)]
            found[layer] = measure_all(cut, window.frame, self.definitions, seed=seed, geometry=self.geometry)
        return found

    def too_wide(self, measured: Mapping[str, Mapping[str, Measure]]) -> list[dict[str, Any]]:
        """The layers and measures whose interval is still too wide, with their relative half-width (None: no value)."""
        widths = [(layer, name, half_width(m)) for layer, own in measured.items() for name, m in own.items()]
        return [
            {"layer": layer, "measure": name, "half_width": width}
            for layer, name, width in widths
            if width is None or width > self.precision
        ]

    def missed(self, maps: Maps, seed: int) -> list[dict[str, Any]]:
        """What is `too_wide` of these maps."""
        return self.too_wide(self.measured(maps, seed))


def until_precise(model: Model, source: MapSource, given: Images, goal: PrecisionGoal) -> Sample:
    """Maps of ever more images until every asked interval is as narrow as the goal, or ``goal.most`` are spent."""
    most, seed = min(goal.most, len(given.inputs)), source.options.seed

    def take(start: int, stop: int) -> Maps:
        return more_maps(model, source, given.inputs[start:stop], start, most)

    maps, wide = grown(goal, take, most, seed, lambda: source.log.interrupted)
    done = length(maps)
    stated = {
        "asked": goal.precision,
        "measures": list(goal.definitions),
        "reached": not wide,
        "images": done,
        "max_images": goal.most,
        "missed": wide,
    }
    return Sample(maps, given, done, source.log.interrupted, tuple(source.log.events), precision=stated)


def grown(
    goal: PrecisionGoal,
    take: Callable[[int, int], Maps],
    most: int,
    seed: int,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[Maps, list[dict[str, Any]]]:
    """Maps of images 0, 1, ... as ``take(start, stop)`` gives them until the goal is reached; what it missed."""
    maps: dict[str, NDArray[np.float32]] = {}
    aim = min(FIRST, most)
    while True:
        more = take(length(maps), aim)
        maps = {name: np.concatenate([maps[name], more[name]]) if maps else more[name] for name in more or maps}
        wide = goal.missed(maps, seed)
        if not wide or stopped() or length(maps) >= most:
            return maps, wide
        aim = min(most, int(np.ceil(length(maps) * GROWTH)))


def more_maps(model: Model, source: MapSource, inputs: torch.Tensor, done: int, most: int) -> Maps:
    """The next images' maps; an interruption before the first of them is done leaves those from before."""
    try:
        return source(model.module, inputs, done, most)
    except KeyboardInterrupt:
        if done == 0:
            raise
        source.log.interrupted = True
        return {}
