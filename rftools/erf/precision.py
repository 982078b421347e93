"""As many images as it takes: maps of ever more of them, until the asked measures are known so well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rftools.erf.chosen import Window
from rftools.erf.intervals import half_width, measure_all
from rftools.erf.measures import Definition
from rftools.erf.pictures import Images
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

    def missed(self, maps: Maps, seed: int) -> list[dict[str, Any]]:
        """The layers and measures whose interval is still too wide, with their relative half-width (None: no value)."""
        wide = []
        for layer, values in maps.items():
            window = self.windows[layer]
            cut = values[(slice(None), *window.box)]
            for name, found in measure_all(cut, window.frame, self.definitions, seed=seed).items():
                width = half_width(found)
                if width is None or width > self.precision:
                    wide.append({"layer": layer, "measure": name, "half_width": width})
        return wide


def until_precise(model: Model, source: MapSource, given: Images, goal: PrecisionGoal) -> Sample:
    """Maps of ever more images until every asked interval is as narrow as the goal, or ``goal.most`` are spent."""
    most, seed = min(goal.most, len(given.inputs)), source.options.seed

    def take(start: int, stop: int) -> Maps:
        return _more(model, source, given.inputs[start:stop], start, most)

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


def _more(model: Model, source: MapSource, inputs: torch.Tensor, done: int, most: int) -> Maps:
    """The next images' maps; an interruption before the first of them is done leaves those from before."""
    try:
        return source(model.module, inputs, done, most)
    except KeyboardInterrupt:
        if done == 0:
            raise
        source.log.interrupted = True
        return {}
