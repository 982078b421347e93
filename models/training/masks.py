"""The masks of a training: which weights are kept at each step.

Masks by magnitude are drawn anew every few steps from the weights as they stand, so that a pruned weight, whose
gradient is still worked out, can come back until they are frozen (the definition of tensorflow-model-optimization).
Others are in `rftools.models.training.regrowth`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from rftools.models.training.regrowth import exchanged, kept_at_random, share_at
from rftools.models.training.schedules import GROWING, Schedule


def kept(count: int, sparsity: float) -> int:
    """How many of ``count`` weights a sparsity leaves: ``max(round(count (1 - sparsity)), 1)``, halves to even.

    >>> kept(9, 0.5), kept(15, 0.9), kept(4, 1.0)
    (4, 2, 1)
    """
    return max(round(round(count * (1 - sparsity), 6)), 1)  # 15 * (1 - 0.9) is a hair below 1.5


def largest(scores: torch.Tensor, keep: int) -> torch.Tensor:
    """The mask of the ``keep`` largest scores, shaped like them; of equal ones the earlier.

    >>> largest(torch.tensor([[1.0, 3.0], [3.0, 2.0]]), 2).tolist()
    [[False, True], [True, False]]
    """
    order = scores.flatten().argsort(descending=True, stable=True)
    mask = torch.zeros(scores.numel(), dtype=torch.bool, device=scores.device)
    mask[order[:keep]] = True
    return mask.reshape(scores.shape)


@dataclass
class Pruner:
    """The masks of a net's weights, by layer; weights and masks are on one device. No mask before the first is due."""

    weights: Mapping[str, nn.Parameter]
    schedules: Mapping[str, Schedule]
    scope: str = "layer"
    masks: dict[str, torch.Tensor] = field(default_factory=dict)
    seed: int = 0
    movement: dict[str, torch.Tensor] = field(default_factory=dict)  # how far each weight was moved away from zero
    held: dict[str, torch.Tensor] = field(default_factory=dict)  # what stood where a mask that may open is zero

    def before_step(self, step: int) -> None:
        """Renew the masks if they are due, and set to zero what they prune."""
        self._follow(step)
        if any(schedule.due(step) for schedule in self.schedules.values()):
            self.renew(step)
        self.apply()

    @torch.no_grad()
    def renew(self, step: int) -> None:
        """Masks from the weights as they stand, those that are pruned now included."""
        sizes = {name: weight.detach().abs() for name, weight in self.weights.items()}
        if self.scope == "global":
            chosen = _global_masks(sizes, next(iter(self.schedules.values())).at(step))
        else:
            chosen = {name: self._mask(name, size, step) for name, size in sizes.items()}
        self.masks = {name: mask.to(self.weights[name].dtype) for name, mask in chosen.items()}

    def _mask(self, name: str, size: torch.Tensor, step: int) -> torch.Tensor:
        """A layer's mask by its schedule's method, from the sizes of its weights."""
        schedule = self.schedules[name]
        keep = kept(size.numel(), schedule.at(step))
        if schedule.kind == "movement":
            self.weights[name].copy_(self.held[name])
            return largest(self.movement[name], keep)
        if schedule.kind not in GROWING:
            return largest(size, keep)
        place = 1_000_003 * (self.seed + 1) + 1009 * step + list(self.weights).index(name)
        draw = torch.Generator().manual_seed(place)
        if name not in self.masks:
            return kept_at_random(size, keep, draw)
        gradient = self.weights[name].grad
        random = torch.rand(size.shape, generator=draw).to(size.device)
        wish = random if schedule.kind == "set" or gradient is None else gradient.abs()
        return exchanged(size, self.masks[name], wish, share_at(schedule, step))

    @torch.no_grad()
    def _follow(self, step: int) -> None:
        """Sum up, for movement pruning, what the last step would have made of every weight: ``- w dL/dw``."""
        for name, schedule in self.schedules.items():
            if schedule.kind != "movement" or step < schedule.begin:
                continue
            weight, before = self.weights[name], self.held.get(name)
            whole = weight.clone() if before is None else torch.where(self.masks[name] > 0, weight, before)
            moved = self.movement.get(name, torch.zeros_like(weight))
            self.movement[name] = moved if weight.grad is None else moved - whole * weight.grad
            self.held[name] = whole

    def state(self) -> dict[str, dict[str, torch.Tensor]]:
        """What a resumed run needs beside the masks; nothing of pruning by magnitude."""
        gradients = {
            name: weight.grad.clone()
            for name, weight in self.weights.items()
            if weight.grad is not None and name in self.schedules and self.schedules[name].kind in ("rigl", "movement")
        }
        parts = {"movement": self.movement, "held": self.held, "gradients": gradients}
        return {part: values for part, values in parts.items() if values}

    @torch.no_grad()
    def apply(self) -> None:
        """Set to zero what the masks prune."""
        for name, mask in self.masks.items():
            self.weights[name].mul_(mask)

    @property
    def count(self) -> int:
        """How many weights there are to prune."""
        return sum(weight.numel() for weight in self.weights.values())

    @property
    def sparsity(self) -> float:
        """The share of them that the masks set to zero."""
        return sum(int((mask == 0).sum()) for mask in self.masks.values()) / self.count

    def restore(
        self, masks: Mapping[str, torch.Tensor], state: Mapping[str, Mapping[str, torch.Tensor]] | None = None
    ) -> None:
        """Go on with masks that were saved, and with what `state` gave."""

        def placed(values: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            return {name: value.to(self.weights[name]) for name, value in values.items()}

        self.masks, parts = placed(masks), state or {}
        self.movement, self.held = placed(parts.get("movement", {})), placed(parts.get("held", {}))
        for name, gradient in placed(parts.get("gradients", {})).items():
            self.weights[name].grad = gradient


def _global_masks(sizes: Mapping[str, torch.Tensor], sparsity: float) -> dict[str, torch.Tensor]:
    """One threshold for all layers; the largest weight of each layer stays, as it does with a threshold a layer."""
    whole = torch.cat([size.flatten() for size in sizes.values()])
    parts = largest(whole, kept(whole.numel(), sparsity)).split([size.numel() for size in sizes.values()])
    return {
        name: part.reshape(size.shape) if bool(part.any()) else largest(size, 1)
        for (name, size), part in zip(sizes.items(), parts, strict=True)
    }
