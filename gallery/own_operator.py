"""What happens to a layer that the tool does not know? It says so, and a rule of a few lines makes it exact.

An operator without a rule leaves its layer and those behind it unknown, never guessed. The rule says which inputs an
output reads, as taps; the rest of the net is then worked out as usual.

Run: python gallery/own_operator.py [FOLDER]
"""

from __future__ import annotations

from pathlib import Path

import torch
from _run import run
from matplotlib.figure import Figure
from torch import nn

import rftools as rf
from rftools.trf.rules import Call
from rftools.trf.taps import Taps


@torch.library.custom_op("gallery::blur7", mutates_args=())
def blur7(x: torch.Tensor) -> torch.Tensor:
    return nn.functional.avg_pool1d(x, 7, stride=1, padding=3)


@blur7.register_fake
def _(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


def blur_rule(call: Call):  # type: ignore[no-untyped-def]
    """Seven taps in a row, centred on the output."""
    size = call.main("x").shape[-1]
    return call.main("x").window(-1, Taps.window(7, size, size, padding=3))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(1, 2, 3, padding=1), nn.Conv1d(2, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(blur7(self.first(x)))


def draw(path: Path) -> None:
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    answers = {"without a rule": {}, "with a rule": {"gallery.blur7": blur_rule}}
    for axes, (title, rules) in zip(figure.subplots(1, 2, sharex=True), answers.items(), strict=True):
        rows = {row.name: row for row in rf.theoretical(Net(), input_size=(1, 64), rules=rules)}
        shown = [name for name in ("first", "/blur7", "second") if name in rows]
        for height, name in enumerate(shown):
            size = rows[name].axes[0].size
            axes.barh(height, size or 0, color="#0072b2")
            axes.text((size or 0) + 0.3, height, f"{size} samples" if size else "unknown", va="center")
            print(f"{title}: {name}: {size if size else rows[name].cause}")
        axes.set_yticks(range(len(shown)), shown)
        axes.invert_yaxis()
        axes.set(title=title, xlabel="field (samples)", xlim=(0, 16))
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    run(draw, "own_operator.png")
