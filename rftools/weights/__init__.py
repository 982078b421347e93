"""What the weights say: sparsity, and the orientation of what survived."""

from rftools.weights.fields import surviving_beside, with_fields
from rftools.weights.jumps import input_jumps
from rftools.weights.orientation import orientation
from rftools.weights.results import LayerOrientation, LayerSparsity, OrientationResult, SparsityResult, SurvivingField
from rftools.weights.source import Weights, collect
from rftools.weights.sparsity import sparsity
from rftools.weights.survey import survey

__all__ = [
    "LayerOrientation", "LayerSparsity", "OrientationResult", "SparsityResult", "SurvivingField",
    "Weights", "collect", "input_jumps", "orientation", "sparsity", "survey", "surviving_beside", "with_fields",
]  # fmt: skip
