"""What the course of training says."""

from __future__ import annotations

from rftools.reporting.findings.registry import NOTICE, PROBLEM, Finding, Found, Thresholds, finding
from rftools.reporting.subject.subject import Subject
from rftools.reporting.texts import say


@finding("overfitting", "history")
def _overfitting(subject: Subject, limits: Thresholds) -> Found:
    last = subject.history[-1]
    train, held_out = last.get("accuracy"), last.get("val_accuracy")
    if train is not None and held_out is not None and train - held_out > limits.accuracy_gap:
        words = say("findings.overfitting", train=100 * train, held_out=100 * held_out)
        gap, limit = train - held_out, limits.accuracy_gap
        figures = say("findings.points", points=100 * gap), say("findings.points", points=100 * limit)
        yield Finding("overfitting", NOTICE, words, *figures, "training")


@finding("guessing", "history")
def _guessing(subject: Subject, limits: Thresholds) -> Found:
    held_out = subject.history[-1].get("val_accuracy")
    classes = len(subject.classes)
    if held_out is not None and classes > 1 and held_out <= 1 / classes:
        words = say("findings.guessing", held_out=100 * held_out, chance=100 / classes)
        share, chance = 100 * held_out, 100 / classes
        figures = say("findings.fine_percent", share=share), say("findings.fine_percent", share=chance)
        yield Finding("guessing", PROBLEM, words, *figures, "training")
