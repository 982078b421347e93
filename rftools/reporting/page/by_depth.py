"""Nets of different structure beside each other: not layers of one name, but those at the same share of their depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import say

PARTS = ("theoretical", "effective", "sparsity", "orientation")


def by_depth(
    subjects: Sequence[Subject], layers: Sequence[Sequence[str]], most: int
) -> tuple[list[Subject], dict[str, tuple[str, ...]]]:
    """The subjects with their rows under the share of depth at which they lie, and which layer of each that is.

    ``layers`` are those of each model that have something to show, from its first to its last; the model with most of
    them, or ``most``, says how many steps there are. From others the nearest is taken.
    """
    count = min(most, max(map(len, layers)))
    found = {}
    for step in range(count):
        share = step / max(1, count - 1)
        own = tuple(names[round(share * (len(names) - 1))] for names in layers)
        found[say("beside.depth", share=100 * share)] = own
    return [
        _renamed(subject, {label: own[i] for label, own in found.items()}) for i, subject in enumerate(subjects)
    ], found


def _renamed(subject: Subject, names: dict[str, str]) -> Subject:
    changed = {}
    for part in PARTS:
        result = subject.part(part)
        if result is None:
            continue
        rows = {row.name: row for row in result}
        kept = tuple(replace(rows[own], name=label) for label, own in names.items() if own in rows)
        changed[part] = replace(result, layers=kept)
    return replace(subject, **changed)
