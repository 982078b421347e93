"""Masks whose weights may grow back while a net trains: SET, RigL, and movement pruning.

SET (Mocanu et al. 2018, arXiv:1707.04780) and RigL (Evci et al. 2020, arXiv:1911.11134) start from random survivors; at
every renewal the smallest of them go and as many come back from nothing, at random or where the gradient is largest.
Movement pruning (Sanh et al. 2020, arXiv:2005.07683) keeps the weights that training moves away from zero.
"""

from __future__ import annotations

import math

import torch

from rftools.models.training.schedules import Schedule

EXCHANGED = 0.3  # the share of survivors that goes and comes back at a renewal; both papers' figure


def kept_at_random(weight: torch.Tensor, keep: int, draw: torch.Generator) -> torch.Tensor:
    """A mask of ``keep`` survivors, drawn."""
    mask = torch.zeros(weight.numel(), dtype=torch.bool)
    mask[torch.randperm(weight.numel(), generator=draw)[:keep]] = True
    return mask.reshape(weight.shape).to(weight.device)


def exchanged(size: torch.Tensor, mask: torch.Tensor, wish: torch.Tensor, share: float) -> torch.Tensor:
    """The mask after the ``share`` of survivors with the smallest ``size`` has gone, and as many of those that were
    zero have come back, by ``wish``. The count of survivors stays.

    >>> mask = torch.tensor([True, True, False, False])
    >>> exchanged(torch.tensor([3.0, 1.0, 0.0, 0.0]), mask, torch.tensor([9.0, 9.0, 1.0, 2.0]), 0.5).tolist()
    [True, False, False, True]
    """
    alive = mask.bool().flatten()
    count = min(round(share * int(alive.sum())), int((~alive).sum()))
    infinite = torch.tensor(math.inf, device=size.device, dtype=size.dtype)
    goes = torch.where(alive, size.flatten(), infinite).argsort(stable=True)[:count]
    comes = torch.where(alive, -infinite, wish.flatten().to(size.dtype)).argsort(descending=True, stable=True)[:count]
    found = alive.clone()
    found[goes], found[comes] = False, True
    return found.reshape(mask.shape)


def share_at(schedule: Schedule, step: int) -> float:
    """The share that is exchanged at a step: constant for SET, falling as a cosine to nothing for RigL.

    >>> round(share_at(Schedule("rigl", 0.9, 0.9, begin=0, end=100, every=10), 50), 3)
    0.15
    """
    if schedule.kind == "set" or schedule.end is None:
        return EXCHANGED
    done = min((step - schedule.begin) / max(schedule.end - schedule.begin, 1), 1.0)
    return EXCHANGED / 2 * (1 + math.cos(math.pi * done))
