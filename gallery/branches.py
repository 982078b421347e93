"""What do branches do to the field? They unite, and where strides or starts differ they meet out of line.

A block's skip path sees less than its long path; the sum sees what either does. In the second block the skip path is
shifted by half a stride, so that its units look beside those of the long path: the layer is said to be misaligned.

Run: python gallery/branches.py [FOLDER]
"""

from __future__ import annotations

from pathlib import Path

import torch
from _run import run
from matplotlib.figure import Figure
from torch import nn

import rftools as rf


class Block(nn.Module):
    """Two 3x3 kernels of stride 2 and 1 beside a projection of stride 2."""

    def __init__(self, kernel: int, padding: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.skip = nn.Conv2d(1, 4, kernel, stride=2, padding=padding)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x)) + self.skip(x)


BLOCKS = {"projection 1x1": Block(1, 0), "projection 2x2": Block(2, 0)}
PATHS = ("first", "second", "skip", "")


def draw(path: Path) -> None:
    figure = Figure(figsize=(9.5, 3.2), layout="constrained")
    for axes, (title, block) in zip(figure.subplots(1, 2, sharex=True, sharey=True), BLOCKS.items(), strict=True):
        result = rf.theoretical(block, input_size=(1, 32, 32))
        for height, name in enumerate(PATHS):
            row = result[name]
            low, high = row.axes[1].window
            colour = "#0072b2" if row.aligned else "#d55e00"
            axes.plot([low, high], [height, height], "|-", color=colour, lw=5, ms=11)
            axes.plot((low + high) / 2, height, "o", color="#1a1d21", ms=5)
        word = "in line" if result[""].aligned else "out of line"
        print(f"{title}: the branches meet {word}; the sum sees {result[''].axes[1].size} px")
        axes.set_title(f"{title}: the branches meet {word}", fontsize=10)
        axes.set_xlabel("input column (px); dots: centres")
        axes.set_yticks(range(len(PATHS)), ["first conv", "second conv", "projection", "their sum"])
        axes.margins(y=0.2)
        axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    run(draw, "branches.png")
