"""Why do rankings of nets by field flip between 224 and 1,024 pixels? The small image clips every field.

Each net's deepest field is one number, whatever the image. What of it lies inside the image is another: at 224 pixels
the two deeper nets see the same, all of it; larger images tell them apart.

Run: python gallery/image_size.py [FOLDER]
"""

from __future__ import annotations

from pathlib import Path

from _run import run
from matplotlib.figure import Figure

import rftools as rf

NETS = {"vgg16": "#009e73", "resnet18": "#0072b2", "resnet34": "#d55e00"}
SIDES = (64, 128, 224, 384, 512, 768, 1024, 1536)


def deepest(name: str) -> int:
    rows = [row for row in rf.theoretical(rf.load(f"torchvision:{name}")) if row.axes and not row.axes[0].global_]
    return max(row.axes[0].size or 0 for row in rows)


def draw(path: Path) -> None:
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for name, colour in NETS.items():
        size = deepest(name)
        print(f"{name}: {size} px")
        axes.plot(SIDES, [min(size, side) for side in SIDES], "o-", color=colour, label=f"{name}: {size:,} px")
    axes.plot(SIDES, SIDES, ":", color="#777777", label="the image itself")
    axes.axvline(224, color="#777777", lw=0.8)
    axes.annotate("224 px", (224, 1400), (4, 0), textcoords="offset points", color="#555555", fontsize=9)
    axes.set(xlabel="side of the image (px)", ylabel="field inside the image (px)", title="A small image clips fields")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    run(draw, "image_size.png")
