"""Measures of effective fields: each a small function in one registry, and their intervals."""

from rftools.erf.measures.registry import REGISTRY, Definition, Frame, measure

__all__ = ["REGISTRY", "Definition", "Frame", "measure"]
