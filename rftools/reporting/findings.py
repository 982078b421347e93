"""Findings: sentences that explicit rules make from results. Each rule says what it looks at and its threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rftools.checks.layers import weighted
from rftools.checks.sizes import effective_share
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import counted, plural, say

if TYPE_CHECKING:
    from rftools.trf.result import LayerField

PROBLEM, NOTICE, FINE = "problem", "notice", "fine"
ORDER = (PROBLEM, NOTICE, FINE)
NAMED = 4  # layers named in a sentence before "and n more"


@dataclass(frozen=True)
class Finding:
    """One sentence with its figure, the threshold it crossed, the section that shows it, and the layers it names."""

    rule: str
    level: str
    sentence: str
    figure: str
    threshold: str
    section: str
    layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """The thresholds of the rules."""

    objects: tuple[tuple[int, int], ...] = ()  # (width, height) in pixels that a unit should see whole
    effective_share: float = 0.3  # effective size over theoretical side inside the image
    hole_share: float = 0.1  # of a field's pixels, or of gradient energy
    false_discovery: float = 0.05
    lost_share: float = 0.05  # of a layer's field, in pixels
    accuracy_gap: float = 0.15  # training minus held-out accuracy


Found = Iterator[Finding]


@dataclass(frozen=True)
class Rule:
    """A named rule: which part of a subject it needs, what it asks, and the function that answers."""

    name: str
    part: str
    asks: str
    apply: Callable[[Subject, Limits], Found] = field(repr=False)


RULES: list[Rule] = []


def _rule(name: str, part: str) -> Callable[[Callable[[Subject, Limits], Found]], Callable[[Subject, Limits], Found]]:
    def register(function: Callable[[Subject, Limits], Found]) -> Callable[[Subject, Limits], Found]:
        RULES.append(Rule(name, part, say(f"rules.{name}"), function))
        return function

    return register


def findings(subject: Subject, limits: Limits | None = None) -> list[Finding]:
    """All rules' findings on a subject, problems first; never empty: "nothing found" is a finding too."""
    asked = Limits() if limits is None else limits
    found = [item for rule in RULES if getattr(subject, rule.part) for item in rule.apply(subject, asked)]
    found.sort(key=lambda item: ORDER.index(item.level))
    if not any(item.level != FINE for item in found):
        parts = sorted({rule.part for rule in RULES if getattr(subject, rule.part)})
        words = say("findings.nothing", parts=", ".join(parts) or say("findings.nothing_here"))
        found.insert(0, Finding("nothing", FINE, words, counted(len(RULES), "rule"), "-", "method"))
    return found


def _names(layers: Sequence[str]) -> str:
    shown = ", ".join(name or plural(1, "model") for name in layers[:NAMED])
    more = len(layers) - NAMED
    return say("findings.more", names=shown, rest=more) if more > 0 else shown


def _local(row: LayerField) -> bool:
    return bool(row.axes) and not any(axis.global_ or axis.size is None for axis in row.axes)


def _last_local(subject: Subject) -> LayerField | None:
    assert subject.theoretical is not None
    rows = [row for row in subject.theoretical if _local(row)]
    return rows[-1] if rows else None


@_rule("unproductive", "theoretical")
def _unproductive(subject: Subject, limits: Limits) -> Found:
    assert subject.theoretical is not None
    rows = weighted(subject.theoretical)
    bad = tuple(row.name for row in rows if row.productive is False)
    if bad:
        count = counted(len(bad), "convolution")
        words = say("findings.unproductive", count=count, all=len(rows), names=_names(bad))
        part = say("findings.of", part=len(bad), all=len(rows))
        yield Finding("unproductive", PROBLEM, words, part, "0", "theoretical", bad)


@_rule("clipped", "theoretical")
def _clipped(subject: Subject, limits: Limits) -> Found:
    assert subject.theoretical is not None
    sides = (subject.input_size or ())[1:]
    rows = [row for row in weighted(subject.theoretical) if len(row.axes) == len(sides)]
    over = [row for row in rows if any((axis.size or 0) > side for axis, side in zip(row.axes, sides, strict=True))]
    if over:
        first, count = over[0], counted(len(over), "convolution")
        size, side = max(axis.size or 0 for axis in first.axes), max(sides)
        words = say("findings.clipped", name=first.name, size=size, side=side, count=count, all=len(rows))
        figures = (say("findings.px", size=size), say("findings.px", size=side))
        yield Finding("clipped", NOTICE, words, *figures, "theoretical", tuple(row.name for row in over))


@_rule("objects", "theoretical")
def _objects(subject: Subject, limits: Limits) -> Found:
    assert subject.theoretical is not None
    rows = weighted(subject.theoretical)
    for width, height in limits.objects:
        seeing = [row.name for row in rows if _holds(row, width, height)]
        size = f"{width}x{height}"
        asked = say("findings.px", size=size)
        if seeing:
            words = say("findings.object_fits", size=size, name=seeing[0])
            yield Finding("objects", FINE, words, seeing[0], asked, "theoretical", (seeing[0],))
        else:
            words = say("findings.object_too_large", size=size)
            yield Finding("objects", PROBLEM, words, say("findings.none"), asked, "theoretical")


def _holds(row: LayerField, width: int, height: int) -> bool:
    needed = (height, width)[-len(row.axes) :] if len(row.axes) < 3 else (1, height, width)
    return all(axis.global_ or (axis.size or 0) >= side for axis, side in zip(row.axes, needed, strict=True))


@_rule("misaligned", "theoretical")
def _misaligned(subject: Subject, limits: Limits) -> Found:
    assert subject.theoretical is not None
    bad = tuple(row.name for row in subject.theoretical if not row.aligned)
    if bad:
        count = counted(len(bad), "layer")
        words = say("findings.misaligned", count=count, names=_names(bad))
        yield Finding("misaligned", NOTICE, words, count, "0", "theoretical", bad)


@_rule("gridding", "theoretical")
def _gridding(subject: Subject, limits: Limits) -> Found:
    row = _last_local(subject)
    if row is None:
        return
    worst = max(sum(length for _, length in axis.holes) / (axis.size or 1) for axis in row.axes)
    if worst > 0:
        level = PROBLEM if worst > limits.hole_share else NOTICE
        words = say("findings.gridding", name=row.name or say("findings.the_model"), share=100 * worst)
        yield Finding(
            "gridding", level, words, _percent(worst), _percent(limits.hole_share), "theoretical", (row.name,)
        )


def _percent(share: float) -> str:
    return say("findings.percent", share=100 * share)


@_rule("unknown", "theoretical")
def _unknown(subject: Subject, limits: Limits) -> Found:
    assert subject.theoretical is not None
    for status, level in (("unknown", PROBLEM), ("bound", NOTICE)):
        rows = [row for row in subject.theoretical if row.status == status]
        if rows:
            names = tuple(row.name for row in rows)
            cause = say("findings.cause", cause=rows[0].cause) if rows[0].cause else ""
            words = say(f"findings.{status}", count=counted(len(rows), "layer"), names=_names(names), cause=cause)
            yield Finding("unknown", level, words, str(len(rows)), "0", "theoretical", names)


@_rule("lost field", "theoretical")
def _lost_field(subject: Subject, limits: Limits) -> Found:
    assert subject.theoretical is not None
    rows = [(row.surviving.share, row) for row in subject.theoretical if row.surviving is not None]
    lost = sorted((pair for pair in rows if pair[0] < 1 - limits.lost_share), key=lambda pair: pair[0])
    limit = _percent(1 - limits.lost_share)
    if lost:
        kept, more = ", ".join(_what_is_left(row) for _, row in lost[:NAMED]), len(lost) - NAMED
        rest = say("findings.lost_rest", rest=more) if more > 0 else ""
        words = say("findings.lost", count=counted(len(lost), "layer"), all=len(rows), kept=kept, rest=rest)
        level = NOTICE if lost[0][0] > 0 else PROBLEM
        names = tuple(row.name for _, row in lost)
        yield Finding("lost field", level, words, _percent(lost[0][0]), limit, "theoretical", names)
    elif rows:
        words = say("findings.not_lost", count=counted(len(rows), "layer"))
        yield Finding("lost field", FINE, words, _percent(min(share for share, _ in rows)), limit, "theoretical")


def _what_is_left(row: LayerField) -> str:
    assert row.surviving is not None
    whole = [0 if axis.clipped is None else axis.clipped[1] - axis.clipped[0] + 1 for axis in row.axes]
    left, before = ("x".join(map(str, sides)) for sides in (row.surviving.sizes, whole))
    spans = say("findings.spans", left=left) if left == before else say("findings.spans_of", left=left, whole=before)
    share = 100 * row.surviving.share
    return say("findings.left", name=row.name or say("findings.the_model"), share=share, spans=spans)


@_rule("small effective field", "effective")
def _small_effective(subject: Subject, limits: Limits) -> Found:
    assert subject.effective is not None
    rows = [(row, known) for row in subject.effective if (known := effective_share(row)) is not None]
    if not rows:
        return
    row, (share, low, high) = rows[-1]
    known_spread = low is not None and high is not None
    spread = say("findings.spread", low=100 * (low or 0), high=100 * (high or 0)) if known_spread else ""
    if share < limits.effective_share:
        name = row.name or say("findings.The_model")
        words = say("findings.small_effective", name=name, share=100 * share, spread=spread)
        figures = (_percent(share), _percent(limits.effective_share))
        yield Finding("small effective field", NOTICE, words, *figures, "effective", (row.name,))


@_rule("partial", "effective")
def _partial(subject: Subject, limits: Limits) -> Found:
    assert subject.effective is not None
    if subject.effective.partial:
        count = counted(len(subject.effective), "layer")
        words = say("findings.partial", count=count)
        yield Finding("partial", NOTICE, words, count, say("findings.whole"), "effective")


@_rule("dead units", "effective")
def _dead_units(subject: Subject, limits: Limits) -> Found:
    assert subject.effective is not None
    seen = [row for row in subject.effective if row.images and row.map.size]
    dead = tuple(row.name for row in seen if not row.map.any())
    if dead:
        words = say("findings.dead_units", count=counted(len(dead), "layer"), names=_names(dead))
        yield Finding("dead units", PROBLEM, words, str(len(dead)), "0", "effective", dead)


@_rule("dead filters", "sparsity")
def _dead_filters(subject: Subject, limits: Limits) -> Found:
    assert subject.sparsity is not None
    rows = [row for row in subject.sparsity if row.dead_filters]
    total = sum(row.dead_filters for row in rows)
    if total:
        names, count = tuple(row.name for row in rows), counted(len(rows), "layer")
        words = say("findings.dead_filters", filters=counted(total, "filter"), count=count, names=_names(names))
        yield Finding("dead filters", PROBLEM, words, str(total), "0", "sparsity", names)


@_rule("dead inputs", "sparsity")
def _dead_inputs(subject: Subject, limits: Limits) -> Found:
    assert subject.sparsity is not None
    rows = [row for row in subject.sparsity if row.dead_inputs]
    total = sum(row.dead_inputs for row in rows)
    if total:
        names, count = tuple(row.name for row in rows), counted(len(rows), "layer")
        channels, are = counted(total, "channel"), plural(total, "is")
        words = say("findings.dead_inputs", channels=channels, count=count, are=are, names=_names(names))
        yield Finding("dead inputs", NOTICE, words, str(total), "0", "sparsity", names)


@_rule("anisotropic", "orientation")
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
            names=_names(names),
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


@_rule("overfitting", "history")
def _overfitting(subject: Subject, limits: Limits) -> Found:
    last = subject.history[-1]
    train, held_out = last.get("accuracy"), last.get("val_accuracy")
    if train is not None and held_out is not None and train - held_out > limits.accuracy_gap:
        words = say("findings.overfitting", train=100 * train, held_out=100 * held_out)
        gap, limit = train - held_out, limits.accuracy_gap
        figures = say("findings.points", points=100 * gap), say("findings.points", points=100 * limit)
        yield Finding("overfitting", NOTICE, words, *figures, "training")


@_rule("guessing", "history")
def _guessing(subject: Subject, limits: Limits) -> Found:
    held_out = subject.history[-1].get("val_accuracy")
    classes = len(subject.classes)
    if held_out is not None and classes > 1 and held_out <= 1 / classes:
        words = say("findings.guessing", held_out=100 * held_out, chance=100 / classes)
        share, chance = 100 * held_out, 100 / classes
        figures = say("findings.fine_percent", share=share), say("findings.fine_percent", share=chance)
        yield Finding("guessing", PROBLEM, words, *figures, "training")
