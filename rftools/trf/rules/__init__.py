"""The rules, a file a kind of operator; importing this package reads all of them, and so fills the registry."""

import importlib
import pkgutil

from rftools.trf.rules.decomposition import find_rule
from rftools.trf.rules.registry import RULES, Answer, Call, NoRule, Rule, like, make_call, rule

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["RULES", "Answer", "Call", "NoRule", "Rule", "find_rule", "like", "make_call", "rule"]
