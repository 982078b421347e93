"""Comparing models: layers aligned by name or by depth, their figures and differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rftools.checks.sizes import MEASURE, sides_of, size_change
from rftools.errors import RequestError
from rftools.plots.comparison import DEPTH, Curve, curves
from rftools.plots.scene import PlotAxis, short
from rftools.reporting.drawing.figures import Figure, themed
from rftools.reporting.sections import Quantity, Value
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import plural, say, words

MOST = 12  # models that one page shows legibly
RANGE = " \N{EN DASH} "  # between the ends of a range
SHARED = 0.5  # share of a model's layer names that the others must have to be aligned by name


@dataclass(frozen=True)
class Aligned:
    """One quantity of several models: ``values[layer][model]``; ``by`` says how layers were brought together."""

    quantity: Quantity
    layers: tuple[str, ...]
    values: tuple[tuple[Value | None, ...], ...]
    by: str
    changes: tuple[Value | None, ...] = ()  # from the first to the second model, where there are two


def check_count(number: int) -> None:
    """Raise `RequestError` where there are more models than a page shows legibly."""
    if number > MOST:
        raise RequestError(f"{number} models are more than one page shows legibly ({MOST}); write several reports")


def labels(subjects: Sequence[Subject]) -> list[str]:
    """A name for each model that no other has: its own, its file's, or a numbered one."""
    for names in ([s.model.name for s in subjects], [s.file for s in subjects]):
        shown = [short(name, 40) for name in names]
        if len(set(shown)) == len(shown):
            return shown
    return [f"{short(subject.file, 36)} ({number})" for number, subject in enumerate(subjects, start=1)]


def align(quantity: Quantity, subjects: Sequence[Subject]) -> Aligned | None:
    """The quantity's layers, aligned by name where models share at least half of them, else by relative depth.

    None where fewer than two models have the part.
    """
    every: list[dict[str, Value | None]] = []
    for subject in subjects:
        rows = quantity.rows(subject.part(quantity.part) or ())
        whole = quantity.whole(subject)
        every.append({_name(row): whole or quantity.read(row) for row in rows})
    if all(quantity.whole(subject) is not None for subject in subjects):
        return None
    known = [{name: value for name, value in values.items() if value is not None} for values in every]
    if sum(map(bool, known)) < 2:
        return None
    present = [set(names) for names, values in zip(every, known, strict=True) if values]
    common = set.intersection(*present)  # a layer whose figure is not defined in one model is a gap, not another layer
    if quantity.step == "epoch" or all(len(common) >= SHARED * len(names) for names in present):
        order = list(dict.fromkeys(name for values in known for name in values))
        order.sort(key=_place(every))
        table = tuple(tuple(values.get(name) for values in known) for name in order)
        return Aligned(
            quantity, tuple(order), table, say("comparison.by_name"), _changes(quantity, order, table, subjects)
        )
    return _by_depth(quantity, known)


def _place(every: Sequence[Mapping[str, Value | None]]) -> Callable[[str], int]:
    """Where a layer stands in the order of all models' layers."""
    order = {name: place for place, name in enumerate(dict.fromkeys(name for values in every for name in values))}
    return lambda name: order[name]


def _changes(
    quantity: Quantity, layers: Sequence[str], rows: Sequence[Sequence[Value | None]], subjects: Sequence[Subject]
) -> tuple[Value | None, ...]:
    """Paired differences where the models were measured on the same images, independent ones elsewhere."""
    if len(subjects) != 2:
        return ()
    paired = subjects[1].paired if quantity.part == "effective" else {}
    sides = {row.name: sides_of(row.theoretical) for row in subjects[1].effective or ()}
    return tuple(
        _paired(paired.get(name), sides.get(name, 2)) or difference(*values)
        for name, values in zip(layers, rows, strict=True)
    )


def _paired(found: Mapping[str, Any] | None, sides: int) -> Value | None:
    change = size_change(None if found is None else found.get(MEASURE), sides)
    return None if change is None else Value(*change)


def _name(row: Any) -> str:
    return f"{row['epoch']}" if isinstance(row, Mapping) else str(row.name)


def _by_depth(quantity: Quantity, known: Sequence[dict[str, Value]]) -> Aligned:
    """One row a layer of the deepest model; each other model gives its layer of the nearest relative depth."""
    deepest = max(known, key=len)
    last = max(1, len(deepest) - 1)
    rows = []
    for index in range(len(deepest)):
        share = index / last
        rows.append(tuple(list(v.values())[round(share * (len(v) - 1))] if v else None for v in known))
    shares = tuple(say("comparison.share", share=100 * index / last) for index in range(len(deepest)))
    return Aligned(quantity, shares, tuple(rows), say("comparison.by_depth"))


def difference(first: Value | None, second: Value | None) -> Value | None:
    """``second - first``; the half-widths of independent intervals add as squares (the measurements are unpaired).

    >>> difference(Value(1.0, 0.7, 1.3), Value(3.0, 2.6, 3.4))
    Value(value=2.0, low=1.5, high=2.5)
    """
    if first is None or second is None:
        return None
    gap = second.value - first.value
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return Value(gap)
    low = gap - math.hypot(second.value - second.low, first.high - first.value)
    high = gap + math.hypot(second.high - second.value, first.value - first.low)
    return Value(round(gap, 12), round(low, 12), round(high, 12))


def figure(aligned: Aligned, names: Sequence[str], image: float | None) -> Figure:
    """The quantity of all models over the aligned layers."""
    given = []
    for index, name in enumerate(names):
        column = [row[index] for row in aligned.values]
        if all(value is None for value in column):
            continue
        lows, highs = ([getattr(v, end) if v else None for v in column] for end in ("low", "high"))
        spread = any(low is not None for low in lows)
        values = [v.value if v else None for v in column]
        given.append(Curve(name, values, lows if spread else (), highs if spread else ()))
    quantity = aligned.quantity
    limit = image if quantity.beside_image else None
    word = say(f"figures.{'side' if quantity.unit == 'px' else 'share' if quantity.unit else 'resultant'}")
    axis = PlotAxis(word, quantity.unit, zero=quantity.unit == "px")
    step = DEPTH if aligned.by == say("comparison.by_depth") else quantity.step
    scene = curves(aligned.layers, given, quantity.title, axis, step=step, image=limit)
    return Figure(quantity.key, themed(scene), scene.caption, wide=True)


def same(aligned: Aligned) -> str:
    """In words that models do not differ, with the range of what they share; nothing where they do."""
    columns = [[value and value.value for value in column] for column in zip(*aligned.values, strict=True)]
    known = [value for value in columns[0] if value is not None]
    if len(columns) < 2 or not known or any(column != columns[0] for column in columns[1:]):
        return ""
    unit = f" {aligned.quantity.unit}" if aligned.quantity.unit else ""
    ends = list(dict.fromkeys(f"{value:.4g}" for value in (min(known), max(known))))
    models = say("comparison.both") if len(columns) == 2 else say("comparison.all_models", count=len(columns))
    return say("comparison.same", title=aligned.quantity.title, models=models, range=RANGE.join(ends) + unit)


def records(aligned: Aligned) -> list[tuple[Any, ...]]:
    """Rows of the comparison's table: layer, one figure a model, and the difference where there are two models."""
    rows = []
    for place, (layer, values) in enumerate(zip(aligned.layers, aligned.values, strict=True)):
        row: list[Any] = [layer or plural(1, "model"), *(None if v is None else v.value for v in values)]
        if len(values) == 2:
            gap = aligned.changes[place] if aligned.changes else difference(*values)
            row += [None, None, None] if gap is None else [gap.value, gap.low, gap.high]
        rows.append(tuple(row))
    return rows


def columns(aligned: Aligned, names: Sequence[str]) -> tuple[str, ...]:
    """The headings of `records`."""
    step = "depth" if aligned.by == say("comparison.by_depth") else aligned.quantity.step
    return (
        say(f"comparison.{step}"),
        *names,
        *(words("comparison.columns") if len(names) == 2 else ()),
    )
