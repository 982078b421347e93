"""Sparsity and orientation together, each layer read once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rftools.loading import Model
from rftools.weights.jumps import Jumps
from rftools.weights.masks import masks_of
from rftools.weights.orientation import Directing
from rftools.weights.results import OrientationResult, SparsityResult
from rftools.weights.source import collect
from rftools.weights.sparsity import Counting

if TYPE_CHECKING:
    import torch
    from torch import nn


def survey(
    model: Model | nn.Module | Mapping[str, torch.Tensor] | str | Path,
    *,
    jumps: Jumps | None = None,
    seed: int = 0,
) -> tuple[SparsityResult, OrientationResult | None]:
    """What `sparsity` and `orientation` say of a model, in one go and about half the time.

    The results are the same but for the near-zero curve, which is not about survivors and is left out (``curve`` is
    empty).

    Args:
        model: what has the weights, as for `sparsity`.
        jumps: as for `orientation`.
        seed: as for `orientation`.

    Returns:
        Both results; None for the second where no layer is a convolution.

    Raises:
        RequestError: what `sparsity` raises.

    >>> import torch
    >>> counts, directions = survey(torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3)))
    >>> counts["0"].weights, directions["0"].kernels
    (72, 8)
    """
    weights = collect(model)
    counting, directing = Counting(curve=()), Directing(seed=seed)
    directing.locate(model, jumps)
    counted, directed = [], []
    for layer in weights.layers:
        found = masks_of(layer.weight)
        counted.append(counting.layer(layer, found))
        if layer.kernel:
            directed.append(directing.layer(layer, found))
    return counting.result(weights, counted), directing.result(weights, directed) if directed else None
