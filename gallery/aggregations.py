"""Absolute value or relu of the gradient? Papers differ, and so do their pictures.

The same unit on the same images: the mean of the absolute gradient, of its positive part, the absolute value of the
mean (signs cancel over images), and the mean of squares. Sizes that are compared must come from one way.

Run: python gallery/aggregations.py [FOLDER]
"""

from __future__ import annotations

from pathlib import Path

from _run import run
from matplotlib.figure import Figure

import rftools as rf

LAYER = "layer2.1.conv2"


def draw(path: Path) -> None:
    model = rf.load("torchvision:resnet18", input_size=(3, 128, 128))
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    ways = ("abs", "positive", "signed", "power")
    for axes, way in zip(figure.subplots(1, len(ways), sharex=True, sharey=True), ways, strict=True):
        (row,) = rf.effective(model, layers=[LAYER], aggregation=way, count=8)
        size = row.measures["luo_centre"].value
        shown = axes.imshow((abs(row.map) / abs(row.map).max()) ** 0.5, cmap="cividis", vmin=0, vmax=1)
        print(f"{way}: {size:.1f} px (Luo)")
        axes.set_title(f"{way}: {size:.1f} px", fontsize=10)
        axes.set_xlabel("input column (px)")
    figure.axes[0].set_ylabel("input row (px)")
    figure.colorbar(shown, ax=figure.axes, label="root of the share\nof the maximum", fraction=0.02)
    figure.suptitle(f"One unit of {LAYER}, eight images, four ways to put gradients together", fontsize=11)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    run(draw, "aggregations.png")
