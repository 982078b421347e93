"""What do real nets see? It depends on the image, and training moves it less than one thinks.

The last convolution of untrained nets, at the usual size and at one that cuts nothing off. At 224 pixels resnet18 and
densenet121 look alike, 193 and 186 pixels wide; the image hides a difference of 23. densenet121's theoretical field is
nearly five times resnet18's (2,071 against 435 pixels), and yet it sees less.

Ninety steps on crops of photographs draw the deepest blocks' fields in by 0.07 to 0.23 pixels: 1 to 3 %, hardly to be
seen, yet it holds, since both are measured on the same crops.

A unit of Inception v3 behind kernels of 1 x 7 sees a lying ellipse, more than twice as wide as high: the next layer's
7 x 1 kernels are what makes it round again. A WaveNet is causal, so its unit sees nothing to its right, and the mean of
its field is some 200 samples early.

Run: python gallery/effective_real_nets.py [FOLDER]        # GALLERY_QUICK=1: fewer nets, smaller images, less training
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

import rftools as rf
from rftools.erf import EffectiveLayer, compare
from rftools.models import build
from rftools.models.data import load_data
from rftools.models.training.epochs import Recipe
from rftools.models.training.loop import train
from rftools.models.training.options import Options

QUICK = bool(os.environ.get("GALLERY_QUICK"))
SIDES = (64, 224) if QUICK else (224, 1024)
NETS = {
    "squeezenet1_1": "features.12.expand3x3",
    "alexnet": "features.10",
    "resnet18": "layer4.1.conv2",
    "mobilenet_v2": "features.17.conv.1.0",
    "shufflenet_v2_x1_0": "stage4.3.branch2.3",
    "densenet121": "features.denseblock4.denselayer16.conv2",
}
SMALL = dict(list(NETS.items())[:3])
STUDIED = ("vgg-dilated", "vgg-dilated-21", "vgg-strided")
COLOURS = ("#0072b2", "#c75300", "#007d5b", "#a8478a", "#8a6d00", "#3d4752")  # after Okabe and Ito


def width(row: EffectiveLayer, side: int) -> tuple[float, float, float]:
    """The side that holds 95.45 % of the gradient's sum, with its interval, from its share of the theoretical size."""
    sizes = [axis["size"] or side for axis in row.theoretical["axes"]]
    scale = float(np.prod(sizes)) ** (1 / len(sizes))
    measure = row.measures["relative_size"]
    return tuple(scale * (value or np.nan) for value in (measure.value, measure.low, measure.high))  # type: ignore[return-value]


def random_nets(path: Path) -> None:
    figure = Figure(figsize=(7.4, 4.6), layout="constrained")
    axes = figure.subplots()
    ends = []
    for (name, layer), colour in zip((SMALL if QUICK else NETS).items(), COLOURS, strict=False):
        found = []
        for side in SIDES:
            model = rf.load(f"torchvision:{name}", input_size=(3, side, side))
            result = rf.effective(
                model, layers=layer, random_weights=2, count=1, batch_size=1, measures=["relative_size"]
            )
            found.append(width(result[layer], side))
            print(f"{name} at {side}: {found[-1][0]:.0f} px ({found[-1][1]:.0f} to {found[-1][2]:.0f}), {layer}")
        middle, low, high = (np.array(v) for v in zip(*found, strict=True))
        axes.plot((0, 1), middle, "o-", color=colour, lw=2.5)
        axes.vlines((0, 1), low, high, color=colour, lw=6, alpha=0.3)
        ends.append((middle[1], name, colour))
    spread(axes, ends)
    for place, side in enumerate(SIDES):
        axes.hlines(side, place - 0.12, place + 0.12, color="#777777", linestyle=":")
        axes.annotate(
            "the image", (place - 0.12, side), (0, 3), textcoords="offset points", color="#777777", fontsize=8
        )
    axes.set(xlim=(-0.25, 1.75), xticks=(0, 1), yscale="log", ylabel="width that holds 95 % of the gradient (px)")
    axes.set_xticklabels([f"at {side} px" for side in SIDES])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.tick_params(axis="y", which="minor", labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title("Last convolution of untrained nets, two draws of weights", fontsize=11)
    figure.savefig(path, dpi=110)


def spread(axes: Axes, ends: list[tuple[float, str, str]]) -> None:
    """Names at the lines' ends, moved apart where they would touch."""
    last = 0.0
    for value, name, colour in sorted(ends):
        place = max(value, 1.1 * last)
        axes.annotate(f"{name}, {value:.0f} px", (1.05, place), color=colour, va="center", fontsize=9)
        last = place


def before_and_after(scratch: Path, path: Path) -> None:
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    crops, held_out = load_data("patches", "train"), load_data("patches", "test")
    pictures = held_out.images[::16].float() / 255
    options = Options(epochs=1 if QUICK else 2, steps_per_epoch=10 if QUICK else 45, seed=0)
    grid = figure.subplots(1, len(STUDIED), sharey=True)
    for axes, name in zip(grid, STUDIED, strict=True):
        arguments = {"classes": len(crops.classes), "channels": 3}
        recipe = Recipe({"name": name, "arguments": arguments}, lambda n=name, a=arguments: build(n, **a))
        history = train(recipe, crops, held_out, scratch / name, options)
        models = [rf.load(scratch / name / file) for file in ("epoch-0000.pt", "best.pt")]
        found = compare(models, pictures, layers="features.block?", measures=["radius_50"], labels=["before", "after"])
        for number, (colour, label) in enumerate(zip(COLOURS, found.labels, strict=False)):
            measures = [layer.rows[number].measures["radius_50"] for layer in found]
            axes.plot([m.value for m in measures], "o-", color=colour, label=label)
            low, high = ([getattr(m, end) for m in measures] for end in ("low", "high"))
            axes.fill_between(range(len(measures)), low, high, color=colour, alpha=0.25, lw=0)
        for place, layer in enumerate(found):
            change = layer.differences[0]["radius_50"]
            spread_of = f"{change.low:+.2f} to {change.high:+.2f}"
            print(f"{name}, {layer.name}: {change.value:+.2f} px ({spread_of}), {change.verdict}")
            if change.holds:
                axes.annotate(
                    "*", (place, layer.rows[1].measures["radius_50"].value), (0, 6), textcoords="offset points"
                )
        accuracy = max(epoch.val_accuracy for epoch in history)
        axes.set_title(f"{name}, held out {accuracy:.0%}", fontsize=10)
        axes.set(xticks=range(len(found.layers)), xlabel="block")
        axes.set_xticklabels([layer.name[-1] for layer in found])
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].set_ylabel("radius that holds half (px)")
    grid[0].legend(frameon=False)
    figure.suptitle("Before and after training, the same crops (* the difference holds)", fontsize=11)
    figure.savefig(path, dpi=110)


def looking_aside(path: Path) -> None:
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    layer, side = "Mixed_6b.branch7x7_2.conv", 149 if QUICK else 299
    model = rf.load("torchvision:inception_v3", input_size=(3, side, side))
    row = rf.effective(model, layers=layer, count=2 if QUICK else 6, batch_size=1)[layer]
    shown = left.imshow(np.sqrt(row.map / row.map.max()), cmap="cividis")
    figure.colorbar(shown, ax=left, label="gradient, root of the share of the maximum")
    y, x = np.indices(row.map.shape)
    centre = [float((axis * row.map).sum() / row.map.sum()) for axis in (x, y)]
    major, minor, angle, anisotropy = (
        row.measures[f"ellipse_{name}"].value or 0.0 for name in ("major", "minor", "angle", "anisotropy")
    )
    left.add_patch(Ellipse(centre, 2 * major, 2 * minor, angle=-angle, fill=False, ec="white", lw=2))
    left.set(xlabel="input column (px)", ylabel="input row (px)")
    left.set_title(f"Inception v3, 1x7 kernels: anisotropy {anisotropy:.2f}, {angle:.0f}°", fontsize=10)
    print(
        f"inception_v3, {layer}: {major:.1f} px by {minor:.1f} px at {angle:.0f} degrees, anisotropy {anisotropy:.2f}"
    )
    wave = rf.load("rftools:wavenet", input_size=(1, 2400))
    last = [row.name for row in rf.theoretical(wave) if (row.module or "") == "Conv1d"][-3]
    row = rf.effective(wave, layers=last, count=4 if QUICK else 16)[last]
    right.plot(row.map / row.map.max(), color=COLOURS[0], lw=0.8)
    right.axvline(row.unit[0], color=COLOURS[1], linestyle="--", label="the unit's own sample")
    window = row.theoretical["axes"][0]["clipped"]
    right.axvspan(*window, color="#777777", alpha=0.15, lw=0, label="theoretical window")
    mean = float((np.arange(len(row.map)) * row.map).sum() / row.map.sum())
    right.set(xlabel="input sample", ylabel="gradient, share of the maximum", yscale="log", ylim=(1e-5, 2))
    right.set_title(f"WaveNet is causal: its field's mean is {row.unit[0] - mean:.0f} samples early", fontsize=10)
    right.legend(frameon=False, fontsize=8)
    right.spines[["top", "right"]].set_visible(False)
    print(f"wavenet, {last}: unit {row.unit[0]}, mean of its field {mean:.0f}")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    looking_aside(folder / "effective_real_nets_aside.png")
    random_nets(folder / "effective_real_nets.png")
    with tempfile.TemporaryDirectory() as scratch:
        before_and_after(Path(scratch), folder / "effective_real_nets_training.png")
