"""The page that compares models: the same template, filled from aligned layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from rftools.reporting.findings import Finding, Thresholds, findings
from rftools.reporting.findings.registry import FINE, ORDER
from rftools.reporting.page.alignment import Aligned, align, columns, figure, labels, records, same
from rftools.reporting.page.beside import beside, compared
from rftools.reporting.page.facts import banners, summary
from rftools.reporting.page.method import Provenance, effective_method, made, thresholds
from rftools.reporting.page.tables import PageTable, cells
from rftools.reporting.sections import SECTIONS, Section, quantities
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import say, spoken_as_given


@spoken_as_given
def comparison(subjects: Sequence[Subject], limits: Thresholds, provenance: Provenance) -> dict[str, Any]:
    """Findings of each model, their facts side by side, and every quantity over aligned layers."""
    names = labels(subjects)
    sides = [max(s.input_size[1:]) for s in subjects if s.input_size is not None and len(s.input_size) > 1]
    image = float(sides[0]) if len(set(sides)) == 1 else None
    sizes = align(next(quantity for quantity in quantities() if quantity.key == "effective-size"), subjects)
    return {
        "alone": False,
        "kind": say("page.kind_compared"),
        "heading": " / ".join(names),
        "sequence": all(subject.sequence for subject in subjects),
        "findings": _findings(subjects, names, limits),
        "opening": {"sentence": compared(subjects, names, sizes), "stage": None},
        "beside": beside(subjects, names, sizes),
        "banners": banners(subjects, names),
        "summary": [],
        "models": _models(subjects, names),
        "sections": [_section(each, subjects, names, image) for each in SECTIONS if each.quantities],
        "graph": None,
        "no_graph": None,
        "explorer": None,
        "method": _method(subjects, names, limits, provenance),
    }


def _findings(subjects: Sequence[Subject], names: Sequence[str], limits: Thresholds) -> list[Finding]:
    """Each model's findings under its name; what is fine is left to the models' own reports."""
    found = []
    for subject, name in zip(subjects, names, strict=True):
        own = findings(subject, limits)
        shown = [item for item in own if item.level != FINE] or own[:1]
        found += [
            dataclasses.replace(item, sentence=say("findings.of_a_model", name=name, sentence=item.sentence))
            for item in shown
        ]
    return sorted(found, key=lambda item: ORDER.index(item.level))


def _models(subjects: Sequence[Subject], names: Sequence[str]) -> Any:
    facts = [dict(summary(subject)) for subject in subjects]
    keys = list(dict.fromkeys(key for each in facts for key in each))
    rows = [(key, *(each.get(key) for each in facts)) for key in keys]
    return cells((say("summary.fact"), *names), rows, "models-table", say("comparison.caption"))


def _section(
    section: Section, subjects: Sequence[Subject], names: Sequence[str], image: float | None
) -> dict[str, Any]:
    found = [one for quantity in section.quantities if (one := align(quantity, subjects)) is not None]
    return {
        "anchor": section.place,
        "heading": section.say("heading"),
        "lead": " ".join(_lead(one) for one in found),
        "tables": _tables(section, found, names),
        "figures": [figure(one, names, image) for one in found if not same(one)],
        "frames": [],
        "missing": None if found else say("missing.compared"),
        "remedy": "" if found else say("remedies.compared"),
        "empty": None,
        "notes": [
            say("findings.of_a_model", name=name, sentence=subject.missing[note])
            for note in section.notes
            for subject, name in zip(subjects, names, strict=True)
            if note in subject.missing
        ],
    }


def _lead(one: Aligned) -> str:
    if words := same(one):
        return words
    key = "comparison.lead_epochs" if one.quantity.step == "epoch" else "comparison.lead"
    return say(key, title=one.quantity.title, by=one.by)


def _tables(section: Section, found: Sequence[Aligned], names: Sequence[str]) -> list[PageTable]:
    keys = [f"{section.place}-table", *(f"{one.quantity.key}-table" for one in found[1:])]
    return [
        cells(columns(one, names), records(one), key, one.quantity.title) for key, one in zip(keys, found, strict=False)
    ]


def _method(
    subjects: Sequence[Subject], names: Sequence[str], limits: Thresholds, provenance: Provenance
) -> list[tuple[str, str]]:
    facts = made(provenance)
    for subject, name in zip(subjects, names, strict=True):
        if subject.effective is not None:
            facts += [(say("method.of_a_model", name=name, what=what), how) for what, how in effective_method(subject)]
    return [
        *facts,
        (say("method.differences"), say("method.differences_value")),
        (say("method.thresholds"), thresholds(limits)),
    ]
