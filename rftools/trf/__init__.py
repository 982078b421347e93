"""Theoretical receptive fields: what a unit can see, exactly, or said not to be exact."""

from rftools.trf.api import theoretical
from rftools.trf.field import Field
from rftools.trf.input_range import InputRange
from rftools.trf.layer_field import AxisField, LayerField, Phase
from rftools.trf.reach import Change, ReachResult, reach
from rftools.trf.result import TheoreticalResult
from rftools.trf.rows import Walked, explore
from rftools.trf.rules import Call, NoRule, like, rule
from rftools.trf.taps import Taps

__all__ = [
    "AxisField", "Call", "Change", "Field", "InputRange", "LayerField", "NoRule", "Phase", "ReachResult", "Taps",
    "TheoreticalResult", "Walked", "explore", "like", "reach", "rule", "theoretical",
]  # fmt: skip
