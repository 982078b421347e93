"""How a net is trained: the study's recipe, and what can be changed of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from rftools.errors import RequestError
from rftools.models.training.schedules import Pruning

MOST_STEPS = 1000  # the study's epoch
#: Courses by one word. ``article``: as the study's article trained; shifts and flips are on wherever data allow them.
RECIPES: dict[str, dict[str, Any]] = {
    "article": {"epochs": 80, "batch_size": 32, "lr": 1e-3, "decay": 1e-5, "steps_per_epoch": MOST_STEPS}
}


@dataclass(frozen=True)
class Options:
    """How to train. The defaults are the study's: Adam 1e-3 with decay 1e-5, batches of 32, at most 1,000 steps an
    epoch, 80 epochs, shifts of 10 % and flips. ``l2`` times the sum of the kernels' squares is added to the loss.
    """

    epochs: int = 80
    batch_size: int = 32
    lr: float = 1e-3
    decay: float = 1e-5
    l2: float = 0.0
    seed: int = 0
    steps_per_epoch: int | None = None
    device: str = "auto"
    amp: bool = False
    channels_last: bool = True
    compile: bool = False
    pruning: Pruning | None = None

    def check(self) -> None:
        """Raise `RequestError` for a value that can't be."""
        for name in ("epochs", "batch_size", "steps_per_epoch"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RequestError(f"--{name.replace('_', '-')} is {value}; it takes a whole number from 1")
        if not (self.lr > 0 and math.isfinite(self.lr)):
            raise RequestError(f"--lr is {self.lr}; it takes a positive number, such as 0.001")
        if not 0 <= self.seed < 2**32:
            raise RequestError(f"--seed is {self.seed}; it takes a whole number from 0 to {2**32 - 1}")
        if self.pruning is not None:
            self.pruning.check()

    def recorded(self) -> dict[str, Any]:
        """What decides the course of a run, whatever its length and device."""
        own = {name: value for name, value in vars(self).items() if name not in {"epochs", "device", "pruning"}}
        return own | ({"prune": None} if self.pruning is None else self.pruning.recorded())

    def steps_an_epoch(self, pictures: int) -> int:
        """One pass over the data, at most the study's 1,000, where nothing else is asked."""
        return self.steps_per_epoch or min(math.ceil(pictures / self.batch_size), MOST_STEPS)
