"""Kernels that share a direction."""

from __future__ import annotations

from rftools.reporting.findings.registry import FINE, NOTICE, Finding, Found, Limits, finding, named
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import counted, plural, say


@finding("anisotropic", "orientation")
def _anisotropic(subject: Subject, limits: Limits) -> Found:
    assert subject.orientation is not None
    tested = [row for row in subject.orientation if row.q is not None]
    odd = [row for row in tested if row.q is not None and row.q < limits.false_discovery]
    if odd:
        strongest = max(odd, key=lambda row: row.resultant or 0.0)
        names = tuple(row.name for row in odd)
        words = say(
            "findings.anisotropic",
            count=counted(len(odd), "layer"),
            all=len(tested),
            are=plural(len(odd), "is"),
            names=named(names),
            name=strongest.name,
            angle=strongest.mean_angle,
            resultant=strongest.resultant,
        )
        part = say("findings.of", part=len(odd), all=len(tested))
        yield Finding("anisotropic", NOTICE, words, part, _q_limit(limits), "orientation", names)
    elif tested:
        lowest = min(row.q for row in tested if row.q is not None)
        words = say("findings.isotropic", all=len(tested), q=lowest)
        yield Finding("anisotropic", FINE, words, say("findings.q", q=lowest), _q_limit(limits), "orientation")


def _q_limit(limits: Limits) -> str:
    return say("findings.q_limit", q=limits.false_discovery)
