"""Does my dilated stack have holes? Which pixels inside a field no path reaches.

Three 1-D stacks span 31 samples. Dilations with a common factor skip samples for good; those that double from one, or
that have no factor in common, fill the window.

Run: python gallery/holes.py [FOLDER]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from _run import run
from matplotlib.figure import Figure
from torch import nn

import rftools as rf

STACKS = {"dilations 1, 2, 4, 8": (1, 2, 4, 8), "dilations 1, 2, 5, 7": (1, 2, 5, 7), "dilations 3, 6, 6": (3, 6, 6)}
LENGTH = 64


def stack(dilations: Sequence[int]) -> nn.Module:
    return nn.Sequential(*(nn.Conv1d(1, 1, 3, dilation=d, padding=d) for d in dilations))


def draw(path: Path) -> None:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, (name, dilations) in zip(figure.subplots(len(STACKS), 1, sharex=True), STACKS.items(), strict=True):
        rows = list(rf.theoretical(stack(dilations), input_size=(1, LENGTH)))[: len(dilations)]
        for depth, row in enumerate(rows):
            reached = row.axes[0].support
            axes.scatter(reached, [depth] * len(reached), marker="s", s=22, color="#0072b2")
        last = rows[-1].axes[0]
        missing = sum(length for _, length in last.holes)
        print(f"{name}: window {last.size} samples, {missing} of them reached by no path")
        axes.set_title(f"{name}: window {last.size} samples, {missing} never seen", fontsize=10, loc="left")
        axes.set_yticks(range(len(rows)), [f"layer {i + 1}" for i in range(len(rows))], fontsize=8)
        axes.invert_yaxis()
        axes.margins(y=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("input sample that reaches the central unit")
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    run(draw, "holes.png")
