"""The gate: limits that a net must keep, for continuous integration."""

from rftools.checks.against import against
from rftools.checks.api import CheckResult, check, keep
from rftools.checks.limits import CHECKS, Limit, Outcome, evaluate, for_layers, needs, parse_limit, read_limits

__all__ = [
    "CHECKS", "CheckResult", "Limit", "Outcome", "against", "check", "evaluate", "for_layers", "keep", "needs",
    "parse_limit", "read_limits",
]  # fmt: skip
