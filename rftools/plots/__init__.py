"""Drawings of results: one interface, two libraries. Plots know results; they know neither models nor commands."""

from rftools.plots.api import KINDS, check_format, describe, plot, save, svg

__all__ = ["KINDS", "check_format", "describe", "plot", "save", "svg"]
