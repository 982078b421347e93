"""Filters and channels that pruning disconnected."""

from __future__ import annotations

from rftools.reporting.findings.registry import NOTICE, PROBLEM, Finding, Found, Thresholds, finding, named
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import counted, plural, say


@finding("dead filters", "sparsity")
def _dead_filters(subject: Subject, limits: Thresholds) -> Found:
    assert subject.sparsity is not None
    rows = [row for row in subject.sparsity if row.dead_filters]
    total = sum(row.dead_filters for row in rows)
    if total:
        names, count = tuple(row.name for row in rows), counted(len(rows), "layer")
        words = say("findings.dead_filters", filters=counted(total, "filter"), count=count, names=named(names))
        yield Finding("dead filters", PROBLEM, words, str(total), "0", "sparsity", names)


@finding("dead inputs", "sparsity")
def _dead_inputs(subject: Subject, limits: Thresholds) -> Found:
    assert subject.sparsity is not None
    rows = [row for row in subject.sparsity if row.dead_inputs]
    total = sum(row.dead_inputs for row in rows)
    if total:
        names, count = tuple(row.name for row in rows), counted(len(rows), "layer")
        channels, are = counted(total, "channel"), plural(total, "is")
        words = say("findings.dead_inputs", channels=channels, count=count, are=are, names=named(names))
        yield Finding("dead inputs", NOTICE, words, str(total), "0", "sparsity", names)
