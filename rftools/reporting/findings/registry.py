"""What a finding is: a sentence that an explicit rule makes from results, with what it looks at and its threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from rftools.errors import RequestError
from rftools.plots.scene import short
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import counted, plural, say, text_or

PROBLEM, NOTICE, FINE = "problem", "notice", "fine"
ORDER = (PROBLEM, NOTICE, FINE)
NO_THRESHOLD = "-"
BY_WEIGHTS = ("effective", "orientation")  # parts that say nothing of a trained net where weights are random
LONGEST = 60  # letters of a layer's name in a sentence
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
class Thresholds:
    """The thresholds of the rules."""

    objects: tuple[tuple[int, int], ...] = ()  # (width, height) in pixels that a unit should see whole
    effective_share: float = 0.3  # effective size over theoretical side inside the image
    hole_share: float = 0.1  # of a field's pixels, or of gradient energy
    false_discovery: float = 0.05
    oriented_share: float = 0.05  # of a layer's kernels that have a direction, below which no direction is spoken of
    lost_share: float = 0.05  # of a layer's field, in pixels
    accuracy_gap: float = 0.15  # training minus held-out accuracy


Found = Iterator[Finding]
Apply = Callable[[Subject, Thresholds], Found]


@dataclass(frozen=True)
class FindingRule:
    """A named rule: which part of a subject it needs, what it asks, and the function that answers."""

    name: str
    part: str
    asks: str
    apply: Apply = field(repr=False)


RULES: list[FindingRule] = []


def finding(name: str, part: str, asks: str = "") -> Callable[[Apply], Apply]:
    """Register the function that follows as a rule about a subject's ``part``.

    ``asks`` says on the page and in the docs what it looks at; without it the texts have it under the rule's name.

    Raises:
        RequestError: there is a rule of that name.
    """

    def register(function: Apply) -> Apply:
        if any(rule.name == name for rule in RULES):
            raise RequestError(f"there is a finding {name!r} already")
        RULES.append(FindingRule(name, part, asks or text_or("rules", name), function))
        return function

    return register


def findings(subject: Subject, limits: Thresholds | None = None) -> list[Finding]:
    """All rules' findings on a subject, problems first; never empty: "nothing found" is a finding too."""
    asked = Thresholds() if limits is None else limits
    applying = [rule for rule in RULES if subject.part(rule.part)]
    found = [_as_measured(item, rule, subject) for rule in applying for item in rule.apply(subject, asked)]
    found.sort(key=lambda item: ORDER.index(item.level))
    if not any(item.level != FINE for item in found):
        parts = list(dict.fromkeys(rule.part for rule in applying))
        rules = counted(len(RULES), "rule")
        named = ", ".join(_heading(part) for part in parts) or say("findings.nothing_here")
        words = say("findings.nothing", rules=rules, parts=named)
        found.insert(0, Finding("nothing", FINE, words, rules, NO_THRESHOLD, "method"))
    return found


def _heading(part: str) -> str:
    """A section's heading within a sentence."""
    heading = text_or("sections", part, part)
    return heading[:1].lower() + heading[1:]


def _as_measured(item: Finding, rule: FindingRule, subject: Subject) -> Finding:
    """A finding that rests on random weights says so: it is no fact about a net that was trained."""
    if rule.part not in BY_WEIGHTS or not subject.random:
        return item
    return replace(item, sentence=say("findings.random", sentence=item.sentence))


def named(layers: Sequence[str]) -> str:
    """The first layers' names, and how many more there are."""
    shown = ", ".join(short(name or plural(1, "model"), LONGEST) for name in layers[:NAMED])
    more = len(layers) - NAMED
    return say("findings.more", names=shown, rest=more) if more > 0 else shown


def percent(share: float) -> str:
    """A share as a whole number of per cent."""
    return say("findings.percent", share=100 * share)
