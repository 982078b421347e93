"""How maps are taken, whichever images and units they are of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

AGGREGATIONS = ("abs", "power", "positive", "signed")
Progress = Callable[[int], None]


@dataclass(frozen=True)
class MapOptions:
    """``aggregation`` of the input's channels, ``method`` (the gradient, or one of captum's), images in a batch, and
    the seed of random signs and baselines.
    """

    aggregation: str = "abs"
    method: str = "gradient"
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - immutable
    batch_size: int = 16
    seed: int = 0
