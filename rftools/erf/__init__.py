"""Effective receptive fields: what a unit does see, from gradients."""

from rftools.erf.analysis import effective
from rftools.erf.measures import Frame, measure
from rftools.erf.orientation import effective_orientation
from rftools.erf.result import EffectiveLayer, EffectiveResult, Measure

__all__ = ["EffectiveLayer", "EffectiveResult", "Frame", "Measure", "effective", "effective_orientation", "measure"]
