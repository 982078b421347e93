"""What is asked of effective fields, beside the model and the images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from rftools.capture import Graph, Inputs
from rftools.erf.initialise import check_init
from rftools.erf.maps.attribution import check_method
from rftools.erf.maps.options import AGGREGATIONS, MapOptions
from rftools.erf.measures import REGISTRY, Definition
from rftools.errors import RequestError, closest
from rftools.runtime.device import pick_device
from rftools.units import Where

MOST_UNITS = 1024  # of a layer, in a grid: 32 x 32
Progress = Callable[[int, int], None]
Watch = Callable[[Any], None]  # of a `rftools.erf.enough.Seen`


class Options(TypedDict, total=False):
    """The further options of `effective` and `compare`; `effective` says what each means, `Request` its default."""

    input_size: tuple[int, ...] | int | None
    count: int | None
    batch_size: int
    seed: int
    strict: bool
    method: str
    measures: Sequence[str] | None
    precision: float | None
    max_images: int | None
    random_weights: int | None
    init: str
    progress: Progress | None
    watch: Watch | None
    channel: int | Sequence[int] | None
    grid: tuple[int, ...] | None
    inputs: Inputs | None
    of: int | str
    graph: Graph | None


@dataclass(frozen=True)
class Request:
    """All that `effective` and `compare` take beside models and images, with the defaults."""

    layers: Sequence[str] | str | None = None
    unit: Where | Mapping[str, Where] | None = None
    aggregation: str = "abs"
    device: str = "auto"
    input_size: tuple[int, ...] | int | None = None
    count: int | None = None
    batch_size: int = 16
    seed: int = 0
    strict: bool = False
    method: str = "gradient"
    measures: Sequence[str] | None = None
    precision: float | None = None
    max_images: int | None = None
    random_weights: int | None = None
    init: str = "default"
    progress: Progress | None = None
    watch: Watch | None = None
    channel: int | Sequence[int] | None = None
    grid: tuple[int, ...] | None = None
    inputs: Inputs | None = None
    of: int | str = 0
    graph: Graph | None = None

    @property
    def channels(self) -> tuple[int, ...] | None:
        """The channels that are asked for one by one; None for the sum of all."""
        if self.channel is None:
            return None
        return (self.channel,) if isinstance(self.channel, int) else tuple(dict.fromkeys(self.channel))

    @property
    def map_options(self) -> MapOptions:
        return MapOptions(self.aggregation, self.method, pick_device(self.device), self.batch_size, self.seed)

    def check(self) -> None:
        """Raise `RequestError` for what no model could answer."""
        check_method(self.method)
        definitions(self.measures)
        _check_aggregation(self.aggregation)
        _check_sampling(self.precision, self.max_images, self.measures)
        _check_weights(self.random_weights, self.init, self.precision)
        _check_channels(self.channels)
        _check_grid(self.grid, self.unit)


def request(options: Mapping[str, Any]) -> Request:
    """The options as a `Request` that could be answered.

    Raises:
        RequestError: a value that none can have.

    >>> request({"aggregation": "abs", "count": 4}).count
    4
    """
    found = Request(**options)
    found.check()
    return found


def definitions(names: Sequence[str] | None) -> dict[str, Definition]:
    """Measures by name, in the order asked; all where none is named.

    Raises:
        RequestError: there is none of that name.
    """
    if names is None:
        return dict(REGISTRY)
    for name in names:
        if name not in REGISTRY:
            raise RequestError(f"no measure {name!r}{closest(name, REGISTRY)}; there are {', '.join(REGISTRY)}")
    return {name: REGISTRY[name] for name in names}


def _check_aggregation(aggregation: str) -> None:
    if aggregation not in AGGREGATIONS:
        raise RequestError(
            f"no aggregation {aggregation!r}{closest(aggregation, AGGREGATIONS)}; there are {', '.join(AGGREGATIONS)}"
        )


def _check_sampling(precision: float | None, most: int | None, measures: Sequence[str] | None) -> None:
    if precision is not None and not 0 < precision < 1:
        raise RequestError(f"precision {precision:g} is not between 0 and 1 (0 % and 100 %)")
    if most is not None and (precision is None or most < 2):
        raise RequestError(f"at most {most} images: that goes with a precision, and takes at least two")
    for name in measures or () if precision is not None else ():
        if reason := REGISTRY[name].no_interval:
            raise RequestError(f"{name} has no interval: {reason}; a precision takes another, say radius_50")


def _check_weights(draws: int | None, init: str, precision: float | None) -> None:
    check_init(init)
    if draws is not None and (draws < 1 or precision is not None):
        raise RequestError(f"{draws} draws of weights: it takes at least one, and no precision beside")
    if draws is None and init != "default":
        raise RequestError(f"the initialisation {init} goes with random weights; say how many draws (--random-weights)")


def _check_channels(channels: Sequence[int] | None) -> None:
    if channels is None:
        return
    if not channels:
        raise RequestError("no channel was named; leave it out for the sum of all")
    for channel in channels:
        if isinstance(channel, bool) or not isinstance(channel, int) or channel < 0:
            raise RequestError(f"channel {channel!r} is no whole number from 0 on")


def _check_grid(grid: Sequence[int] | None, unit: object) -> None:
    if grid is None:
        return
    if unit is not None:
        raise RequestError("a unit and a grid of units: give one of them")
    numbers = [grid] if isinstance(grid, int) else list(grid)
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in numbers)
    if isinstance(grid, int) or not numbers or not whole:
        raise RequestError(f"grid {'x'.join(map(str, numbers))} is not one whole number from 1 on for each axis")
    if math.prod(numbers) > MOST_UNITS:
        raise RequestError(
            f"grid {'x'.join(map(str, numbers))} has more than the {MOST_UNITS:,} units of a layer that are measured at"
            " once; give a smaller one, 5x5 say"
        )
