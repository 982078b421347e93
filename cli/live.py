"""A live table on a terminal: layers as they are measured, how far it is, and about how long it will take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rftools.cli.talk import shows_progress
from rftools.errors import one_line
from rftools.runtime.listening import Listener

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from rftools.erf.enough import Seen

ROWS = 24  # layers that are listed at most: of more an even choice
WIDTH = 30  # characters of the bar


class LiveTable(Listener):
    """Shows what it is told; `render` is drawn again some times a second."""

    def __init__(self) -> None:
        self.part = ""
        self.last: Seen | None = None
        self.begun = self.looked = time.monotonic()

    def begin(self, part: str) -> None:
        self.part, self.last = part, None
        self.begun = self.looked = time.monotonic()

    def seen(self, seen: Seen) -> None:
        self.last, self.looked = seen, time.monotonic()

    def left(self) -> float | None:
        """Seconds that the part will still take, None where that is not known."""
        if self.last is None or not self.last.share > 0:
            return None
        whole = (self.looked - self.begun) / self.last.share
        return max(0.0, self.begun + whole - time.monotonic())

    def render(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        spent, left = time.monotonic() - self.begun, self.left()
        if self.last is None or left is None:
            return Text(f"{self.part or 'capture'} ... {spent:.0f} s")
        share = max(self.last.share, spent / (spent + left) if spent + left else 0.0)
        full = round(WIDTH * min(share, 1.0))
        bar = Text("━" * full, "green") + Text("━" * (WIDTH - full), "dim")
        return Group(_table(self.last), Text(f"{self.part} ") + bar + Text(f" {100 * share:.0f} %, about {left:.0f} s"))


def _table(seen: Seen) -> Table:
    """The layers so far: half of what moves each lies within this radius of its centre."""
    from rich.table import Table
    from rich.text import Text

    table = Table("layer", box=None, pad_edge=False)
    for column in ("radius_50", "low", "high", "images"):
        table.add_column(column, justify="right")
    keys = list(seen.measures)
    for place in sorted({round(i * (len(keys) - 1) / (ROWS - 1)) for i in range(ROWS)}) if len(keys) > 1 else [0]:
        key, found = keys[place], seen.measures[keys[place]]
        values = ("" if value is None else f"{value:.1f}" for value in (found.value, found.low, found.high))
        more = " ..." if key in seen.open else ""
        table.add_row(Text(one_line(key) or "(model)"), *values, f"{seen.images[key]}{more}")
    return table


@contextmanager
def live_table(part: str = "") -> Iterator[Listener]:
    """Who is to be told: a table on a terminal's standard error, or one that says nothing."""
    if not shows_progress():
        yield Listener()
        return
    from rich.console import Console
    from rich.live import Live

    shown = LiveTable()
    shown.part = part
    console = Console(stderr=True)
    with Live(console=console, transient=True, refresh_per_second=4, get_renderable=shown.render):
        yield shown
