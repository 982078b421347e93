"""A layered drawing's places: every box on the row of its longest path, every long edge in a lane of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Edge = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """``row`` and ``lane`` of each box; for edges that pass rows by, the lane that they keep on the way."""

    rows: tuple[int, ...]
    lanes: tuple[int, ...]
    passing: dict[Edge, int]

    @property
    def wide(self) -> frozenset[int]:
        """The lanes that hold a box somewhere; the others hold lines alone."""
        return frozenset(self.lanes)


def ranks(count: int, edges: Sequence[Edge]) -> list[int]:
    """For each of ``count`` boxes the length of the longest path that leads to it; edges lead onward.

    >>> ranks(4, [(0, 1), (1, 2), (0, 2), (2, 3)])
    [0, 1, 2, 3]
    """
    found = [0] * count
    for first, second in sorted(edges, key=lambda edge: edge[1]):
        found[second] = max(found[second], found[first] + 1)
    return found


def layout(count: int, edges: Sequence[Edge]) -> Layout:
    """Rows by longest path; in each row a box continues the lane of what it reads, and no line crosses a box.

    >>> found = layout(4, [(0, 1), (1, 2), (2, 3), (0, 3)])  # a chain and a line past it
    >>> found.rows, found.lanes, found.passing
    ((0, 1, 2, 3), (0, 0, 0, 0), {(0, 3): 1})
    """
    rows = ranks(count, edges)
    lanes = [0] * count
    passing: dict[Edge, int] = {}
    into: list[list[Edge]] = [[] for _ in range(count)]
    long = [edge for edge in edges if rows[edge[1]] - rows[edge[0]] > 1]
    for edge in edges:
        into[edge[1]].append(edge)
    by_row: list[list[int]] = [[] for _ in range(max(rows, default=0) + 1)]
    for box in range(count):
        by_row[rows[box]].append(box)
    for row, boxes in enumerate(by_row):
        taken = {passing[e] for e in long if e in passing and rows[e[1]] > row}
        for box in boxes:
            wanted = sorted(passing.get(edge, lanes[edge[0]]) for edge in into[box])
            lanes[box] = _free(wanted, taken)
            taken.add(lanes[box])
        for edge in long:
            if rows[edge[0]] == row - 1:
                passing[edge] = _free([lanes[edge[0]]], taken)
                taken.add(passing[edge])
    return Layout(tuple(rows), tuple(lanes), passing)


def _free(wanted: Sequence[int], taken: set[int]) -> int:
    """The first wanted lane that is not taken, else the leftmost free one."""
    for lane in wanted:
        if lane not in taken:
            return lane
    lane = 0
    while lane in taken:
        lane += 1
    return lane
