"""Tables as lines of text, as wide as there is room: a row is never split, columns leave in a fixed order."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

GAP = "  "  # between columns
NARROW = 16  # characters that a folded first column keeps
SENTENCE = 24  # characters that a column of sentences keeps
#: What names a row: these stay whatever the width.
KEYS = frozenset({"model", "at", "layer", "name", "measure", "filter", "kernel", "input", "tap", "threshold", "unit"})
#: Of these, words, which stand at the left of their column; numbers at its right.
WORDS = frozenset({"model", "at", "layer", "name", "measure", "note", "about"})
#: Sentences, which may take several lines.
SENTENCES = frozenset({"note", "about"})
#: The answer: these leave last, the others before them from the right.
ANSWERS = frozenset(
    {"size", "stride", "holes", "status", "theoretical", "radius_50", "low", "high", "ratio", "difference", "holds"}
    | {"weights", "zeros", "sparsity", "kernels", "oriented", "R", "q", "field", "selective", "kept"}
    | {"global OSI", "orientation", "parameters", "operations", "surviving field", "share left"}
    | {"surviving", "sees object"}
)


def lines(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    title: str | None = None,
    width: int | None = None,
    way_out: str = "--wide",
) -> list[str]:
    """A table as lines of at most ``width`` characters, each row whole; the last says which columns have left, and
    that the ``way_out`` shows them.

    >>> print("\\n".join(lines(["layer", "size", "start"], [["conv1", "7", "-3"], ["conv2", "15", "-7"]], width=12)))
    layer  size
    -----------
    conv1     7
    conv2    15
    left out at
    12 columns:
    start
    (--wide
    shows all)
    """
    grid = Grid.of(columns, rows)
    shown, left_out = grid.fitted(width)
    found = [] if title is None else [title] if width is None else textwrap.wrap(title, width)
    found += grid.drawn(shown, width)
    if left_out:
        names = ", ".join(columns[k] for k in left_out)
        found += textwrap.wrap(f"left out at {width} columns: {names} ({way_out} shows all)", width or 80)
    return found


@dataclass(frozen=True)
class Grid:
    """A table's texts, and how many characters each column takes."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    sizes: Sequence[int]

    @classmethod
    def of(cls, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Grid:
        """A heading may take several lines, one a word; a cell takes one."""
        heads = [max(map(len, name.split()), default=1) for name in columns]
        return cls(columns, rows, [max([head, *(len(row[k]) for row in rows)]) for k, head in enumerate(heads)])

    def fitted(self, width: int | None) -> tuple[list[int], list[int]]:
        """The columns that are shown in ``width``, and those that had to leave; empty ones are neither."""
        shown = [k for k in range(len(self.columns)) if k == 0 or not self.rows or any(row[k] for row in self.rows)]
        going = leaving(self.columns)
        wide = width is not None and self.taken(shown) > width
        left_out = [k for k in shown if wide and k in going and not self.says_something(k)]
        shown = [k for k in shown if k not in left_out]
        for k in going:
            if width is None or self.taken(shown, fold=is_answer(self.columns[k])) <= width:
                break
            if k in shown:
                shown.remove(k)
                left_out.append(k)
        return shown, sorted(left_out)

    def says_something(self, k: int) -> bool:
        """Whether a column holds anything but dashes: those that do not leave first, and together."""
        return not self.rows or any(row[k] not in ("", "-") for row in self.rows)

    def taken(self, shown: Sequence[int], *, fold: bool = False) -> int:
        """The least characters of a line; where the first column may ``fold``, as few as that can be."""
        first = min(self.sizes[0], NARROW) if fold else self.sizes[0]
        return first + sum(len(GAP) + self.least(k) for k in shown[1:])

    def least(self, k: int) -> int:
        """The characters that a column needs: of sentences, which may be folded, less than the longest has."""
        return min(self.sizes[k], SENTENCE) if self.columns[k] in SENTENCES else self.sizes[k]

    def widths(self, shown: Sequence[int], width: int | None) -> list[int]:
        """The characters of each column: room that is left goes to sentences, what is missing is the first one's."""
        if width is None:
            return [self.sizes[k] for k in shown]
        room = width - self.taken(shown)
        found = [max(self.sizes[0] + min(room, 0), 1)]
        for k in shown[1:]:
            more = min(max(room, 0), self.sizes[k] - self.least(k))
            room -= more
            found.append(self.least(k) + more)
        return found

    def drawn(self, shown: Sequence[int], width: int | None) -> list[str]:
        """Heading, rule and rows; the first column and sentences folded as far as ``width`` asks."""
        sizes = self.widths(shown, width)
        left = [k == 0 or self.columns[k] in WORDS for k in shown]
        form = list(zip(sizes, left, strict=True))
        head = _set([textwrap.wrap(self.columns[k], size) for k, size in zip(shown, sizes, strict=True)], form, "end")
        rule = "-" * (sum(sizes) + len(GAP) * (len(sizes) - 1))
        return [*head, rule, *(line for row in self.rows for line in _set(self._cells(row, shown, sizes), form))]

    def _cells(self, row: Sequence[str], shown: Sequence[int], sizes: Sequence[int]) -> list[list[str]]:
        pairs = zip(shown, sizes, strict=True)
        return [
            textwrap.wrap(row[k], n) or [""] if self.columns[k] in SENTENCES else _folded(row[k], n) for k, n in pairs
        ]


def leaving(columns: Sequence[str]) -> list[int]:
    """The columns in the order in which they leave a narrow table: from the right, then the answer, never the keys.

    >>> leaving(["layer", "size", "start", "status", "centre"])
    [4, 2, 3, 1]
    """
    free = [k for k in range(len(columns) - 1, 0, -1) if columns[k] not in KEYS]
    return sorted(free, key=lambda k: is_answer(columns[k]))


def is_answer(column: str) -> bool:
    """Whether a long name is rather folded than this column left out."""
    return column in ANSWERS or " since " in column


def _folded(text: str, size: int) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)] or [""]


def _set(cells: Sequence[Sequence[str]], form: Sequence[tuple[int, bool]], side: str = "start") -> list[str]:
    """One row's lines; ``form``: of each column how wide it is and whether it stands left; short cells at ``side``."""
    high = max(map(len, cells))
    full = [[""] * (high - len(own)) + [*own] if side == "end" else [*own] + [""] * (high - len(own)) for own in cells]
    found = []
    for i in range(high):
        parts = [own[i].ljust(n) if left else own[i].rjust(n) for own, (n, left) in zip(full, form, strict=True)]
        found.append(GAP.join(parts).rstrip())
    return found
