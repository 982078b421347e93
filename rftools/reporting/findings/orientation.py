"""Kernels that share a direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rftools.plots.scene import short
from rftools.reporting.findings.registry import (
    FINE,
    LONGEST,
    NO_THRESHOLD,
    NOTICE,
    Finding,
    Found,
    Thresholds,
    finding,
    named,
)
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import counted, say

if TYPE_CHECKING:
    from rftools.weights.results import LayerOrientation


@finding("anisotropic", "orientation")
def _anisotropic(subject: Subject, limits: Thresholds) -> Found:
    assert subject.orientation is not None
    if subject.orientation.mass != "survivors":
        yield from _by_weight(subject, limits)
        return
    tested = [row for row in subject.orientation if row.q is not None and is_oriented(row, limits)]
    odd = [row for row in tested if row.q is not None and row.q < limits.false_discovery]
    if odd:
        strongest = max(odd, key=lambda row: row.resultant or 0.0)
        names = tuple(row.name for row in odd)
        words = say(
            "findings.anisotropic",
            count=len(odd),
            all=counted(len(tested), "layer"),
            names=named(names),
            name=short(strongest.name, LONGEST),
            angle=strongest.mean_angle,
            resultant=strongest.resultant,
        )
        part = say("findings.of", part=len(odd), all=len(tested))
        yield Finding("anisotropic", NOTICE, words, part, _q_limit(limits), "orientation", names)
    elif tested:
        lowest = min(row.q for row in tested if row.q is not None)
        words = say("findings.isotropic" if len(tested) > 1 else "findings.isotropic_one", all=len(tested), q=lowest)
        yield Finding("anisotropic", FINE, words, say("findings.q", q=lowest), _q_limit(limits), "orientation")


def _q_limit(limits: Thresholds) -> str:
    return say("findings.q_limit", q=limits.false_discovery)


def is_oriented(row: LayerOrientation, limits: Thresholds) -> bool:
    """Whether enough kernels have a direction to speak of the layer's: two of thousands are no layer's."""
    return row.oriented >= limits.oriented_share * row.kernels


def _by_weight(subject: Subject, limits: Thresholds) -> Found:
    """Of a net that was not pruned: kernels point where their weights are large, which nothing here tests."""
    rows = [row for row in subject.orientation or () if row.resultant is not None and is_oriented(row, limits)]
    rows = [row for row in rows if row.p_rayleigh is not None]  # others' lattices have a direction of their own
    if rows:
        row = max(rows, key=lambda row: row.resultant or 0.0)
        words = say("findings.by_weight", name=short(row.name, LONGEST), angle=row.mean_angle, resultant=row.resultant)
        yield Finding("anisotropic", FINE, words, f"R = {row.resultant:.2f}", NO_THRESHOLD, "orientation", (row.name,))
