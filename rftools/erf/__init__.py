"""Effective receptive fields: what a unit does see, from gradients."""

from rftools.erf.api import effective
from rftools.erf.comparison import EffectiveComparison, compare
from rftools.erf.ellipses import effective_orientation
from rftools.erf.measures import Frame, measure
from rftools.erf.result import EffectiveLayer, EffectiveResult, Measure

__all__ = [
    "EffectiveComparison",
    "EffectiveLayer",
    "EffectiveResult",
    "Frame",
    "Measure",
    "compare",
    "effective",
    "effective_orientation",
    "measure",
]
