"""What `rftools.sparsity` and `rftools.orientation` return."""

from rftools.weights.results.orientation import (
    Examples,
    FilterOrientation,
    Histogram,
    LayerOrientation,
    OrientationResult,
    Pooled,
)
from rftools.weights.results.sparsity import (
    LayerSparsity,
    NearZero,
    Shapes,
    SparsityResult,
    SurvivingField,
    Total,
)

__all__ = [
    "Examples", "FilterOrientation", "Histogram", "LayerOrientation", "LayerSparsity", "NearZero", "OrientationResult",
    "Pooled", "Shapes", "SparsityResult", "SurvivingField", "Total",
]  # fmt: skip
