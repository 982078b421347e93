"""What `rftools.tuning` returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as column
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rftools.results import Grouped, Result, plain
from rftools.rows import ShownRow


@dataclass(frozen=True)
class Estimate:
    """A measure with its 95 % interval; None where it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class FilterTuning:
    """How one filter answers to gratings. Orientations are those of the bars: degrees in [0, 180), 0 along x,
    counter-clockwise as seen; an orientation's interval may reach beyond that range. ``orientation`` is the axial
    mean of the whole curve, ``peak`` the one shown that had the largest response: of two bumps it is the higher one.

    ``frequency`` (cycles a pixel) is where the response is largest; ``frequency_end`` is ``low`` or ``high`` where that
    is an end of the frequencies shown. All else is read at the frequency shown that is next to it. ``noise`` is the
    global OSI that 95 % of filters without orientation would stay below; ``selective`` whether this one is above it.
    ``half_width`` and ``fit`` (R^2) are those of a von Mises bump. ``modulation`` is F1/F0 of the rectified output:
    1.57 for a linear unit, 0 for one that does not care for phase. ``direction`` is where a drifting grating moves to,
    degrees in [0, 360).
    """

    filter: int
    response: float
    orientation: Estimate
    peak: float | None
    frequency: float | None
    frequency_end: str | None
    osi: Estimate
    global_osi: Estimate
    circular_variance: float | None
    noise: float | None
    selective: bool
    half_width: float | None
    fit: float | None
    modulation: float | None
    dsi: Estimate | None = None
    direction: float | None = None


@dataclass(frozen=True, repr=False)
class LayerTuning(ShownRow):
    """One layer's filters at one unit. ``responses`` is ``(filters, frequencies, waves)``, waves in the order of
    ``orientations``, twice where gratings drift both ways.

    ``mean_orientation``, ``resultant`` and ``p_rayleigh`` are axial statistics of the orientations that the selective
    filters prefer, each counting once. ``diameter`` is the disc's, in input pixels.
    ``kernels`` are those of a layer that reads the image itself, ``(filters, height, width, channels)``.
    """

    name: str
    unit: tuple[int, ...]
    centre: tuple[float, ...]
    field: tuple[int, ...]
    diameter: float
    orientations: tuple[float, ...]
    frequencies: tuple[float, ...]
    temporal: float
    filters: tuple[FilterTuning, ...]
    responding: int
    selective: int
    mean_orientation: float | None
    resultant: float | None
    p_rayleigh: float | None
    medians: dict[str, float | None]
    responses: NDArray[np.float64] = column(repr=False, compare=False)
    note: str | None = None
    kernels: NDArray[np.float32] | None = column(default=None, repr=False, compare=False)

    def plane(self, filter: int) -> NDArray[np.float64]:  # noqa: A002 - the field's word
        """The filter's responses ``(frequencies, orientations)``, both ways of motion averaged."""
        number = len(self.orientations)
        whole: NDArray[np.float64] = self.responses[filter]
        return whole if whole.shape[1] == number else (whole[:, :number] + whole[:, number:]) / 2

    def curve(self, filter: int) -> NDArray[np.float64]:  # noqa: A002
        """The filter's responses by orientation at its preferred frequency, both ways of motion averaged."""
        whole = self.responses[filter]
        own: NDArray[np.float64] = self.plane(filter)[np.unravel_index(whole.argmax(), whole.shape)[0]]
        return own


@dataclass(frozen=True, repr=False)
class TuningResult(Result[LayerTuning]):
    """Orientation tuning of the filters of layers, from gratings."""

    SCHEMA: ClassVar[tuple[str, int]] = ("rftools.tuning", 1)

    response: str = "F0"
    contrast: float = 1.0
    size: float = 1.0
    phases: int = 8
    seed: int = 0
    interval: str = ""

    def _body(self) -> dict[str, Any]:
        head = {key: getattr(self, key) for key in ("response", "contrast", "size", "phases", "seed", "interval")}
        return {**head, "layers": [self._layer(row) for row in self.layers]}

    def _layer(self, row: LayerTuning) -> dict[str, Any]:
        skipped = ("filters", "responses", "kernels")
        own = {key: value for key, value in vars(row).items() if key not in skipped}
        filters = [{**plain(one), "curve": row.curve(place)} for place, one in enumerate(row.filters)]
        return {**own, "filters": filters}

    def columns(self) -> tuple[str, ...]:
        return ("layer", "field", "filters", "responding", "selective", "global OSI", "OSI", "half width", "frequency",
                "orientation", "R", "p Rayleigh", "note")  # fmt: skip

    def records(self) -> Sequence[Sequence[Any]]:
        return [_record(row) for row in self.layers]

    def by_filter(self) -> Grouped:
        """One row a filter."""
        columns = ("layer", "filter", "orientation", "low", "high", "frequency", "global OSI", "noise", "selective",
                   "OSI", "circular variance", "half width", "fit", "F1/F0", "DSI", "to", "response")  # fmt: skip
        return Grouped(columns, [_filter_record(row.name, one) for row in self.layers for one in row.filters])


def _record(row: LayerTuning) -> tuple[Any, ...]:
    medians = (row.medians.get(key) for key in ("global_osi", "osi", "half_width", "frequency"))
    field_ = "x".join(map(str, row.field)) if len(set(row.field)) > 1 else row.field[0]
    counts = (len(row.filters), row.responding, row.selective)
    axis = (row.mean_orientation, row.resultant, row.p_rayleigh)
    return (row.name or "(model)", field_, *counts, *medians, *axis, row.note or "")


def _filter_record(layer: str, one: FilterTuning) -> tuple[Any, ...]:
    turned = (one.orientation.value, one.orientation.low, one.orientation.high)
    selective = (one.global_osi.value, one.noise, one.selective, one.osi.value, one.circular_variance)
    dsi = None if one.dsi is None else one.dsi.value
    rest = (one.half_width, one.fit, one.modulation, dsi, one.direction, one.response)
    return (layer, one.filter, *turned, one.frequency, *selective, *rest)
