"""What the weights say: sparsity, and the orientation of what survived."""

from rftools.weights.counts import sparsity
from rftools.weights.directions import orientation
from rftools.weights.results import LayerOrientation, LayerSparsity, OrientationResult, SparsityResult
from rftools.weights.source import Weights, collect
from rftools.weights.survey import survey

__all__ = [
    "LayerOrientation", "LayerSparsity", "OrientationResult", "SparsityResult", "Weights", "collect", "orientation",
    "sparsity", "survey",
]  # fmt: skip
