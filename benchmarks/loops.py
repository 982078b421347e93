"""Theoretical fields where many operators follow each other: loops over time, and the largest of the usual nets.

    python benchmarks/loops.py

CPU seconds of one process on one core, and the aim beside them. Of a loop the whole call is timed, from the module to
the table; of a net what comes after the capture, the best of five. Agreement: a causal loop's step t sees the steps up
to t and no other, which is known; of a net, the largest gradient outside the window of the last convolution that does
not see the whole image.
"""

from __future__ import annotations

import importlib.util
import time
import warnings
from collections.abc import Callable

import torch
from torch import nn

import rftools as rf
from rftools.capture import capture
from rftools.trf.engine import walk


class Packed(nn.Module):
    """An LSTM over time, of a map ``(n, channels, time)``."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.LSTM(4, 4, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self.net(x.transpose(1, 2))[0]
        return states.transpose(1, 2)


class Written(nn.Module):
    """A recurrence written by hand, step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state, made = x.new_zeros(len(x), 4), []
        for t in range(x.shape[-1]):
            state = self.cell(torch.cat([x[..., t], state], 1)).tanh()
            made.append(state)
        return torch.stack(made, -1)


def loop(name: str, build: Callable[[], nn.Module], steps: int, aim: float) -> None:
    """Time the whole call, and ask units at the begin, in the middle and at the end what they see."""
    module = build().eval()
    begin = time.process_time()
    rf.theoretical(module, (4, steps)).table()
    seconds = time.process_time() - begin
    right = 0
    asked = (0, steps // 2, steps - 1)
    for t in asked:
        (axis,) = rf.theoretical(module, (4, steps), unit=(t,))[-1].axes
        right += axis.clipped == (0, t)
    print(f"{name}, {steps} steps: {seconds:.2f} s (aim {aim}); {right} of {len(asked)} units see what is known")


def net(spec: str, side: int, aim: float) -> None:
    """Time the walk of a captured net, and compare the last map's window with a gradient."""
    model = rf.load(spec, input_size=(3, side, side))
    graph = capture(model.module, model.require_input_size())
    best = float("inf")
    for _ in range(5):
        begin = time.process_time()
        walk(graph, {})
        best = min(best, time.process_time() - begin)
    rows = [r for r in rf.theoretical(model, graph=graph) if r.module == "Conv2d" and r.unit]
    row = [r for r in rows if any(axis.clipped not in (None, (0, side - 1)) for axis in r.axes)][-1]
    print(
        f"{spec} at {side}, {len(graph.nodes)} operators: {best:.3f} s after the capture (aim {aim}); "
        f"largest gradient outside the window of {row.name}: {_outside(model, row):.1g}"
    )


def _outside(model: rf.Model, row: rf.LayerField) -> float:
    found = []
    handle = model.module.get_submodule(row.name).register_forward_hook(lambda _m, _a, out: found.append(out))
    x = torch.rand((1, *model.require_input_size()), requires_grad=True)
    try:
        model.module(x)
    finally:
        handle.remove()
    (gradient,) = torch.autograd.grad(found[0][(0, slice(None), *row.place)].sum(), x)
    sizes = gradient[0].abs().amax(0)
    sizes[tuple(slice(a.clipped[0], a.clipped[1] + 1) for a in row.axes if a.clipped)] = 0
    return float(sizes.max())


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    loop("LSTM", Packed, 8000, 2)
    loop("recurrence by hand", Written, 1000, 5)
    net("torchvision:resnet50", 224, 0.03)
    if importlib.util.find_spec("timm") is None:
        print("NASNet-Large: timm is not installed")
    else:
        net("timm:nasnetalarge", 331, 3)


if __name__ == "__main__":
    main()
