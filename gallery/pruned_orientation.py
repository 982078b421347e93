"""Which way do pruned kernels point? Polar histograms of three layers that lost 80 % of their taps.

One lost its smallest weights, one lost taps at random, and one lost them mostly outside the middle row. A lattice of
3x3 taps offers few directions, so even random taps pile up on some; the test compares with random taps on the same
lattice and finds only the third layer beyond chance.

Run: python gallery/pruned_orientation.py [FOLDER]
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn

import rftools as rf

KEEP = 0.2


def layers() -> nn.Sequential:
    """Three convolutions of 32 to 48 channels, pruned to the same density in three ways."""
    torch.manual_seed(0)
    net = nn.Sequential(
        OrderedDict((name, nn.Conv2d(32, 48, 3)) for name in ("smallest weights", "random taps", "off the middle row"))
    )
    rows = torch.tensor([0.2, 1.0, 0.2]).reshape(3, 1)
    scores = (lambda w: w.abs(), lambda w: torch.rand_like(w), lambda w: torch.rand_like(w) ** (1 / rows))
    for layer, score in zip(net, scores, strict=True):
        weight = layer.weight.data
        ranked = score(weight)
        weight[ranked < ranked.flatten().quantile(1 - KEEP)] = 0
    return net


def draw(path: Path) -> None:
    model = rf.Model(module=layers(), spec="three layers", name="three layers without 80 % of their taps")
    result = rf.orientation(model, seed=0)
    for row in result:
        print(f"{row.name}: {row.oriented} oriented kernels, R = {row.resultant:.3f}, q = {row.q:.3g}")
    result.plot().savefig(path, dpi=100)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    draw(folder / "pruned_orientation.png")
