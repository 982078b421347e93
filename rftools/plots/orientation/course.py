"""Anisotropy and resultant of each layer from model to model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rftools.plots.kinds import kind
from rftools.plots.orientation.reading import mean_anisotropy, pooled_anisotropy, resultant
from rftools.plots.scene import (
    Mark,
    Panel,
    PlotAxis,
    Scene,
    banded,
    even,
    numbers,
    of_all,
    short,
)
from rftools.plots.several import labels, shared_layers
from rftools.plots.theme import SERIES

if TYPE_CHECKING:
    from rftools.weights.results import OrientationResult

LINES = 6  # layers in one panel


@kind("rftools.orientation, several", "course", place=2)
def course(results: Sequence[OrientationResult], layers: Sequence[str] | None = None) -> Scene:
    """Pooled anisotropy, mean anisotropy and resultant of each layer from model to model: through training, or over
    sparsity, in the order given.
    """
    names = shared_layers([[row.name for row in result if row.kernels and row.pooled] for result in results], layers)
    picked = even(names, LINES)
    whose = labels([result.model for result in results])
    x = numbers(range(len(results)))
    what, ticks = _numbered(whose)
    every = max(1, -(-len(ticks) // 12))
    shown = tuple((float(i), short(text, 16)) for i, text in enumerate(ticks) if i % every == 0)
    axis = PlotAxis(what, ticks=shown, limits=(-0.3, len(results) - 0.7))
    pooled: list[Mark] = []
    single: list[Mark] = []
    lengths: list[Mark] = []
    for place, name in enumerate(picked):
        rows, colour, label = [result[name] for result in results], SERIES[place], short(name, 24)
        pooled += banded(x, colour, label, map(pooled_anisotropy, rows))
        single += banded(x, colour, label, map(mean_anisotropy, rows))
        lengths += banded(x, colour, label, map(resultant, rows))
    return Scene(
        panels=(
            Panel("All kernels pooled", axis, PlotAxis("anisotropy, 0 isotropic", zero=True), tuple(pooled)),
            Panel("Mean kernel", axis, PlotAxis("anisotropy, 1 a line", limits=(0, 1.03)), tuple(single)),
            Panel("Resultant", axis, PlotAxis("R, 1 one direction", zero=True), tuple(lengths)),
        ),
        columns=3,
        size=(430, 380),
        title=f"Orientation of {len(results)} models",
        caption="Layer by layer from model to model, in the order given; bands are 95 % intervals. Pooled: all "
        "inertias summed, 0 where the layer as a whole looks in every direction." + of_all(picked, names),
        alt=f"Anisotropy and resultant of {len(picked)} layers over {', '.join(whose)}.",
    )


def _numbered(names: list[str]) -> tuple[str, list[str]]:
    """What an axis over models is called and says: names that differ in their last number become those numbers.

    >>> _numbered(["epoch-0009", "epoch-0010"])
    ('epoch', ['9', '10'])
    >>> _numbered(["dense", "sparse"])
    ('model', ['dense', 'sparse'])
    """
    found = [re.fullmatch(r"(.*?)[-_. ]*?0*(\d+)", name) for name in names]
    heads = {match and match[1] for match in found}
    if len(names) < 2 or None in heads or len(heads) > 1:
        return "model", names
    return (heads.pop() or "model").rpartition("/")[2], [match[2] for match in found if match]
