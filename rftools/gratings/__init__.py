"""Orientation tuning: how units answer to gratings, as a visual cortex is asked."""

from rftools.gratings.analysis import tuning
from rftools.gratings.fourier import fourier_amplitude
from rftools.gratings.result import Estimate, FilterTuning, LayerTuning, TuningResult

__all__ = ["Estimate", "FilterTuning", "LayerTuning", "TuningResult", "fourier_amplitude", "tuning"]
