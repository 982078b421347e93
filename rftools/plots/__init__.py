"""Drawings of results: one interface, two libraries. Plots know results; they know neither models nor commands."""

from rftools.plots.api import describe, plot
from rftools.plots.kinds import kind, kinds
from rftools.plots.saving import check_format, save, svg

__all__ = ["check_format", "describe", "kind", "kinds", "plot", "save", "svg"]
