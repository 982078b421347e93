"""What can a token of a transformer see? All of the image in a ViT, a window that grows and shifts in a Swin.

Global attention gives every token the whole image at once. Window attention reaches only as far as windows and their
shifts lead, so that a Swin's field grows with depth as a convolutional net's does.

Run: python gallery/transformer.py [FOLDER]
"""

from __future__ import annotations

from pathlib import Path

from _run import run
from matplotlib.figure import Figure

import rftools as rf

NETS = {"timm:vit_tiny_patch16_224": "#d55e00", "timm:swin_tiny_patch4_window7_224": "#0072b2"}


def share(row: object) -> float:
    """The larger share of the image's sides that the central token's field covers."""
    return max((high - low + 1) / 224 for low, high in (axis.clipped for axis in row.axes))  # type: ignore[attr-defined]


def draw(path: Path) -> None:
    figure = Figure(figsize=(8, 3.8), layout="constrained")
    axes = figure.subplots()
    for (spec, colour), width in zip(NETS.items(), (5, 2), strict=True):
        rows = [row for row in rf.theoretical(rf.load(spec)) if (row.module or "").endswith("Block")]
        shares = [100 * share(row) for row in rows if row.axes and all(axis.clipped for axis in row.axes)]
        name = spec.partition(":")[2].partition("_patch")[0]
        print(f"{name}: {', '.join(f'{s:.0f} %' for s in shares)}")
        axes.plot(range(1, len(shares) + 1), shares, "o-", color=colour, lw=width, ms=width + 4, label=name)
    axes.set(xlabel="transformer blocks", ylabel="side of the field, % of the image", ylim=(0, 105))
    axes.set_title("What the central token can see")
    axes.legend(frameon=False, loc="lower right")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    run(draw, "transformer.png")
