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


@dataclass(frozen=True)
class Measure:
    """One measure of a map with its 95 % interval; None where the map does not define it."""

    value: float | None
    low: float | None
    high: float | None
    unit: str


@dataclass(frozen=True)
class EffectiveLayer:
    """One layer's effective field.

    ``map`` is float64, shaped like the input without channels. ``theoretical`` holds ``status`` and ``axes``
    (``size, stride, start, centre, window, clipped, global, unit_centre``). ``scale`` is the map's maximum, which the
    logarithmic area ratios depend on. ``channel`` is the only one that was looked at of the unit's; None is the sum
    of all. In a layer of tokens ``unit`` is a place on their ``grid``, or ``token`` says which that has no
    place was taken (``class``). ``note`` says why measures are missing.
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

    @property
    def unit_name(self) -> str:
        """The unit in words: ``(3, 4)``, or ``class`` for the class token."""
        return self.token or f"({', '.join(map(str, self.unit))})"

    @property
    def key(self) -> str:
        """The layer's name; with a colon and the channel where only that was looked at."""
        return self.name if self.channel is None else f"{self.name}:{self.channel}"


@dataclass(frozen=True, repr=False)
class EffectiveResult(Result[EffectiveLayer]):
    """The effective receptive fields of layers, from the gradients of one unit each.

    ``result["conv1"]`` is a layer's row, ``result["conv1:3"]`` that of one of its channels.
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

    def __getitem__(self, name: str) -> EffectiveLayer:
        own = next((row for row in self.layers if row.key == name), None)
        return super().__getitem__(name) if own is None else own

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
                    **({} if row.channel is None else {"channel": row.channel}),
                }
                for key, row in zip(self.keys(), self.layers, strict=True)
            ],
        }

    def keys(self) -> tuple[str, ...]:
        """The NPZ's keys, one a row: the layer's name, the model's own output being ``output``, a colon and the channel
        where only that was looked at.
        """
        return tuple((row.key if row.name else f"output{row.key}").replace("/", "|") for row in self.layers)

    def maps(self) -> dict[str, NDArray[np.float64]]:
        """The maps that there are, by their `keys`."""
        return {key: row.map for key, row in zip(self.keys(), self.layers, strict=True) if row.images}

    def to_npz(self, path: str | Path) -> None:
        """Write the maps as an NPZ that `numpy.load` opens without pickle: float64, named by `keys`."""
        write_maps(path, self.maps())

    @property
    def _by_channel(self) -> bool:
        return any(row.channel is not None for row in self.layers)

    def columns(self) -> tuple[str, ...]:
        return (
            "layer",
            *(("channel",) if self._by_channel else ()),
            "theoretical",
            "radius_50",
            "low",
            "high",
            "ratio",
            "major",
            "minor",
            "angle",
            "images",
            "note",
        )

    def records(self) -> Sequence[Sequence[Any]]:
        rows = [_record(row) for row in self.layers]
        if not self._by_channel:
            return rows
        return [(name, row.channel, *rest) for row, (name, *rest) in zip(self.layers, rows, strict=True)]


def write_maps(path: str | Path, maps: Mapping[str, NDArray[np.float64]]) -> None:
    """Maps by name as an NPZ, whole or not at all."""
    arrays: dict[str, Any] = dict(maps)
    with atomic_write(path) as stream:
        np.savez_compressed(stream, **arrays)


def _record(row: EffectiveLayer) -> tuple[Any, ...]:
    def value(name: str) -> float | None:
        found = row.measures.get(name)
        return None if found is None else found.value

    sizes = [axis["size"] for axis in row.theoretical.get("axes", [])]
    size: Any = sizes[0] if len(set(sizes)) == 1 else "x".join("-" if s is None else str(s) for s in sizes)
    if sizes and all(axis["global"] for axis in row.theoretical["axes"]):
        size = "global"
    radius = row.measures.get("radius_50", Measure(None, None, None, "px"))
    return (
        row.name or "(model)",
        size,
        radius.value,
        radius.low,
        radius.high,
        value("relative_size"),
        value("ellipse_major"),
        value("ellipse_minor"),
        value("ellipse_angle"),
        row.images,
        row.note or "",
    )
