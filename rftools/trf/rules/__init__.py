"""The rules, by kind of operator; importing this package fills the registry."""

from rftools.trf.rules import indexing, mixing, movement, padding, windows
from rftools.trf.rules.registry import RULES, Answer, Call, NoRule, Rule, find_rule, make_call, rule

__all__ = [
    "RULES", "Answer", "Call", "NoRule", "Rule", "find_rule", "indexing", "make_call", "mixing", "movement", "padding",
    "rule", "windows",
]  # fmt: skip
