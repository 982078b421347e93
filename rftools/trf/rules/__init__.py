"""The rules, by kind of operator; importing this package fills the registry."""

from rftools.trf.rules import algebra, cells, indexing, lookups, mixing, movement, padding, sampling, windows
from rftools.trf.rules.decomposition import find_rule
from rftools.trf.rules.registry import RULES, Answer, Call, NoRule, Rule, make_call, rule

__all__ = [
    "RULES", "Answer", "Call", "NoRule", "Rule", "algebra", "cells", "find_rule", "indexing", "lookups", "make_call",
    "mixing", "movement", "padding", "rule", "sampling", "windows",
]  # fmt: skip
