"""Effective fields: small, interrupted, without gradient."""

from __future__ import annotations

from rftools.checks.sizes import effective_share
from rftools.plots.scene import short
from rftools.reporting.findings.registry import (
    LONGEST,
    NOTICE,
    PROBLEM,
    Finding,
    Found,
    Thresholds,
    finding,
    named,
    percent,
)
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import counted, say


@finding("small effective field", "effective")
def _small_effective(subject: Subject, limits: Thresholds) -> Found:
    assert subject.effective is not None
    rows = [(row, known) for row in subject.effective if (known := effective_share(row)) is not None]
    if not rows:
        return
    row, (share, low, high) = rows[-1]
    known_spread = low is not None and high is not None
    spread = say("findings.spread", low=100 * (low or 0), high=100 * (high or 0)) if known_spread else ""
    if share < limits.effective_share:
        name = row.name or say("findings.The_model")
        words = say("findings.small_effective", name=short(name, LONGEST), share=100 * share, spread=spread)
        figures = (percent(share), percent(limits.effective_share))
        yield Finding("small effective field", NOTICE, words, *figures, "effective", (row.name,))


@finding("partial", "effective")
def _partial(subject: Subject, limits: Thresholds) -> Found:
    assert subject.effective is not None
    if subject.effective.partial:
        count = counted(len(subject.effective), "layer")
        words = say("findings.partial", count=count)
        yield Finding("partial", NOTICE, words, count, say("findings.whole"), "effective")


@finding("dead units", "effective")
def _dead_units(subject: Subject, limits: Thresholds) -> Found:
    assert subject.effective is not None
    seen = [row for row in subject.effective if row.images and row.map.size]
    dead = tuple(row.name for row in seen if not row.map.any())
    if dead:
        words = say("findings.dead_units", count=counted(len(dead), "layer"), names=named(dead))
        yield Finding("dead units", PROBLEM, words, str(len(dead)), "0", "effective", dead)
