"""Effective fields of a grid of units beside the central one: no section of its own, the explorer shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rftools import erf
from rftools.erf.result import EffectiveResult
from rftools.errors import RequestError
from rftools.loading import Model
from rftools.reporting.sections.registry import Analyses, Section, register
from rftools.trf.result import TheoreticalResult

USUAL, SMALL = 5, 64 * 64  # units an axis of inputs of at most so many pixels: their backward passes are cheap
FEW = 3  # units an axis of larger inputs, in two layers
IMAGES, FEWER = 4, 2  # at most: the grid shows how fields differ from place to place; figures of the centre have more
ALONE = ("unit", "channel", "random_weights", "of", "inputs")  # options that go with one unit


def analyse(model: Model, known: Analyses) -> EffectiveResult | None:
    """The effective fields of a grid of units: as asked, else a small one where that takes little time."""
    options, fields = dict(known.options or {}), known.results.get("theoretical")
    grid = options.pop("grid", None)
    if known.options is None or fields is None or any(options.get(key) is not None for key in ALONE):
        return None
    sides = (model.input_size or ())[1:]
    if grid is None and len(sides) > 2:
        return None
    names = [row.name for row in known.results["effective"] if row.images] if "effective" in known.results else []
    most = IMAGES
    if grid is None and math.prod(sides) <= SMALL:
        grid = (USUAL,) * len(sides)
    elif grid is None:
        grid, names, most = (FEW,) * len(sides), _two_of(names, fields, sides), FEWER
    asked = options | {"layers": names, "grid": grid, "count": min(options.get("count") or most, most)}
    return _measured(model, known, asked) if names else None


def _measured(model: Model, known: Analyses, asked: dict[str, Any]) -> EffectiveResult | None:
    """None where a layer has no grid that fits: the central units' fields are there all the same."""
    graph = {} if model.other_inputs else {"graph": known.graph_of(model)}
    try:
        return erf.effective(model, **{**graph, **asked, "precision": None, "max_images": None})
    except RequestError:
        if (known.options or {}).get("grid") is not None:
            raise
        return None


def _two_of(names: Sequence[str], fields: TheoreticalResult, sides: Sequence[int]) -> list[str]:
    """The last layer whose units see half of the image at most, side by side, and the last of all that do not see it
    whole by construction: there a grid shows nearly the same field again and again, and costs most.
    """
    local = {row.name: row.axes for row in fields if row.axes and not any(axis.global_ for axis in row.axes)}
    small = {
        name
        for name, axes in local.items()
        if all(axis.size is not None and 2 * axis.size <= side for axis, side in zip(axes, sides, strict=True))
    }
    chosen = ([name for name in names if name in known][-1:] for known in (small, local))
    return list(dict.fromkeys(name for last in chosen for name in last))


SECTION = register(Section("units", analyse=analyse, needs=("theoretical", "effective"), shown=False))
