"""Plans: a grid of runs as a TOML file, readable and short. Adding a row is adding lines."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from rftools.errors import RequestError, closest
from rftools.models import NETS
from rftools.models.training.options import RECIPES
from rftools.models.training.schedules import Pruning
from rftools.reading import read_toml

SHIPPED = ("article", "segmentation", "sequence")


@dataclass(frozen=True)
class PlanScale:
    """How much of a plan is done: ``seeds`` a row, ``epochs`` of ``steps`` (None: a pass over the data), how many
    held-out pictures (``count``) the fields are measured on, and Adam's rate at the first step (``lr``). In a file
    ``recipe = "article"`` stands for the article's epochs, steps and rate.
    """

    seeds: int
    epochs: int
    steps: int | None = None
    count: int = 100
    lr: float = 1e-3


@dataclass(frozen=True)
class PlannedRow:
    """A net and what is done to it. ``longer`` times the scale's epochs it is trained; ``prune`` is a schedule of
    ``rftools train --prune`` whose times are per cent of the training (``constant:0.25@begin=20%``); ``taps`` are left
    of each kernel after the training, which then goes on for a tenth of it. ``scales`` names those that have the row
    (all where there is none). ``article`` is the accuracy that the article gives.
    """

    name: str
    net: str
    longer: float = 1.0
    prune: str | None = None
    taps: int | None = None
    scales: tuple[str, ...] = ()
    article: float | None = None

    def pruning(self, steps: int) -> Pruning | None:
        """Its schedule in a training of so many steps.

        >>> PlannedRow("a", "vgg-cascade", prune="constant:0.25@begin=20%").pruning(500).schedule
        'constant:0.25@begin=100'
        """
        if self.prune is None:
            return None
        head, at, times = self.prune.partition("@")
        found = re.sub(r"(\d+(?:\.\d+)?)\s*%", lambda part: str(int(steps * float(part[1]) / 100)), times)
        return Pruning(head + at + found)


@dataclass(frozen=True)
class StudyPlan:
    """Rows, scales, and the data that all learn."""

    name: str
    title: str
    data: str
    scales: Mapping[str, PlanScale]
    rows: tuple[PlannedRow, ...]

    def scale(self, name: str) -> PlanScale:
        """A scale by name.

        Raises:
            RequestError: there is none of that name.
        """
        if name not in self.scales:
            raise RequestError(
                f"{self.name} has no scale {name!r}{closest(name, self.scales)}: {', '.join(self.scales)}"
            )
        return self.scales[name]

    def at(self, scale: str) -> tuple[PlannedRow, ...]:
        """The rows of a scale."""
        self.scale(scale)
        return tuple(row for row in self.rows if not row.scales or scale in row.scales)


def plan_text(plan: str | Path) -> tuple[str, Path]:
    """The text of a shipped plan or of a file, and where it lies.

    Raises:
        RequestError: neither is there.
    """
    if str(plan) in SHIPPED:
        place = Path(str(files("rftools.study").joinpath("plans", f"{plan}.toml")))
    else:
        place = Path(plan)
        if not place.is_file():
            raise RequestError(
                f"no plan {str(plan)!r}{closest(str(plan), SHIPPED)}; there are {', '.join(SHIPPED)}, or a TOML file"
            )
    return place.read_text(encoding="utf-8", errors="replace"), place


def read_plan(plan: str | Path) -> StudyPlan:
    """A plan that ships, or one of a file.

    Raises:
        RequestError: no TOML, an unknown key, net or schedule (with its line), rows of one name.

    >>> read_plan("segmentation").rows[0].net
    'fcn-strided'
    """
    text, place = plan_text(plan)
    return PlanReader(text, place.name).read(read_toml(place))


@dataclass(frozen=True)
class PlanReader:
    """What a plan's file says, checked word by word; refusals name the line."""

    text: str
    file: str

    def read(self, content: Mapping[str, Any]) -> StudyPlan:
        self._known(content, ("title", "data", "scale", "row"), 0)
        missing = [key for key in ("title", "data", "scale", "row") if key not in content]
        if missing:
            raise RequestError(f"{self.file} has no {missing[0]}; a plan has title, data, [scale.NAME] and [[row]]")
        scales = {name: self._scale(name, part) for name, part in self._table(content["scale"], "scale").items()}
        listed = content["row"] if isinstance(content["row"], list) else []
        rows = tuple(self._row(part, number, scales) for number, part in enumerate(listed, start=1))
        names = [row.name for row in rows]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None or not rows:
            raise RequestError(f"{self.file} has {'no row' if twice is None else f'two rows of the name {twice!r}'}")
        return StudyPlan(Path(self.file).stem, str(content["title"]), str(content["data"]), scales, rows)

    def _line(self, key: str, row: int) -> int:
        """The line of a key, after the so-manieth ``[[row]]``."""
        lines = self.text.splitlines()
        heads = [k for k, line in enumerate(lines) if line.strip().startswith("[[row]]")]
        first = heads[row - 1] if row and row <= len(heads) else 0
        found = (k for k in range(first, len(lines)) if re.match(rf"\s*\"?{re.escape(key)}\"?\s*[=.]", lines[k]))
        return next(found, first) + 1

    def _known(self, part: Mapping[str, Any], allowed: tuple[str, ...], row: int) -> None:
        for key in part:
            if key not in allowed:
                raise RequestError(
                    f"{self.file}, line {self._line(key, row)}: no key {key!r}{closest(key, allowed)}; there are "
                    f"{', '.join(allowed)}"
                )

    def _table(self, part: Any, what: str) -> Mapping[str, Any]:
        if not isinstance(part, dict):
            raise RequestError(f"{self.file}: {what} is a table, not {part!r}")
        return part

    def _scale(self, name: str, part: Any) -> PlanScale:
        table = self._table(part, f"scale.{name}")
        self._known(table, ("recipe", *(field.name for field in dataclasses.fields(PlanScale))), 0)
        table = self._recipe(table) | {key: value for key, value in table.items() if key != "recipe"}
        for key, value in table.items():
            if key == "lr" and (isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1):
                raise RequestError(f"{self.file}: lr of scale {name} is {value!r}; it takes a number from 0 to 1")
            if key != "lr" and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise RequestError(f"{self.file}: {key} of scale {name} is {value!r}; it takes a whole number from 1")
        if not {"seeds", "epochs"} <= set(table):
            raise RequestError(f"{self.file}: scale {name} has no seeds or no epochs")
        return PlanScale(**table)

    def _recipe(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """What a scale's ``recipe`` says of its course; the rest of it every training has."""
        if (name := table.get("recipe")) is None:
            return {}
        if name not in RECIPES:
            raise RequestError(
                f"{self.file}, line {self._line('recipe', 0)}: no recipe {name!r}; there is {', '.join(RECIPES)}"
            )
        found = RECIPES[name]
        return {"epochs": found["epochs"], "steps": found["steps_per_epoch"], "lr": found["lr"]}

    def _row(self, part: Any, number: int, scales: Mapping[str, PlanScale]) -> PlannedRow:
        table = dict(self._table(part, f"row {number}"))
        self._known(table, tuple(field.name for field in dataclasses.fields(PlannedRow)), number)
        if not isinstance(table.get("name"), str) or not isinstance(table.get("net"), str):
            raise RequestError(f"{self.file}: row {number} has no name or no net")
        where = f"{self.file}, line {self._line('net', number)}"
        if table["net"] not in NETS:
            raise RequestError(
                f"{where}: no net {table['net']!r}{closest(table['net'], NETS)}; `rftools models` lists them"
            )
        wrong = [name for name in table.get("scales", ()) if name not in scales]
        if wrong:
            raise RequestError(
                f"{self.file}, line {self._line('scales', number)}: no scale {wrong[0]!r}: {', '.join(scales)}"
            )
        if not isinstance(table.get("taps", 1), int) or not isinstance(table.get("longer", 1), (int, float)):
            raise RequestError(f"{self.file}: row {number}: taps is a whole number, longer a number")
        row = PlannedRow(**(table | {"scales": tuple(table.get("scales", ()))}))
        try:
            if (pruning := row.pruning(1_000_000)) is not None:
                pruning.check()
        except RequestError as error:
            raise RequestError(f"{self.file}, line {self._line('prune', number)}: {error}") from None
        return row
