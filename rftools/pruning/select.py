"""Which weights stay: masks from scores, by what is compared with what, taps a kernel, and the box to keep."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rftools.models.training.masks import kept
from rftools.pruning.field import best_spanning, sides, spanning_counts
from rftools.pruning.request import Request

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Scored:
    """One layer's ``scores`` ``(out, in per group, taps)``, -inf where a weight is zero already, its ``kernel`` and
    the sparsity that is asked of it (None: only taps are).
    """

    scores: Floats
    kernel: tuple[int, ...]
    sparsity: float | None

    @property
    def taps(self) -> int:
        return math.prod(self.kernel)


def left_alone(layer: Scored, request: Request) -> str | None:
    """Why a layer stays as it is, or None."""
    if layer.taps > 1:
        return None
    if request.sparsity is None:
        return "left as it is: one tap a kernel"
    return "left as it is: one tap a kernel, nothing to compare within" if request.compared == "kernel" else None


def select(layers: Mapping[str, Scored], request: Request) -> dict[str, Bools]:
    """Masks shaped like the scores, for all layers that are not left alone."""
    pinned = {name: pinned_taps(layer, request) for name, layer in layers.items()}
    scores = {name: np.where(pinned[name], np.inf, layer.scores) for name, layer in layers.items()}
    if request.taps is not None:
        scores = {name: _capped(score, request.taps) for name, score in scores.items()}
    masks = _by_scope(scores, layers, request)
    if request.keep_field == "kernel":
        masks = {name: _spanning(layers[name], mask) for name, mask in masks.items()}
    return masks


def pinned_taps(layer: Scored, request: Request) -> Bools:
    """The taps that hold a layer's box: on each of its sides the best of all kernels' (none where each kernel's box
    is kept, or no box).
    """
    pinned = np.zeros(layer.scores.shape, dtype=bool)
    if request.keep_field != "layer" or layer.taps == 1:
        return pinned
    for side in sides(layer.kernel).T:
        own = np.where(side, layer.scores, -np.inf)
        if np.isfinite(own.max()):
            pinned.flat[own.argmax()] = True
    return pinned


def _capped(scores: Floats, taps: int) -> Floats:
    """The best ``taps`` of each kernel keep their scores."""
    if scores.shape[-1] <= taps:
        return scores
    return np.where(_top(scores, taps), scores, -np.inf)


def _top(scores: Floats, count: int) -> Bools:
    """The ``count`` largest along the last axis; of equal ones the earlier; never -inf."""
    order = np.argsort(-scores, axis=-1, kind="stable")[..., :count]
    mask = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(mask, order, True, axis=-1)
    return mask & (scores > -np.inf)


def _by_scope(scores: Mapping[str, Floats], layers: Mapping[str, Scored], request: Request) -> dict[str, Bools]:
    if request.sparsity is None:
        return {name: score > -np.inf for name, score in scores.items()}
    if request.compared == "global":
        flat = np.concatenate([score.ravel() for score in scores.values()])
        parts = np.split(_top(flat, _count(flat.size, request.sparsity)), np.cumsum([s.size for s in scores.values()]))
        return {name: part.reshape(score.shape) for (name, score), part in zip(scores.items(), parts, strict=False)}
    rows = {"kernel": lambda s: s, "filter": lambda s: s.reshape(len(s), -1), "layer": lambda s: s.reshape(1, -1)}
    found = {}
    for name, score in scores.items():
        compared = rows[request.compared](score)
        own = layers[name].sparsity
        assert own is not None
        found[name] = _top(compared, _count(compared.shape[-1], own)).reshape(score.shape)
    return found


def _count(size: int, sparsity: float) -> int:
    """`kept`, but sparsity 1 is taken at its word."""
    return 0 if sparsity == 1 else kept(size, sparsity)


def _spanning(layer: Scored, mask: Bools) -> Bools:
    """As many taps as ``mask`` has, in sets that span each kernel's box. A kernel that has no such set left keeps its
    taps.
    """
    if layer.taps == 1:
        return mask
    scores, flat = layer.scores.reshape(-1, layer.taps), mask.reshape(-1, layer.taps)
    strength = np.where(flat, scores, 0.0).sum(axis=1)
    counts = spanning_counts(flat.sum(axis=1), strength)
    chosen = _top_of_each(scores, counts)
    short = (counts > 0) & ~(chosen.astype(int) @ sides(layer.kernel).astype(int) > 0).all(axis=1)
    if short.any():
        best = best_spanning(scores[short], counts[short], layer.kernel)
        chosen[short] = np.where(best.any(axis=1, keepdims=True), best, chosen[short])
    return chosen.reshape(mask.shape)


def _top_of_each(scores: Floats, counts: NDArray[np.int64]) -> Bools:
    rank = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1, kind="stable")
    mask: Bools = (rank < counts[:, None]) & (scores > -np.inf)
    return mask
