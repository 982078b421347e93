"""How does the field grow with depth? The study's nets, one line each, a point a convolution.

Stride and dilation double what each layer adds; kernels of growing size add it step by step; a cascade of 3x3 adds two
pixels a layer. Three nets of the study that were said to share a field do not: 31, 21 and 21 pixels.

Run: python gallery/field_growth.py [FOLDER]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

import rftools as rf

SMALL = ("vgg-dilated", "vgg-large", "vgg-strided", "vgg-cascade")
DEEP = ("resnet-dilated", "resnet-strided", "fcn-dilated")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # Okabe and Ito


def growth(name: str) -> list[int]:
    """The largest field so far after each convolution, in the order they run."""
    rows = rf.theoretical(rf.load(f"rftools:{name}"))
    sizes = [row.axes[0].size for row in rows if (row.module or "").startswith("Conv")]
    return [max(sizes[: i + 1]) for i in range(len(sizes))]


def lines(axes: Axes, names: Sequence[str], title: str) -> None:
    for place, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        sizes = growth(name)
        width = 5 - 1.2 * place  # later lines are thinner, so that those below them show
        axes.plot(range(1, len(sizes) + 1), sizes, "o-", color=colour, lw=width, ms=width + 2, label=name)
        axes.annotate(f"{sizes[-1]} px", (len(sizes), sizes[-1]), (9, -5), textcoords="offset points", color=colour)
        print(f"{name}: {sizes[-1]} px after {len(sizes)} convolutions")
    axes.axhline(32, color="#777777", linestyle=":", label="the image, 32 px")
    axes.set(xlabel="convolutions, in the order they run", ylabel="field (px)", title=title)
    axes.margins(x=0.14)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


def draw(path: Path) -> None:
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    lines(left, SMALL, "Four small nets")
    left.set_xticks(range(1, 11))
    lines(right, DEEP, "Deep nets")
    right.set_yscale("log", base=2)
    right.yaxis.set_major_formatter("{x:g}")
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    draw(folder / "field_growth.png")
