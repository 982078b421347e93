"""What `rftools.effective` returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rftools.files import atomic_write
from rftools.results import Result, plain
from rftools.rows import ShownRow
from rftools.units import tag_of

#: The measures that have columns in a table; where others are asked for, at most `FEW`, those stand there instead.
USUAL = ("radius_50", "relative_size", "ellipse_major", "ellipse_minor", "ellipse_angle")
FEW = 8


@dataclass(frozen=True)
class Measure:
    """One measure of a map with its 95 % interval; None where the map does not define it."""

    value: float | None
    low: float | None
    high: float | None
    unit: str

    def __str__(self) -> str:
        if self.value is None:
            return "not defined"
        interval = "" if self.low is None else f" ({self.low:.4g} to {self.high:.4g})"
        return f"{self.value:.4g} {'' if self.unit == '1' else self.unit}".rstrip() + interval


@dataclass(frozen=True, repr=False)
class EffectiveLayer(ShownRow):
    """One layer's effective field.

    ``map`` is float64, shaped like the input without channels. ``theoretical`` holds ``status`` and ``axes``
    (``size, stride, start, centre, window, clipped, global, unit_centre``). ``scale`` is the map's maximum, which the
    logarithmic area ratios depend on. ``channel`` is the only one that was looked at of the unit's; None is the sum
    of all. In a layer of tokens ``unit`` is a place on their ``grid``, or ``token`` says which that has no place was
    taken (``class``). ``cell`` counts the unit's place among a grid of units that was asked for. ``note`` says why
    measures are missing.
    """

    name: str
    unit: tuple[int, ...]
    images: int
    aggregation: str
    measures: Mapping[str, Measure]
    theoretical: Mapping[str, Any]
    map: NDArray[np.float64] = field(repr=False, compare=False)
    scale: float = 0.0
    note: str | None = None
    channel: int | None = None
    token: str | None = None
    grid: tuple[int, ...] | None = None
    cell: tuple[int, ...] | None = None

    @property
    def unit_name(self) -> str:
        """The unit in words: ``(3, 4)``, or ``class`` for the class token."""
        return self.token or f"({', '.join(map(str, self.unit))})"

    @property
    def key(self) -> str:
        """The layer's name; with ``@i,j`` where several of its units, ``:c`` where single channels were looked at."""
        return self.name + tag_of(self.unit, self.channel, self.cell)


@dataclass(frozen=True, repr=False)
class EffectiveResult(Result[EffectiveLayer]):
    """The effective receptive fields of layers, from the gradients of one unit each.

    ``result["conv1"]`` is a layer's row (of several units the central one's), ``result["conv1:3"]`` that of one of its
    channels, ``result["conv1@0,4"]`` that of one of its units.
    """

    SCHEMA: ClassVar[tuple[str, int]] = ("rftools.erf", 1)

    source: str = ""
    normalisation: Mapping[str, Sequence[float]] | None = None
    seed: int = 0
    interval: str = ""
    skipped: tuple[str, ...] = ()
    partial: bool = False
    method: str = "gradient"
    events: tuple[str, ...] = ()
    precision: Mapping[str, Any] | None = None
    draws: Mapping[str, Any] | None = None
    pictures: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict, compare=False)
    of_input: str | None = None  # of a net with several inputs: the one that maps are of

    def __getitem__(self, name: str | int) -> EffectiveLayer:
        own = next((row for row in self.layers if row.key == name), None)
        central = next((row for row in self.central() if row.name == name), None)
        return own or central or super().__getitem__(name)

    def central(self) -> list[EffectiveLayer]:
        """The rows, of a grid of units only the one in its middle."""
        last = {row.name: row.cell or () for row in self.layers}
        middle = {name: tuple((n + 1) // 2 for n in cell) for name, cell in last.items()}
        return [row for row in self.layers if row.cell is None or row.cell == middle[row.name]]

    def _body(self) -> dict[str, Any]:
        return {
            "images": {
                "source": self.source,
                "normalisation": plain(dict(self.normalisation)) if self.normalisation else None,
                "skipped": list(self.skipped),
            },
            "seed": self.seed,
            "interval": self.interval,
            "partial": self.partial,
            "method": self.method,
            "notes": list(self.events),
            **({} if self.of_input is None else {"of_input": self.of_input}),
            "precision": plain(dict(self.precision)) if self.precision else None,
            "random_weights": plain(dict(self.draws)) if self.draws else None,
            "layers": [
                {
                    "name": row.name,
                    "unit": row.token or list(row.unit),
                    "images": row.images,
                    "aggregation": row.aggregation,
                    "measures": {name: plain(measure) for name, measure in row.measures.items()},
                    "theoretical": plain(dict(row.theoretical)),
                    "map": key if row.images else None,
                    "scale": row.scale,
                    "note": row.note,
                    **({} if row.grid is None else {"token_grid": list(row.grid)}),
                    **({} if row.cell is None else {"cell": list(row.cell)}),
                    **({} if row.channel is None else {"channel": row.channel}),
                }
                for key, row in zip(self.keys(), self.layers, strict=True)
            ],
        }

    def keys(self) -> tuple[str, ...]:
        """The NPZ's keys, one a row: the layer's name, the model's own output being ``output``, ``@i,j`` where several
        of its units, ``:c`` where single channels were looked at.
        """
        return tuple((row.key if row.name else f"output{row.key}").replace("/", "|") for row in self.layers)

    def maps(self) -> dict[str, NDArray[np.float64]]:
        """The maps that there are, by their `keys`."""
        return {key: row.map for key, row in zip(self.keys(), self.layers, strict=True) if row.images}

    def to_npz(self, path: str | Path) -> None:
        """Write the maps as an NPZ that `numpy.load` opens without pickle: float64, named by `keys`."""
        write_maps(path, self.maps())

    def _told_apart(self) -> tuple[str, ...]:
        """What tells a layer's rows apart, if anything was asked that does."""
        units = any(row.cell is not None for row in self.layers)
        channels = any(row.channel is not None for row in self.layers)
        return (*(("unit",) if units else ()), *(("channel",) if channels else ()))

    def _asked_for(self) -> tuple[str, ...]:
        """The measures that stand in the table instead of the usual ones, where some others were asked for."""
        names = next((tuple(row.measures) for row in self.layers if row.measures), USUAL)
        usual = "radius_50" in names and (len(names) > FEW or set(names) <= set(USUAL))
        return () if usual else names

    def columns(self) -> tuple[str, ...]:
        first, *others = self._asked_for() or ("radius_50",)
        usual = () if self._asked_for() else ("ratio", "major", "minor", "angle")
        more = (f"{name}{end}" for name in others for end in ("", " low", " high"))
        return ("layer", *self._told_apart(), "theoretical", first, "low", "high", *more, *usual, "images", "note")

    def records(self) -> Sequence[Sequence[Any]]:
        apart = self._told_apart()
        found = []
        for row in self.layers:
            name, *rest = _record(row, self._asked_for())
            own = {"unit": row.unit_name.strip("()").replace(" ", ""), "channel": row.channel}
            found.append((name, *(own[column] for column in apart), *rest))
        return found


def write_maps(path: str | Path, maps: Mapping[str, NDArray[np.float64]]) -> None:
    """Maps by name as an NPZ, whole or not at all."""
    arrays: dict[str, Any] = dict(maps)
    with atomic_write(path) as stream:
        np.savez_compressed(stream, **arrays)


def _record(row: EffectiveLayer, asked_for: Sequence[str]) -> tuple[Any, ...]:
    none = Measure(None, None, None, "px")
    found = [row.measures.get(name, none) for name in asked_for or ("radius_50",)]
    usual = [] if asked_for else [row.measures.get(name, none).value for name in USUAL[1:]]
    figures = [figure for one in found for figure in (one.value, one.low, one.high)]
    return (row.name or "(model)", _theoretical(row), *figures, *usual, row.images, row.note or "")


def _theoretical(row: EffectiveLayer) -> Any:
    """The theoretical size in a word."""
    axes = row.theoretical.get("axes", [])
    if axes and all(axis["global"] for axis in axes):
        return "global"
    sizes = [axis["size"] for axis in axes]
    return sizes[0] if len(set(sizes)) == 1 else "x".join("-" if s is None else str(s) for s in sizes)
