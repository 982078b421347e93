"""Tables on standard output: in a terminal as wide as it is, tab-separated where piped; CSV."""

from __future__ import annotations

import csv
import io
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rftools.cli.talk import begin_answer
from rftools.errors import one_line
from rftools.rows import as_text
from rftools.tables import lines

Listing = tuple[Sequence[str], Sequence[Sequence[Any]]]  # columns and rows


def as_csv(columns: Sequence[str], records: Iterable[Sequence[Any]]) -> str:
    """A table as CSV with raw values; what has none stays empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(records)
    return text.getvalue()


def print_rows(
    columns: Sequence[str], records: Iterable[Sequence[Any]], title: str | None = None, wide: bool = False
) -> None:
    """A table that fits the terminal (all columns where ``wide``); plain tab-separated text when piped."""
    begin_answer()
    heads, rows = [one_line(name) for name in columns], [[as_text(value) for value in record] for record in records]
    if not sys.stdout.isatty():
        for row in [heads, *rows]:
            print("\t".join(row))
        return
    whose = None if title is None else one_line(title)
    print("\n".join(lines(heads, rows, whose, None if wide else shutil.get_terminal_size().columns)))
