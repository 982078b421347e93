"""Did pruning cost me field? Row and column taps may go without a trace, or take the window with them.

Each layer of a small net loses the outer rows of its kernels, or the same number of taps at random. The walk back
through the weights that are left says, pixel by pixel, what the central unit can still see.

Run: python gallery/pruned_field.py [FOLDER]
"""

from __future__ import annotations

from pathlib import Path

import torch
from _run import run
from matplotlib.figure import Figure
from torch import nn

import rftools as rf

KERNEL, CHANNELS, SIDE = 5, 4, 33


def net(how: str) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    stack = nn.Sequential(*(nn.Conv2d(CHANNELS if i else 1, CHANNELS, KERNEL, padding=2) for i in range(3)))
    for layer in stack:
        weight = layer.weight.data
        if how == "outer rows":
            weight[:, :, [0, -1]] = 0
        if how == "as many at random":
            order = torch.rand(weight.shape[0], weight.shape[1], KERNEL * KERNEL, generator=generator).argsort(-1)
            weight.view(*order.shape)[order < 2 * KERNEL] = 0
    return stack


def draw(path: Path) -> None:
    figure = Figure(figsize=(9.5, 4.4), layout="constrained")
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    for axes, how in zip(panels, ("nothing pruned", "outer rows", "as many at random"), strict=True):
        row = rf.theoretical(net(how), input_size=(1, SIDE, SIDE), surviving=True)["2"]
        left = row.surviving
        axes.imshow(left.support, cmap="cividis", vmin=0, vmax=1)
        size = "x".join(map(str, left.sizes))
        print(f"{how}: {size} px, {100 * left.share:.0f} % of the pixels")
        axes.set_title(f"{how}\n{size} px, {100 * left.share:.0f} % of the pixels", fontsize=10)
        axes.set_xlabel("input column (px)")
    panels[0].set_ylabel("input row (px)")
    figure.suptitle("What the central unit of the third layer can still see (yellow)", fontsize=11)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    run(draw, "pruned_field.png")
