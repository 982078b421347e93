"""How large is the field of an up-convolution? It depends on the phase.

A transposed convolution of stride 2 gives even and odd outputs different taps, so neighbouring pixels of a decoder have
fields of different sizes. One number for the layer is wrong for half of its pixels.

Run: python gallery/decoder.py [FOLDER]
"""

from __future__ import annotations

from pathlib import Path

from _run import run
from matplotlib.figure import Figure
from torch import nn

import rftools as rf

SIZE = 40


def net() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(1, 4, 3, padding=1),
        nn.Conv1d(4, 4, 3, stride=2, padding=1),
        nn.Conv1d(4, 4, 3, padding=1),
        nn.ConvTranspose1d(4, 4, 3, stride=2, padding=1, output_padding=1),
    )


def draw(path: Path) -> None:
    model = net()
    row = rf.theoretical(model, input_size=(1, SIZE))["3"]
    phases = row.axes[0].phases or ()
    print(", ".join(f"phase {i}: {phase.size} samples" for i, phase in enumerate(phases)))
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots()
    for unit in range(12, 24):
        (low, high) = rf.theoretical(model, input_size=(1, SIZE), unit={"3": (unit,)})["3"].axes[0].window
        phase = unit % len(phases)
        colour = ("#0072b2", "#d55e00")[phase]
        label = f"{'even' if phase == 0 else 'odd'} outputs: {high - low + 1} samples" if unit < 14 else None
        axes.plot([low, high], [unit, unit], "|-", color=colour, lw=4, ms=9, label=label)
    axes.set(xlabel="input sample", ylabel="output sample", title="What each output of the decoder sees")
    axes.set_xticks(range(8, 30, 2))
    axes.legend(frameon=False, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    run(draw, "decoder.png")
