"""Findings: each a small function in one registry. A file here is a family of them; a new one is one file."""

from __future__ import annotations

from rftools.reporting.discovery import discover
from rftools.reporting.findings.registry import RULES, Finding, FindingRule, Thresholds, finding, findings

__all__ = ["RULES", "Finding", "FindingRule", "Thresholds", "families", "finding", "findings"]

#: the order in which pages and docs list them; families that are not named here follow
FIRST = ("fields", "surviving", "effective", "sparsity", "orientation", "training")


def families() -> list[str]:
    """Import the modules beside this one, which registers their rules, and say which they are."""
    return discover(__name__, __path__, FIRST)


families()
