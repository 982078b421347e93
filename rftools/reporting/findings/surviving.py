"""What pruning took from fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rftools.plots.scene import short
from rftools.reporting.findings.registry import (
    FINE,
    LONGEST,
    NAMED,
    NOTICE,
    PROBLEM,
    Finding,
    Found,
    Thresholds,
    finding,
    percent,
)
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import counted, say

if TYPE_CHECKING:
    from rftools.trf.layer_field import LayerField


@finding("lost field", "theoretical")
def _lost_field(subject: Subject, limits: Thresholds) -> Found:
    assert subject.theoretical is not None
    rows = [(row.surviving.share, row) for row in subject.theoretical if row.surviving is not None]
    lost = sorted((pair for pair in rows if pair[0] < 1 - limits.lost_share), key=lambda pair: pair[0])
    limit = percent(1 - limits.lost_share)
    if lost:
        kept, more = ", ".join(_what_is_left(row) for _, row in lost[:NAMED]), len(lost) - NAMED
        rest = say("findings.lost_rest", rest=more) if more > 0 else ""
        words = say("findings.lost", count=counted(len(lost), "layer"), all=len(rows), kept=kept, rest=rest)
        level = NOTICE if lost[0][0] > 0 else PROBLEM
        names = tuple(row.name for _, row in lost)
        yield Finding("lost field", level, words, percent(lost[0][0]), limit, "theoretical", names)
    elif rows:
        key = "findings.not_lost" if len(rows) > 1 else "findings.not_lost_one"
        words = say(key, count=counted(len(rows), "layer"), limit=percent(limits.lost_share))
        yield Finding("lost field", FINE, words, percent(min(share for share, _ in rows)), limit, "theoretical")


def _what_is_left(row: LayerField) -> str:
    assert row.surviving is not None
    whole = [0 if axis.clipped is None else axis.clipped[1] - axis.clipped[0] + 1 for axis in row.axes]
    left, before = ("x".join(map(str, sides)) for sides in (row.surviving.sizes, whole))
    spans = say("findings.spans", left=left) if left == before else say("findings.spans_of", left=left, whole=before)
    share = 100 * row.surviving.share
    return say("findings.left", name=short(row.name or say("findings.the_model"), LONGEST), share=share, spans=spans)
