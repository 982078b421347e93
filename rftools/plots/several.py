"""Several results of one kind beside each other: over sparsity, over the epochs of a run, before and after pruning."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from rftools.errors import RequestError
from rftools.plots.orientation.roses import caption, rose_panel
from rftools.plots.scene import Axis, Band, Line, Mark, Panel, Scene, numbers, short
from rftools.plots.sparsity.taps import survival_panel
from rftools.plots.theme import SERIES

if TYPE_CHECKING:
    from rftools.results import ModelInfo
    from rftools.weights.results import LayerOrientation, LayerSparsity, OrientationResult, SparsityResult

T = TypeVar("T")
Interval = tuple[float | None, float | None, float | None]  # value, low, high
WIDE = 6  # panels side by side
HIGH = 8  # rows
LINES = 6  # layers in one panel


def labels(models: Sequence[ModelInfo]) -> list[str]:
    """What tells the models apart: their files' names, with folders where names repeat, else their own names.

    >>> from rftools.results import ModelInfo
    >>> labels([ModelInfo(spec, "vgg", None, 0) for spec in ("a/epoch-1.pt", "a/epoch-2.pt")])
    ['epoch-1', 'epoch-2']
    >>> labels([ModelInfo(spec, "vgg", None, 0) for spec in ("a/best.pt", "b/best.pt")])
    ['a/best', 'b/best']
    """
    for parts in range(1, 4):
        found = [_end(model, parts) for model in models]
        if len(set(found)) == len(found):
            return found
    return [f"{i + 1}: {_end(model, 1)}" for i, model in enumerate(models)]


def _end(model: ModelInfo, parts: int) -> str:
    path = PurePath(model.spec)
    file = path.suffix in {".pt", ".pth", ".ckpt", ".bin", ".safetensors"}
    return "/".join(path.with_suffix("").parts[-parts:]) if file else model.name


def roses(results: Sequence[OrientationResult], layers: Sequence[str] | None = None) -> Scene:
    """A sheet of roses: one row a model, one column a layer."""
    names = _shared([[row.name for row in result if row.oriented] for result in results], layers)
    shown, picked = _even(list(results), HIGH), _even(names, WIDE)
    whose = labels([result.model for result in shown])
    panels = []
    for label, result in zip(whose, shown):
        for name in picked:
            row = result[name]
            title = f"{short(label, 16)}: R = {row.resultant or 0:.3f}{_chance(row)}\n{short(name, 28)}"
            panels.append(replace(rose_panel(row), title=title))
    return Scene(
        panels=tuple(panels),
        columns=len(picked),
        size=(270, 310),
        title=f"Orientation of {len(results)} models, layer by layer",
        caption=f"One row a model, one column a layer. {caption(shown[-1])}"
        + _part(results, shown)
        + _part(names, picked),
        alt=f"Polar histograms of {len(picked)} layers of {', '.join(whose)}.",
    )


def _chance(row: LayerOrientation) -> str:
    return "" if row.p_lattice is None else f", p = {row.p_lattice:.2g}"


def course(results: Sequence[OrientationResult], layers: Sequence[str] | None = None) -> Scene:
    """Pooled anisotropy, mean anisotropy and resultant of each layer from model to model: through training, or over
    sparsity, in the order given.
    """
    names = _shared([[row.name for row in result if row.kernels and row.pooled] for result in results], layers)
    picked = _even(names, LINES)
    whose = labels([result.model for result in results])
    x = numbers(range(len(results)))
    what, ticks = _numbered(whose)
    every = max(1, -(-len(ticks) // 12))
    shown = tuple((float(i), short(text, 16)) for i, text in enumerate(ticks) if i % every == 0)
    axis = Axis(what, ticks=shown, limits=(-0.3, len(results) - 0.7))
    pooled: list[Mark] = []
    single: list[Mark] = []
    lengths: list[Mark] = []
    for place, name in enumerate(picked):
        rows, colour = [result[name] for result in results], SERIES[place]
        pooled += _curve(x, colour, name, [_pooled(row) for row in rows])
        single += _curve(x, colour, name, [(r.anisotropy, r.anisotropy_low, r.anisotropy_high) for r in rows])
        lengths += _curve(x, colour, name, [(r.resultant, r.resultant_low, r.resultant_high) for r in rows])
    return Scene(
        panels=(
            Panel("All kernels pooled", axis, Axis("anisotropy, 0 isotropic", limits=(0, _top(pooled))), tuple(pooled)),
            Panel("Mean kernel", axis, Axis("anisotropy, 1 a line", limits=(0, 1.03)), tuple(single)),
            Panel("Resultant", axis, Axis("R, 1 one direction", limits=(0, _top(lengths))), tuple(lengths)),
        ),
        columns=3,
        size=(430, 380),
        title=f"Orientation of {len(results)} models",
        caption="Layer by layer from model to model, in the order given; bands are 95 % intervals. Pooled: all "
        "inertias summed, 0 where the layer as a whole looks in every direction." + _part(names, picked),
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


def _pooled(row: LayerOrientation) -> Interval:
    return (None, None, None) if row.pooled is None else (row.pooled.anisotropy, row.pooled.low, row.pooled.high)


def _curve(x: tuple[float, ...], colour: str, name: str, found: Sequence[Interval]) -> list[Mark]:
    values, low, high = (numbers(own) for own in zip(*found, strict=True))
    return [
        Band(colour=colour, x=x, low=low, high=high),
        Line(colour=colour, label=short(name, 24), x=x, y=values, markers=True),
    ]


def _top(marks: Sequence[Mark]) -> float:
    """The upper end of an axis that holds all lines and bands."""
    values = [v for mark in marks if isinstance(mark, Band) for v in mark.high]
    values += [v for mark in marks if isinstance(mark, Line) for v in mark.y]
    return min(1.03, 1.08 * max((v for v in values if v == v), default=1.0)) or 1.0


def survival(results: Sequence[SparsityResult], layers: Sequence[str] | None = None) -> Scene:
    """Where taps survive, before and after: one row a model, one column a layer, one colour scale for all."""
    names = _shared([[row.name for row in result if _is_planar(row)] for result in results], layers)
    shown, picked = _even(list(results), HIGH), _even(names, WIDE)
    whose = labels([result.model for result in shown])
    panels = []
    for label, result in zip(whose, shown):
        for name in picked:
            row = result[name]
            title = f"{short(label, 14)}: {100 * row.sparsity:.0f} % zero\n{short(name, 26)}"
            panels.append(replace(survival_panel(row, 1.0), title=title))
    return Scene(
        panels=tuple(panels),
        columns=len(picked),
        size=(210, 240),
        title=f"Where taps survive, {len(results)} models",
        caption="Share of a layer's kernels (in %) that keep the tap at each position, as seen (first row on top); one "
        f"row a model, one column a layer.{_part(results, shown)}{_part(names, picked)}",
        alt=f"Small heat maps of tap survival for {len(picked)} layers of {', '.join(whose)}.",
    )


def _is_planar(row: LayerSparsity) -> bool:
    return row.survival is not None and np.ndim(row.survival) == 2 and len(row.taps or ()) > 2


def _shared(names: Sequence[Sequence[str]], asked: Sequence[str] | None) -> list[str]:
    """The layers that all models have, in the first one's order, or those asked for."""
    both = [name for name in names[0] if all(name in own for own in names[1:])]
    for name in asked or ():
        if name not in both:
            raise RequestError(f"layer {name!r} is not in all {len(names)} models with kernels that can be drawn")
    found = list(asked) if asked else both
    if not found:
        raise RequestError("the models share no layer with kernels that can be drawn; give models of one architecture")
    return found


def _even(items: list[T], most: int) -> list[T]:
    return [items[round(i)] for i in np.linspace(0, len(items) - 1, min(most, len(items)))]


def _part(all_: Sequence[object], shown: Sequence[object]) -> str:
    what = "layers" if all_ and isinstance(all_[0], str) else "models"
    return f" {len(shown)} of {len(all_)} {what}." if len(shown) < len(all_) else ""
