"""Pruning a trained net: which weights go, by which score, and the file that is left."""

from rftools.pruning.cut import Cut, prune
from rftools.pruning.request import METHODS, Request
from rftools.pruning.result import PrunedLayer, PruneResult
from rftools.pruning.scores import Pictures, pictures_of
from rftools.pruning.write import save_pruned

__all__ = [
    "METHODS", "Cut", "Pictures", "PruneResult", "PrunedLayer", "Request", "pictures_of", "prune", "save_pruned",
]  # fmt: skip
