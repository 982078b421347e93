"""Theoretical fields: too large, too small, with holes, not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rftools.checks.layers import weighted
from rftools.plots.scene import short
from rftools.reporting.findings.registry import (
    FINE,
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

if TYPE_CHECKING:
    from rftools.trf.layer_field import LayerField


@finding("unproductive", "theoretical")
def _unproductive(subject: Subject, limits: Thresholds) -> Found:
    assert subject.theoretical is not None
    rows = weighted(subject.theoretical)
    bad = tuple(row.name for row in rows if row.productive is False)
    if bad:
        count = counted(len(bad), "convolution")
        words = say("findings.unproductive", count=count, all=len(rows), names=named(bad))
        part = say("findings.of", part=len(bad), all=len(rows))
        yield Finding("unproductive", PROBLEM, words, part, "0", "theoretical", bad)


@finding("clipped", "theoretical")
def _clipped(subject: Subject, limits: Thresholds) -> Found:
    assert subject.theoretical is not None
    sides = (subject.input_size or ())[1:]
    rows = [row for row in weighted(subject.theoretical) if len(row.axes) == len(sides)]
    over = [row for row in rows if any((axis.size or 0) > side for axis, side in zip(row.axes, sides, strict=True))]
    if over:
        first, count = over[0], counted(len(over), "convolution")
        fields = [(axis.size or 0, side) for axis, side in zip(first.axes, sides, strict=True)]
        size, side = max(fields, key=lambda pair: pair[0] / pair[1])
        words = say(
            "findings.clipped", name=short(first.name, LONGEST), size=size, side=side, count=count, all=len(rows)
        )
        figures = (say("findings.px", size=size), say("findings.px", size=side))
        yield Finding("clipped", NOTICE, words, *figures, "theoretical", tuple(row.name for row in over))


@finding("objects", "theoretical")
def _objects(subject: Subject, limits: Thresholds) -> Found:
    assert subject.theoretical is not None
    rows = weighted(subject.theoretical)
    for width, height in limits.objects:
        seeing = [row.name for row in rows if _holds(row, width, height)]
        size = f"{width}x{height}"
        asked = say("findings.px", size=size)
        if seeing:
            words = say("findings.object_fits", size=size, name=short(seeing[0], LONGEST))
            yield Finding("objects", FINE, words, seeing[0], asked, "theoretical", (seeing[0],))
        else:
            words = say("findings.object_too_large", size=size)
            yield Finding("objects", PROBLEM, words, say("findings.none"), asked, "theoretical")


def _holds(row: LayerField, width: int, height: int) -> bool:
    needed = (height, width)[-len(row.axes) :] if len(row.axes) < 3 else (1, height, width)
    return all(axis.global_ or (axis.size or 0) >= side for axis, side in zip(row.axes, needed, strict=True))


@finding("misaligned", "theoretical")
def _misaligned(subject: Subject, limits: Thresholds) -> Found:
    assert subject.theoretical is not None
    bad = tuple(row.name for row in subject.theoretical if not row.aligned)
    if bad:
        count = counted(len(bad), "layer")
        words = say("findings.misaligned", count=count, names=named(bad))
        yield Finding("misaligned", NOTICE, words, count, "0", "theoretical", bad)


@finding("gridding", "theoretical")
def _gridding(subject: Subject, limits: Thresholds) -> Found:
    row = _last_local(subject)
    if row is None:
        return
    worst = max(sum(length for _, length in axis.holes) / (axis.size or 1) for axis in row.axes)
    if worst > 0:
        level = PROBLEM if worst > limits.hole_share else NOTICE
        words = say("findings.gridding", name=short(row.name or say("findings.the_model"), LONGEST), share=100 * worst)
        yield Finding("gridding", level, words, percent(worst), percent(limits.hole_share), "theoretical", (row.name,))


def _local(row: LayerField) -> bool:
    return bool(row.axes) and not any(axis.global_ or axis.size is None for axis in row.axes)


def _last_local(subject: Subject) -> LayerField | None:
    assert subject.theoretical is not None
    rows = [row for row in subject.theoretical if _local(row)]
    return rows[-1] if rows else None


@finding("unknown", "theoretical")
def _unknown(subject: Subject, limits: Thresholds) -> Found:
    assert subject.theoretical is not None
    for status, level in (("unknown", PROBLEM), ("bound", NOTICE)):
        rows = [row for row in subject.theoretical if row.status == status]
        if rows:
            names = tuple(row.name for row in rows)
            cause = say("findings.cause", cause=rows[0].cause) if rows[0].cause else ""
            words = say(f"findings.{status}", count=counted(len(rows), "layer"), names=named(names), cause=cause)
            yield Finding("unknown", level, words, str(len(rows)), "0", "theoretical", names)
