"""Which part of the image does a given unit see, also at the border and where the field is larger than the image?

The window of a unit follows from its layer's size, stride and start. Units near the border look past it, and what lies
there is padding; the deepest layers of this ResNet-18 look past it everywhere.

Run: python gallery/any_unit.py [FOLDER]
"""

from __future__ import annotations

from pathlib import Path

from _run import run
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import rftools as rf

UNITS = {"layer2": [(0, 0), (14, 14), (27, 9)], "layer3": [(0, 0), (7, 7), (13, 4)], "layer4": [(0, 0), (3, 3), (6, 2)]}
COLOURS = ("#0072b2", "#d55e00", "#009e73")  # Okabe and Ito


def draw(path: Path) -> None:
    model = rf.load("torchvision:resnet18")
    results = [rf.theoretical(model, unit={name: units[i] for name, units in UNITS.items()}) for i in range(3)]
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    for axes, (name, units) in zip(figure.subplots(1, 3, sharex=True, sharey=True), UNITS.items(), strict=True):
        axes.add_patch(Rectangle((0, 0), 224, 224, fc="#e9ecef", ec="#444444", ls="--"))
        for result, unit, colour in zip(results, units, COLOURS, strict=True):
            row = result[name]
            (top, bottom), (left, right) = (axis.window for axis in row.axes)
            axes.add_patch(Rectangle((left, top), right - left + 1, bottom - top + 1, fill=False, ec=colour, lw=2))
            axes.plot((left + right + 1) / 2, (top + bottom + 1) / 2, "+", color=colour, ms=9, label=f"unit {unit}")
        print(f"{name}: {row.axes[0].size} px, a unit every {row.axes[0].stride:g} px")
        axes.set_title(f"{name}: {row.axes[0].size} px", fontsize=10)
        axes.set_xlabel("input column (px)")
        axes.legend(loc="lower right", fontsize=8, frameon=False)
        axes.set_aspect("equal")
        axes.set(xlim=(-230, 460), ylim=(600, -230))
    figure.axes[0].set_ylabel("input row (px)")
    figure.suptitle("Windows of three units in three layers; dashed: the image, 224 px", fontsize=11)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    run(draw, "any_unit.png")
