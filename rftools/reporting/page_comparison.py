"""The page that compares models: the same template, filled from aligned layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from rftools.reporting.compare import QUANTITIES, Aligned, align, columns, figure, labels, records
from rftools.reporting.findings import FINE, ORDER, Finding, Limits, findings
from rftools.reporting.page import SECTIONS, Provenance, cells, effective_method, made, summary, thresholds
from rftools.reporting.subject import Subject

DIFFERENCES = (
    "second minus first; of effective sizes by paired resampling where both were measured on the same images, else as "
    "of independent measurements: the half-widths of two 95 % intervals add as squares"
)


def comparison(subjects: Sequence[Subject], limits: Limits, provenance: Provenance) -> dict[str, Any]:
    """Findings of each model, their facts side by side, and every quantity over aligned layers."""
    names = labels(subjects)
    aligned = {quantity.part: align(quantity, subjects) for quantity in QUANTITIES}
    sides = [max(s.input_size[1:]) for s in subjects if s.input_size is not None and len(s.input_size) > 1]
    image = float(sides[0]) if len(set(sides)) == 1 else None
    return {
        "kind": "Receptive field comparison",
        "heading": " / ".join(names),
        "findings": _findings(subjects, names, limits),
        "summary": [],
        "models": _models(subjects, names),
        "sections": [_section(part, heading, aligned[part], names) for part, heading in SECTIONS.items()],
        "figures": {part: [figure(found, names, image)] for part, found in aligned.items() if found is not None},
        "frames": [],
        "graph": None,
        "no_graph": None,
        "explorer": None,
        "method": _method(subjects, names, limits, provenance),
    }


def _findings(subjects: Sequence[Subject], names: Sequence[str], limits: Limits) -> list[Finding]:
    """Each model's findings under its name; what is fine is left to the models' own reports."""
    found = []
    for subject, name in zip(subjects, names, strict=True):
        own = findings(subject, limits)
        shown = [item for item in own if item.level != FINE] or own[:1]
        found += [dataclasses.replace(item, sentence=f"{name}: {item.sentence}") for item in shown]
    return sorted(found, key=lambda item: ORDER.index(item.level))


def _models(subjects: Sequence[Subject], names: Sequence[str]) -> Any:
    facts = [dict(summary(subject)) for subject in subjects]
    keys = list(dict.fromkeys(key for each in facts for key in each))
    rows = [(key, *(each.get(key) for each in facts)) for key in keys]
    return cells(("fact", *names), rows, "models-table", "The models side by side")


def _section(part: str, heading: str, found: Aligned | None, names: Sequence[str]) -> dict[str, Any]:
    anchor = "training" if part == "history" else part
    lead, sheet = "", None
    if found is not None:
        lead = (
            f"{found.quantity.title}; layers are aligned by {found.by}."
            if part != "history"
            else found.quantity.title + "."
        )
        sheet = cells(columns(found, names), records(found), f"{anchor}-table", found.quantity.title)
    return {
        "part": part,
        "anchor": anchor,
        "heading": heading,
        "lead": lead,
        "table": sheet,
        "missing": None if found is not None else "Fewer than two of these models have this result.",
        "remedy": "" if found is not None else "A report of one model alone says why it is missing.",
        "empty": None,
        "notes": [],
    }


def _method(
    subjects: Sequence[Subject], names: Sequence[str], limits: Limits, provenance: Provenance
) -> list[tuple[str, str]]:
    facts = made(provenance)
    for subject, name in zip(subjects, names, strict=True):
        if subject.effective is not None:
            facts += [(f"{name}: {what}", how) for what, how in effective_method(subject)]
    return [*facts, ("Differences", DIFFERENCES), ("Thresholds", thresholds(limits))]
