"""What a measure of effective maps is: of maps ``(n, *spatial)`` that are not negative it gives one value each."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError

Maps = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True)
class Frame:
    """What a measure needs beside the maps: the unit's own centre, the theoretical size (None: global) and where the
    maps, which may be cut to the theoretical window, lie in the image. ``shared`` holds what several measures of one
    set of maps need, ``fixed`` what they need of the window whatever the maps; without them each works it out itself.
    """

    centre: tuple[float, ...]
    sizes: tuple[int | None, ...]
    image: tuple[int, ...]
    offset: tuple[int, ...]
    shared: dict[str, Any] | None = field(default=None, compare=False, repr=False)
    fixed: dict[str, Any] | None = field(default=None, compare=False, repr=False)

    def once(self, name: str, work: Callable[[], T]) -> T:
        """What ``work`` gives, worked out once for all measures of these maps."""
        return _kept(self.shared, name, work)

    def ready(self) -> Frame:
        """With places to keep what is worked out once."""
        return self if self.shared is not None and self.fixed is not None else replace(self, shared={}, fixed={})

    def alone(self) -> Frame:
        """The same for other maps of this window."""
        return replace(self, shared={})

    def geometry(self, name: str, work: Callable[[], T]) -> T:
        """What ``work`` gives, worked out once for all maps of this window: it may read their shape alone."""
        return _kept(self.fixed, name, work)

    def positions(self, maps: Maps, axis: int) -> NDArray[np.float64]:
        """Image coordinates along one axis of the maps."""
        return np.arange(maps.shape[axis + 1], dtype=np.float64) + self.offset[axis]


@dataclass(frozen=True)
class Mixed:
    """Means of ``maps`` ``(n, *spatial)``, none of which is formed: each row of ``shares`` ``(r, n)`` weighs the
    maps of one. Without shares the maps stand for themselves.

    What is linear in a map is worked out of each of them, and mixed afterwards: ``mixed(sums)``, with sums ``(n, k)``,
    gives the ``(r, k)`` of the means.
    """

    maps: Maps
    shares: Maps | None = None
    shared: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __call__(self, sums: Maps) -> Maps:
        return sums if self.shares is None else self.shares @ sums

    def __len__(self) -> int:
        return len(self.maps if self.shares is None else self.shares)

    @property
    def rank(self) -> int:
        return self.maps.ndim - 1

    def once(self, name: str, work: Callable[[], T]) -> T:
        """What ``work`` gives, worked out once for all measures of these means."""
        return _kept(self.shared, name, work)


def _kept(among: dict[str, Any] | None, name: str, work: Callable[[], T]) -> T:
    if among is None:
        return work()
    if name not in among:
        among[name] = work()
    found: T = among[name]
    return found


MeasureFunction = Callable[[Maps, Frame], Maps]
MixedFunction = Callable[[Mixed, Frame], Maps]
POSITIVE = (0.0, np.inf)
STEPS = "it moves in steps"
UNSURE = "it holds the truth too seldom or too often"


@dataclass(frozen=True)
class Definition:
    """A measure; ``of_mixed`` is its way to means that need not be formed, where it has one, ``no_interval`` why it has
    no interval (empty where it has), ``within`` what values it can have: an interval ends there.
    """

    name: str
    unit: str
    ranks: tuple[int, ...]
    function: MeasureFunction
    no_interval: str = ""
    of_mixed: MixedFunction | None = None
    within: tuple[float, float] = POSITIVE


REGISTRY: dict[str, Definition] = {}


def measure(
    name: str,
    *,
    unit: str,
    ranks: tuple[int, ...] = (1, 2, 3),
    no_interval: str = "",
    within: tuple[float, float] = POSITIVE,
) -> Callable[[MeasureFunction], MeasureFunction]:
    """Register the function that follows as a measure of effective maps.

    It takes maps ``(n, *spatial)`` and a `Frame`, and returns ``(n,)`` values, NaN where a map defines none. One that
    is shown without an interval says why (``no_interval``: what counts pixels moves in steps); others' intervals end
    ``within`` the values that there can be.

    >>> @measure("peak", unit="1")
    ... def peak(maps, frame):
    ...     return maps.reshape(len(maps), -1).max(1)
    >>> REGISTRY.pop("peak").unit
    '1'

    Raises:
        RequestError: a measure of that name exists.
    """

    def register(function: MeasureFunction) -> MeasureFunction:
        if name in REGISTRY:
            raise RequestError(f"there is a measure {name!r} already; give yours another name")
        REGISTRY[name] = Definition(name, unit, ranks, function, no_interval, within=within)
        return function

    return register


def mixed_measure(
    name: str,
    *,
    unit: str,
    ranks: tuple[int, ...] = (1, 2, 3),
    no_interval: str = "",
    within: tuple[float, float] = POSITIVE,
) -> Callable[[MixedFunction], MeasureFunction]:
    """As `measure`, for a function of sums that are linear in a map: it takes a `Mixed` instead of maps.

    Resampling then mixes the sums of single maps, which are few, instead of the maps.
    """

    def register(function: MixedFunction) -> MeasureFunction:
        @functools.wraps(function)
        def of_maps(maps: Maps, frame: Frame) -> Maps:
            return function(Mixed(maps), frame.ready())

        measure(name, unit=unit, ranks=ranks, no_interval=no_interval, within=within)(of_maps)
        REGISTRY[name] = replace(REGISTRY[name], of_mixed=function)
        return of_maps

    return register
