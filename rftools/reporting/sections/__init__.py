"""The sections of a report, each whole in one file: a new one is a new file here."""

from __future__ import annotations

from rftools.reporting.discovery import discover
from rftools.reporting.sections.registry import (
    SECTIONS,
    Analyses,
    Quantity,
    Section,
    Value,
    courses,
    parts,
    quantities,
    register,
)

__all__ = [
    "SECTIONS",
    "Analyses",
    "Quantity",
    "Section",
    "Value",
    "courses",
    "load",
    "parts",
    "quantities",
    "register",
]

#: the order on the page; sections that are not named here follow
FIRST = ("theoretical", "effective", "units", "sparsity", "orientation", "directions", "tuning", "training")


def load() -> list[str]:
    """Import the modules beside this one, which registers their sections, and say which they are."""
    return discover(__name__, __path__, FIRST)


load()
