"""What does a unit really see, and does training change it? Effective against theoretical fields, block by block.

vgg-dilated learns to tell eight photographs apart. The frames are the theoretical windows of each block's central unit;
the pictures are the gradients of that unit, averaged over held-out crops, before the first step and after three epochs.

Run: python gallery/before_and_after.py [FOLDER]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import rftools as rf
from rftools.models import build
from rftools.models.data import load_data
from rftools.models.training.epochs import Recipe
from rftools.models.training.loop import train
from rftools.models.training.options import Options

BLOCKS = [f"features.block{i}" for i in (1, 2, 3, 4)]


def trained(run: Path) -> None:
    """A short run on crops of photographs: ``epoch-0000.pt`` holds the initial weights, ``best.pt`` the best."""
    crops = load_data("patches", "train")
    arguments = {"classes": len(crops.classes), "channels": 3}
    recipe = Recipe({"name": "vgg-dilated", "arguments": arguments}, lambda: build("vgg-dilated", **arguments))
    history = train(recipe, crops, load_data("patches", "test"), run, Options(epochs=3, seed=0))
    print(f"held-out accuracy {max(epoch.val_accuracy for epoch in history):.1%}")


def draw(run: Path, path: Path) -> None:
    pictures = load_data("patches", "test").images[::8].float() / 255
    figure = Figure(figsize=(9, 4.9), layout="constrained")
    grid = figure.subplots(2, len(BLOCKS), sharex=True, sharey=True)
    for line, (when, name) in zip(grid, [("before", "epoch-0000.pt"), ("after", "best.pt")], strict=True):
        fields = rf.effective(rf.load(run / name), pictures, layers=BLOCKS)
        for axes, row in zip(line, fields, strict=True):
            shown = axes.imshow(row.map / row.map.max(), cmap="cividis", vmin=0, vmax=1)
            (top, bottom), (left, right) = (axis["clipped"] for axis in row.theoretical["axes"])
            frame = Rectangle((left - 0.5, top - 0.5), right - left + 1, bottom - top + 1, fill=False, ec="#ff4d4d")
            axes.add_patch(frame)
            size, radius = row.theoretical["axes"][0]["size"], row.measures["radius_50"]
            axes.set_title(f"{row.name.partition('.')[2]}: {size} px\nhalf within {radius.value:.1f} px", fontsize=9)
            print(f"{when} training, {row.name}: half of the gradient within {radius.value:.2f} px")
        line[0].set_ylabel(f"{when} training\ninput row (px)")
    for axes in grid[-1]:
        axes.set_xlabel("input column (px)")
    figure.colorbar(shown, ax=grid, label="gradient, share of the maximum")
    figure.suptitle(f"Effective field inside the theoretical one, vgg-dilated, {len(pictures)} crops", fontsize=11)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        trained(Path(scratch) / "run")
        draw(Path(scratch) / "run", folder / "before_and_after.png")
