"""Tables of ready cells: text, and the raw value to sort by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rftools.reporting.texts import say
from rftools.results import Result

LONGEST = 2000  # rows shown; a longer table is cut, and says so


@dataclass(frozen=True)
class PageTable:
    """A table of ready cells: (text, sort key) each; ``left`` columns hold words."""

    key: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[tuple[str, str], ...], ...]
    left: frozenset[int]
    total: int


def table(result: Result[Any], key: str, caption: str) -> PageTable:
    """A result's table as cells of text, each with the raw value to sort by."""
    return cells(result.columns(), result.records(), key, caption)


def cells(columns: Sequence[str], records: Sequence[Sequence[Any]], key: str, caption: str) -> PageTable:
    """Raw records as cells of text, each with the raw value to sort by."""
    shown = records[:LONGEST]
    named = frozenset(i for i in range(len(columns)) if any(isinstance(r[i], str) for r in shown) and i != len(columns))
    rows = tuple(tuple((_cell(value), _sort_key(value)) for value in record) for record in shown)
    return PageTable(key, caption, tuple(columns), rows, named, len(records))


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "-"
    if isinstance(value, bool):
        return say("figures.yes") if value else say("figures.no")
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))


def _sort_key(value: Any) -> str:
    if isinstance(value, (bool, int, float)) and value == value:
        return repr(float(value))
    return ""
