"""What a probed net is shown: pictures of which only a window is left, and pairs of marks ever farther apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from rftools.models.tasks import marked

MOST_SIZES = 40


def window_sides(spatial: Sequence[int]) -> NDArray[np.int64]:
    """The sides of windows from nothing to the whole picture: every one up to 40, else 40 of them evenly.

    >>> window_sides((4, 6)).tolist()
    [0, 1, 2, 3, 4, 5, 6]
    """
    largest = max(spatial)
    return np.unique(np.linspace(0, largest, min(largest, MOST_SIZES) + 1).round().astype(np.int64))


def inside(spatial: Sequence[int], side: int) -> torch.Tensor:
    """Where the window is, about the central unit ``n // 2`` of each axis; of an even side one pixel more before it.

    >>> inside((5,), 3).tolist(), inside((4,), 2).tolist()
    ([False, True, True, True, False], [False, True, True, False])
    """
    found = torch.ones(tuple(spatial), dtype=torch.bool)
    for axis, n in enumerate(spatial):
        first = n // 2 - side // 2
        places = torch.arange(n)
        shape = [-1 if k == axis else 1 for k in range(len(spatial))]
        found &= ((places >= first) & (places < first + side)).reshape(shape)
    return found


def occluded(images: torch.Tensor, side: int) -> torch.Tensor:
    """Inputs ``(N, C, *spatial)`` with the mean of all of them, by channel, outside the window."""
    axes = [0, *range(2, images.dim())]
    return torch.where(inside(images.shape[2:], side), images, images.mean(axes, keepdim=True))


def shuffled(images: torch.Tensor, side: int, seed: int) -> torch.Tensor:
    """The same with the places outside the window in another order, drawn for each picture, channels together."""
    flat = images.flatten(2)
    outside = (~inside(images.shape[2:], side)).flatten().nonzero().flatten()
    draw = torch.Generator().manual_seed(seed)
    found = flat.clone()
    for k in range(len(flat)):
        order = torch.randperm(len(outside), generator=draw)
        found[k, :, outside] = flat[k][:, outside[order]]
    return found.reshape(images.shape)


def quartets(count: int, apart: int, side: int, seed: int) -> torch.Tensor:
    """Pictures ``(4, count, 3, side, side)`` of two marks ``apart``: kinds 00, 11, 01 and 10 on the same grounds."""
    kinds = ((0, 0), (1, 1), (0, 1), (1, 0))
    made = [
        marked(np.full(count, first), np.full(count, second), np.full(count, apart), np.random.default_rng(seed), side)
        for first, second in kinds
    ]
    return torch.from_numpy(np.stack(made))
