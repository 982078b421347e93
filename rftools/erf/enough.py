"""Just enough images: layers whose main measure is known well enough drop out, the others go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rftools.erf.intervals import half_width
from rftools.erf.pictures import Images
from rftools.erf.precision import PrecisionGoal, more_maps
from rftools.erf.result import Measure
from rftools.erf.sampling import MapSource, Sample
from rftools.loading import Model
from rftools.units import Unit

MAIN = "radius_50"  # the measure that says when it is enough
ENOUGH = 0.05  # half of its interval, as a share of its value
LOOKS = (1, 8, 16, 24, 32)  # images after which there is a look at it; the first shows where it is going
GUESS = 16  # images that a layer takes where nothing is known yet


@dataclass(frozen=True)
class Seen:
    """Where a measurement stands: each unit's main measure and images so far, in the units' order.

    ``share`` is how much of the work is done, from 0 to 1, as far as it can be told; ``open`` are the units that go on.
    """

    measures: Mapping[str, Measure]
    images: Mapping[str, int]
    open: frozenset[str]
    share: float


Watch = Callable[[Seen], None]


@dataclass
class Looks:
    """The maps of a model's units, looked at again and again while they are taken.

    Each unit takes as many images as the goal asks for, or all the same where they go on ``together``; with ``all`` it
    takes every image, and the looks are for ``watch`` alone.
    """

    model: Model
    source: MapSource
    goal: PrecisionGoal
    together: bool = False
    all: bool = False
    watch: Watch | None = None
    maps: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    measured: dict[str, dict[str, Measure]] = field(default_factory=dict)

    def sample(self, given: Images) -> Sample:
        """Take ever more of the given images, until the goal is reached or all are taken."""
        most, log = min(self.goal.most, len(given.inputs)), self.source.log
        looks = [look for look in self._planned(most) if look < most]
        units = list(self.source.units)
        for start, stop in pairwise([0, *looks, most]):
            own = replace(self.source, units=units)
            more = more_maps(self.model, own, given.inputs[start:stop], start, most)
            for key, values in more.items():
                self.maps[key] = np.concatenate([self.maps[key], values]) if key in self.maps else values
            try:
                units = self._looked(units, most)
            except KeyboardInterrupt:
                log.interrupted = True
            if not units or log.interrupted:
                break
        counts = {key: len(values) for key, values in self.maps.items()}
        count = max(counts.values(), default=0)
        partial = log.interrupted and bool(units)
        stated = None if self.all else self._stated(count)
        return Sample(self.maps, given, count, partial, tuple(log.events), stated, counts=counts)

    def _planned(self, most: int) -> Sequence[int]:
        """After how many images there is a look: of all images ever less often, as a look takes longer each time."""
        return [self.source.options.batch_size * 2**k for k in range(most.bit_length())] if self.all else LOOKS

    def _looked(self, units: Sequence[Unit], most: int) -> list[Unit]:
        """Measure the units, tell whoever watches, and say which of them go on."""
        own = {unit.key: self.maps[unit.key] for unit in units if unit.key in self.maps}
        self.measured |= self.goal.measured(own, self.source.options.seed)
        wide = {miss["layer"] for miss in self.goal.too_wide({key: self.measured[key] for key in own})}
        left = [unit for unit in units if len(own.get(unit.key, ())) < most and (self.all or unit.key in wide)]
        left = list(units) if left and self.together else left
        if self.watch is not None and own:
            self.watch(self._seen({unit.key for unit in left}, most))
        return left

    def _seen(self, open_: set[str], most: int) -> Seen:
        images = {key: len(values) for key, values in self.maps.items()}
        shown = {key: own[next(iter(own))] for key, own in self.measured.items()}
        ahead = sum(self._ahead(shown[key], images[key], most) for key in open_)
        done = sum(images.values())
        return Seen(shown, images, frozenset(open_), done / max(done + ahead, 1))

    def _ahead(self, found: Measure, taken: int, most: int) -> float:
        """How many more images a unit will take: the width falls with the square root of their number."""
        width = half_width(found)
        if self.all or taken == most:
            return most - taken
        if width is None:
            return max(min(GUESS, most) - taken, 1)
        wanted = taken * (width / self.goal.precision) ** 2
        return min((look for look in LOOKS if look >= max(wanted, taken + 1)), default=most) - taken

    def _stated(self, count: int) -> dict[str, object]:
        """What is said of it in the result."""
        missed = self.goal.too_wide(self.measured)
        return {
            "asked": self.goal.precision,
            "measures": list(self.goal.definitions),
            "reached": not missed,
            "images": count,
            "max_images": self.goal.most,
            "missed": missed,
            "by_layer": not self.together,
        }
