"""The modules that boxes lie in, as folders that open: a module's call each, long rows cut into shorter ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from rftools.reporting.texts import counted, say

if TYPE_CHECKING:
    from rftools.capture.graph import ModuleCall

LONG, SHORT = 24, 12  # entries of a folder before it is cut into folders, and in each of those


@dataclass(frozen=True)
class Folder:
    """A module's call, or neighbours in a long row: ``layer`` is what analyses call its output."""

    layer: str
    label: str
    kind: str
    parent: int | None


@dataclass
class Branch:
    """A folder before it has a number: its entries are boxes, by their index, or further branches."""

    call: ModuleCall | None
    entries: list[int | Branch] = field(default_factory=list)


def folders(
    layers: Sequence[str], chains: Sequence[Sequence[ModuleCall]], known: Collection[str]
) -> tuple[tuple[Folder, ...], tuple[int | None, ...]]:
    """Folders, each after the one it lies in, and for each box the one that holds it.

    ``layers`` are the boxes' outputs, ``chains`` the calls around them, ``known`` the layers that analyses have
    rows of. A folder of one entry is none.
    """
    entries = _tree(list(range(len(layers))), chains, 0)
    found: list[Folder] = []
    homes: list[int | None] = [None] * len(layers)
    _number(_cut(entries), None, layers, known, found, homes)
    return tuple(found), tuple(homes)


def _tree(boxes: Sequence[int], chains: Sequence[Sequence[ModuleCall]], depth: int) -> list[int | Branch]:
    entries: list[int | Branch] = []
    for call, members in groupby(boxes, lambda box: chains[box][depth] if len(chains[box]) > depth else None):
        if call is None:
            entries += members
            continue
        inner = _tree(list(members), chains, depth + 1)
        entries += [Branch(call, inner)] if len(inner) > 1 else inner
    return entries


def _cut(entries: Sequence[int | Branch]) -> list[int | Branch]:
    """The entries, more than `LONG` of them as branches of `SHORT` neighbours."""
    opened = [Branch(e.call, _cut(e.entries)) if isinstance(e, Branch) else e for e in entries]
    if len(opened) <= LONG:
        return opened
    return _cut([Branch(None, opened[i : i + SHORT]) for i in range(0, len(opened), SHORT)])


def _number(
    entries: Sequence[int | Branch],
    parent: int | None,
    layers: Sequence[str],
    known: Collection[str],
    found: list[Folder],
    homes: list[int | None],
) -> None:
    for entry in entries:
        if isinstance(entry, Branch):
            found.append(_folder(entry, parent, layers, known))
            _number(entry.entries, len(found) - 1, layers, known, found, homes)
        else:
            homes[entry] = parent


def _folder(branch: Branch, parent: int | None, layers: Sequence[str], known: Collection[str]) -> Folder:
    first, last = layers[_end(branch, 0)], layers[_end(branch, -1)]
    if branch.call is None:
        words = say("graph.group", first=first or say("graph.input"), last=last)
        return Folder(last, words, counted(len(branch.entries), "box"), parent)
    name = branch.call.name
    return Folder(name if name in known else last, name, branch.call.kind.rpartition(".")[2], parent)


def _end(branch: Branch, which: int) -> int:
    entry = branch.entries[which]
    return _end(entry, which) if isinstance(entry, Branch) else entry
