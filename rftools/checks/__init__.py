"""The gate: limits that a net must keep, for continuous integration."""

from rftools.checks.against import against
from rftools.checks.api import CheckResult, check, keep
from rftools.checks.limits import CHECKS, Limit, Outcome, evaluate, needs, parse_limit, read_limits

__all__ = [
    "CHECKS", "CheckResult", "Limit", "Outcome", "against", "check", "evaluate", "keep", "needs", "parse_limit",
    "read_limits",
]  # fmt: skip
