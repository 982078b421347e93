"""Reports: findings by explicit rules, and one self-contained page that shows what they rest on."""

from rftools.reporting.build import report
from rftools.reporting.explore import explore
from rftools.reporting.findings import RULES, Finding, findings
from rftools.reporting.page.notebook import Page
from rftools.reporting.subject.subject import Subject

__all__ = ["RULES", "Finding", "Page", "Subject", "explore", "findings", "report"]
