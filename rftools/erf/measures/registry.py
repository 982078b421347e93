"""What a measure of effective maps is: of maps ``(n, *spatial)`` that are not negative it gives one value each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
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

    def geometry(self, name: str, work: Callable[[], T]) -> T:
        """What ``work`` gives, worked out once for all maps of this window: it may read their shape alone."""
        return _kept(self.fixed, name, work)

    def positions(self, maps: Maps, axis: int) -> NDArray[np.float64]:
        """Image coordinates along one axis of the maps."""
        return np.arange(maps.shape[axis + 1], dtype=np.float64) + self.offset[axis]


def _kept(among: dict[str, Any] | None, name: str, work: Callable[[], T]) -> T:
    if among is None:
        return work()
    if name not in among:
        among[name] = work()
    found: T = among[name]
    return found


MeasureFunction = Callable[[Maps, Frame], Maps]


@dataclass(frozen=True)
class Definition:
    name: str
    unit: str
    ranks: tuple[int, ...]
    function: MeasureFunction
    steps: bool = False


REGISTRY: dict[str, Definition] = {}


def measure(
    name: str, *, unit: str, ranks: tuple[int, ...] = (1, 2, 3), steps: bool = False
) -> Callable[[MeasureFunction], MeasureFunction]:
    """Register the function that follows as a measure of effective maps.

    It takes maps ``(n, *spatial)`` and a `Frame`, and returns ``(n,)`` values, NaN where a map defines none. One that
    counts pixels moves in ``steps``, and is shown without an interval.

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
        REGISTRY[name] = Definition(name, unit, ranks, function, steps)
        return function

    return register
