"""A model in a few facts."""

from __future__ import annotations

from collections.abc import Sequence

from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import say


def summary(subject: Subject) -> list[tuple[str, str]]:
    """What the model is, how large, how deep, how sparse, how well trained."""
    facts = [(say("summary.model"), subject.model.name), (say("summary.file"), subject.file)]
    facts.append((say("summary.parameters"), f"{subject.model.parameters:,}"))
    if subject.model.weights is not None:
        facts.append((say("summary.weights"), subject.model.weights))
    if subject.model.fit is not None:
        facts.append((say("summary.fit"), subject.model.fit))
    if subject.input_size is not None:
        facts.append((say("summary.input"), say("summary.input_value", sides=" x ".join(map(str, subject.input_size)))))
    if subject.theoretical is not None:
        local = [a.size for row in subject.theoretical for a in row.axes if a.size is not None]
        facts.append((say("summary.layers"), f"{len(subject.theoretical):,}"))
        if local:
            facts.append((say("summary.largest"), say("findings.px", size=f"{max(local):,}")))
    if subject.sparsity is not None:
        facts.append((say("summary.zeros"), f"{100 * subject.sparsity.total.sparsity:.1f} %"))
    if subject.history:
        accuracy = subject.history[-1].get("val_accuracy")
        facts.append((say("summary.epochs"), f"{len(subject.history)}"))
        if accuracy is not None:
            facts.append((say("summary.accuracy"), f"{100 * accuracy:.1f} %"))
    if subject.metadata.get("data"):
        facts.append((say("summary.data"), str(subject.metadata["data"])))
    if subject.classes:
        shown = ", ".join(subject.classes[:12])
        more = len(subject.classes) - 12
        facts.append((say("summary.classes"), say("findings.more", names=shown, rest=more) if more > 0 else shown))
    if subject.model.sha256:
        facts.append((say("summary.sha256"), subject.model.sha256))
    return facts


def banners(subjects: Sequence[Subject], names: Sequence[str] = ()) -> list[str]:
    """What is to be read before anything else: that weights are random; once for all models of which that is said."""
    found: dict[str, list[str]] = {}
    for place, subject in enumerate(subjects):
        if subject.random:
            words = say("page.random", weights=subject.model.weights or say("page.drawn"))
            found.setdefault(words, []).extend(names[place : place + 1])
    return [
        say("findings.of_a_model", name=", ".join(own), sentence=words) if own else words
        for words, own in found.items()
    ]
