"""Models beside each other, a layer at a time: maps on one scale, their difference, and roses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rftools.checks.sizes import effective_size
from rftools.plots.scene import short
from rftools.reporting.drawing.depth import LEFT, RIGHT, WIDTH, chart
from rftools.reporting.drawing.pictures import coloured, colours, extent_of, plane, shrunk
from rftools.reporting.page.alignment import Aligned
from rftools.reporting.page.by_depth import by_depth
from rftools.reporting.page.cells import cells, rose_rows
from rftools.reporting.page.changes import kernel_changes
from rftools.reporting.page.opening import MARGIN, depth_of, layer_shown
from rftools.reporting.page.render import embedded
from rftools.reporting.page.sentence import deepest, sides
from rftools.reporting.sections import Value
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import say
from rftools.trf.layer_field import side_of

MOST_MODELS, MOST_LAYERS = 12, 24  # beside each other, and that one slider goes through
FEW = 3  # models whose sizes are said one by one
LARGE = 4  # models beside each other with all their drawings; more are small multiples of their maps


def beside(subjects: Sequence[Subject], names: Sequence[str], sizes: Aligned | None) -> dict[str, Any] | None:
    """One entry a layer that all models have a map or a rose of, or a share of depth where they have none in common;
    None where there is nothing to put side by side.
    """
    sizes_in = {subject.input_size for subject in subjects}
    if len(subjects) > MOST_MODELS or len(sizes_in) != 1 or None in sizes_in:
        return None
    maps = [_by_name(subject.effective, _has_map) for subject in subjects]
    roses = [rose_rows(subject) for subject in subjects]
    shared = [name for name in {**maps[0], **roses[0]} if _in_all(name, maps) or _in_all(name, roses)]
    own: dict[str, tuple[str, ...]] = {}
    if not shared and all(maps):
        subjects, own = by_depth(subjects, [list(known) for known in maps], MOST_LAYERS)
        maps, shared = [_by_name(subject.effective, _has_map) for subject in subjects], list(own)
    if not shared:
        return None
    chosen = [
        shared[i] for i in sorted({round(i) for i in np.linspace(0, len(shared) - 1, min(MOST_LAYERS, len(shared)))})
    ]
    changes = {} if sizes is None or own else dict(zip(sizes.layers, sizes.changes, strict=False))
    layers = [_named(_entry(name, subjects, maps, changes.get(name)), own.get(name, ())) for name in chosen]
    height, width = plane(subjects[0].input_size or ())
    image = side_of((subjects[0].input_size or (1, 1))[1:])
    drawn = [[depth_of(name, subject) for name in chosen] for subject in subjects]
    few = len(subjects) <= LARGE
    margin = MARGIN * max(height, width)
    start = max((i for i, layer in enumerate(layers) if layer["maps"]), default=len(layers) - 1)
    return {
        "json": embedded({"layers": layers, "start": start, "left": LEFT, "span": WIDTH - LEFT - RIGHT}),
        "cells": [cells(name, subjects) for name in chosen] if few else [],
        "changes": [] if own else [kernel_changes(name, subjects) for name in chosen],
        "growth": [chart(depths, image, f"bs-{i}") for i, depths in enumerate(drawn)] if few else [],
        "parting": colours(diverging=True),
        "colours": colours(),
        "few": few,
        "layers": layers,
        "shown": layers[start],
        "start": start,
        "names": list(names),
        "box": f"{-margin:g} {-margin:g} {width + 2 * margin:g} {height + 2 * margin:g}",
        "side": (width, height),
        "maps": any(layer["maps"] for layer in layers),
        "pair": len(subjects) == 2,
    }


def _named(entry: dict[str, Any], layers: Sequence[str]) -> dict[str, Any]:
    """With the names of the layers that each model's map is of, where these are not one layer."""
    for shown, name in zip(entry["maps"], layers, strict=False):
        shown["words"] = say("beside.of_layer", name=short(name, 40), words=shown["words"])
    return entry


def _by_name(result: Any, wanted: Any) -> dict[str, Any]:
    return {row.name: row for row in result or () if wanted(row)}


def _has_map(row: Any) -> bool:
    return row.channel is None and row.map.ndim > 1 and bool(row.map.any())


def _in_all(name: str, every: Sequence[Mapping[str, Any]]) -> bool:
    return all(name in known for known in every)


def _entry(
    name: str,
    subjects: Sequence[Subject],
    maps: Sequence[Mapping[str, Any]],
    change: Value | None,
) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "label": short(name or say("script.model"), 40), "maps": []}
    if _in_all(name, maps):
        rows = [known[name] for known in maps]
        shares = [shrunk(row.map) / np.abs(row.map).sum() for row in rows]
        found["maps"] = _maps(rows, shares, subjects)
        if len(rows) == 2:
            top = float(np.abs(shares[1] - shares[0]).max())
            found["difference"] = {"url": _difference(shares), "words": _change(change), "top": f"{100 * top:.2g} %"}
    return found


def _maps(
    rows: Sequence[Any], shares: Sequence[NDArray[np.float64]], subjects: Sequence[Subject]
) -> list[dict[str, Any]]:
    top = max(float(share.max()) for share in shares)
    shown = []
    for row, share, subject in zip(rows, shares, subjects, strict=True):
        fields = next((own for own in subject.theoretical or () if own.name == row.name), None)
        size = effective_size(row)
        outlines = {} if fields is None else layer_shown(fields, subject)
        words = say("figures.undefined") if size is None else say("beside.size", size=size[0])
        kept = {key: outlines.get(key) for key in ("window", "inner", "outer")}
        shown.append({"url": coloured(np.sqrt(share / top)), "words": words, **kept, **extent_of(row.map.shape)})
    return shown


def _difference(shares: Sequence[NDArray[np.float64]]) -> str:
    """Where the second model's shares are larger: from -1 to 1 of the largest difference."""
    change = shares[1] - shares[0]
    top = float(np.abs(change).max()) or 1.0
    return coloured(0.5 + 0.5 * change / top, diverging=True)


def _change(change: Value | None) -> str:
    """A difference of sizes with its interval in words."""
    if change is None or change.low is None or change.high is None:
        return "" if change is None else say("beside.by", by=change.value)
    if change.low > 0:
        return say("beside.larger", low=change.low, high=change.high)
    if change.high < 0:
        return say("beside.smaller", low=-change.high, high=-change.low)
    return say("beside.same", low=change.low, high=change.high)


def compared(subjects: Sequence[Subject], names: Sequence[str], sizes: Aligned | None) -> str:
    """The comparison in one sentence: the deepest layer's effective size, and the zeros."""
    fields = _deepest(names, sizes) or _each(subjects, names)
    clauses = [clause for clause in (fields, _zeros(subjects, names)) if clause]
    text = "; ".join(clauses)
    return text[0].upper() + text[1:] + "." if text else say("beside.models", count=len(subjects))


def _deepest(names: Sequence[str], sizes: Aligned | None) -> str:
    pairs = [] if sizes is None else list(zip(sizes.layers, sizes.changes, strict=False))
    known = [(name, change) for name, change in pairs if change is not None]
    if not known:
        return ""
    name, change = known[-1]
    same = change.low is not None and change.high is not None and change.low <= 0 <= change.high
    models = say("beside.between" if same else "beside.than", first=names[0], second=names[1])
    return say("beside.deepest", name=short(name, 40), change=_change(change), models=models)


def _each(subjects: Sequence[Subject], names: Sequence[str]) -> str:
    """What the deepest measured layer of each model sees, where they have none in common."""
    found = [deepest(subject) for subject in subjects]
    known = [(sides(row), size, name) for (row, size), name in zip(found, names, strict=True) if row is not None]
    if len(known) < len(subjects):
        return ""
    sees = _in_each([field for field, _, _ in known], names)
    halves = [say("findings.px", size=f"{size[0]:.0f}") for _, size, _ in known if size is not None]
    uses = "; " + say("beside.half", shown=_in_each(halves, names)) if len(halves) == len(known) else ""
    return say("beside.last", shown=sees) + uses


def _in_each(sizes: Sequence[str], names: Sequence[str]) -> str:
    """Sizes model by model; of many models their ends."""
    if len(sizes) > FEW and len(set(sizes)) == 1:
        return say("beside.in_all", what=sizes[0], count=len(sizes))
    if len(sizes) > FEW:
        least, *_, most = sorted(sizes, key=lambda size: (len(size), size))
        return say("beside.from_to", least=least, most=most, count=len(sizes))
    return ", ".join(say("beside.in_one", what=size, name=name) for size, name in zip(sizes, names, strict=True))


def _zeros(subjects: Sequence[Subject], names: Sequence[str]) -> str:
    zeros = [subject.sparsity.total.sparsity for subject in subjects if subject.sparsity is not None]
    if len(zeros) != len(subjects):
        return ""
    pairs = zip(zeros, names, strict=True)
    shown = ", ".join(say("beside.of", share=100 * share, name=name) for share, name in pairs)
    return say("beside.zeros", shown=shown) if max(zeros) > 0 else say("beside.no_zeros")
