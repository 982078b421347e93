"""Theoretical fields of all layers against one backward pass a layer, and against TorchLens where it is installed.

    python benchmarks/theoretical.py [--quick | --peers]

CPU seconds of one process. (a): one forward pass, then a backward pass for every convolution, whose gradient's
bounding box is what one would read a field from. Agreement: how many boxes equal the engine's clipped windows, and
how many lie inside them (a gradient can be zero where a path is closed by a relu). ``--peers`` is (b) alone, of more
nets, each way in a process of its own.
"""

from __future__ import annotations

import importlib.util
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path

import torch
from torch import nn

import rftools as rf
from rftools.capture import capture
from rftools.trf.engine import walk
from rftools.trf.reverse import Reverse, unit_place

CASES = [
    ("torchvision:resnet50", 224),
    ("torchvision:resnet50", 512),
    ("torchvision:densenet201", 224),
    ("torchvision:swin_t", 224),
]
PEERS = [
    *(CASES[0], *CASES[2:], ("torchvision:mobilenet_v3_small", 224), ("torchvision:vit_b_32", 224)),
    (f"{Path(__file__).with_name('report.py')}:UNet", 224),
]


def engine(model: rf.Model) -> tuple[float, float, rf.Model]:
    """CPU seconds of the capture, and of everything after it up to the table."""
    begin = time.process_time()
    graph = capture(model.module, model.require_input_size())
    captured = time.process_time() - begin
    best = float("inf")
    for _ in range(3):
        begin = time.process_time()
        walk(graph, {})
        best = min(best, time.process_time() - begin)
    return captured, best, model


def boxes_by_autograd(model: rf.Model) -> tuple[float, dict[str, list[tuple[int, int]]]]:
    """CPU seconds and the bounding box of each convolution's gradient at the centre unit."""
    outputs: dict[str, torch.Tensor] = {}

    def keep(name: str) -> object:
        return lambda _m, _a, out: outputs.__setitem__(name, out)

    handles = [m.register_forward_hook(keep(n)) for n, m in model.module.named_modules() if isinstance(m, nn.Conv2d)]  # type: ignore[arg-type]
    x = torch.rand((1, *model.require_input_size()), requires_grad=True)
    found = {}
    begin = time.process_time()
    try:
        model.module(x)
        for name, out in outputs.items():
            y = out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum()
            (gradient,) = torch.autograd.grad(y, x, retain_graph=True)
            seen = gradient[0].abs().amax(0) > 0
            rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
            found[name] = [(int(rows[0]), int(rows[-1])), (int(columns[0]), int(columns[-1]))]
    finally:
        for handle in handles:
            handle.remove()
    return time.process_time() - begin, found


def agreement(model: rf.Model, boxes: dict[str, list[tuple[int, int]]]) -> tuple[int, int]:
    result = rf.theoretical(model)
    equal = inside = 0
    for name, box in boxes.items():
        ours = [axis.clipped for axis in result[name].axes]
        equal += list(ours) == box
        inside += all(o is not None and o[0] <= b[0] and b[1] <= o[1] for o, b in zip(ours, box, strict=True))
    return equal, inside


def reverse_seconds(model: rf.Model) -> tuple[float, float]:
    """CPU seconds of one forward pass and of one reverse walk from the last map's centre."""
    graph = capture(model.module, model.require_input_size())
    fields = walk(graph, {})
    row = [r for r in rf.theoretical(model) if r.unit][-1]
    node = next(layer.node for layer in graph.layers if layer.name == row.name)
    x = torch.rand((1, *model.require_input_size()))
    with torch.no_grad():
        model.module(x)
        begin = time.process_time()
        model.module(x)
        forward = time.process_time() - begin
    begin = time.process_time()
    Reverse(graph, fields, {}).support(node, unit_place(fields[node], row.unit_dims, row.place))  # type: ignore[arg-type]
    return forward, time.process_time() - begin


def depth() -> None:
    """Seconds a layer for chains of 3-tap convolutions: flat if the engine is linear in depth."""
    print("\nchain of 3x3 convolutions at 64 px: seconds after capture, and a layer")
    for layers in (125, 250, 500, 1000):
        net = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1) for _ in range(layers)])
        graph = capture(net, (1, 64, 64))
        walk(graph, {})  # the first is slower by what is made once
        begin = time.process_time()
        walk(graph, {})
        seconds = time.process_time() - begin
        print(f"  {layers:5d} layers  {seconds:6.3f} s  {1e3 * seconds / layers:6.3f} ms a layer")


OURS = """
import resource, sys, time, torch, rftools as rf
torch.set_num_threads(1)
model = rf.load(sys.argv[1], input_size=(3, int(sys.argv[2]), int(sys.argv[2])))
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begin = time.process_time()
table = rf.theoretical(model).table()
"""
THEIRS = """
import resource, sys, time, torch, torchlens, rftools as rf
torch.set_num_threads(1)
model = rf.load(sys.argv[1], input_size=(3, int(sys.argv[2]), int(sys.argv[2])))
torchlens.trace
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begin = time.process_time()
trace = torchlens.trace(model.module.eval(), torch.rand(1, *model.input_size))
table = trace.receptive_fields(level="module").to_pandas()
"""
AFTER = """
seconds = time.process_time() - begin
print("figures", seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024)
"""
SIZES = """
ours = {r.name: tuple(a.size for a in r.axes) for r in rf.theoretical(model) if r.module == "Conv2d"}
both = [(ours[n], tuple(s)) for n, s in zip(table["name"], table["size"]) if n in ours and s is not None]
print("agreement", sum(a == b for a, b in both), len(both), len(ours))
"""


def child(code: str, spec: str, side: int) -> dict[str, list[float]]:
    """What a fresh process prints: CPU seconds from the model to the table, and MiB that it needed more."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, spec, str(side)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    lines = [line.split() for line in done.stdout.splitlines()]
    return {
        line[0]: [float(value) for value in line[1:]] for line in lines if line and line[0] in ("figures", "agreement")
    }


def torchlens(spec: str, side: int) -> str:
    """(b): TorchLens from the model to the table against ours with the capture, each in a process of its own."""
    if importlib.util.find_spec("torchlens") is None:
        return "(b) TorchLens is not installed (pip install torchlens==2.36.1): not compared"
    try:
        ours, theirs = child(OURS + AFTER, spec, side), child(THEIRS + AFTER + SIZES, spec, side)
    except RuntimeError as error:
        return f"(b) TorchLens: {error}"
    (own, own_peak), (other, peak) = ours["figures"], theirs["figures"]
    equal, found, all_of_them = (int(n) for n in theirs["agreement"])
    return (
        f"(b) TorchLens {other:.2f} s and {peak:.0f} MiB more than the loaded model, ours with capture {own:.2f} s and "
        f"{own_peak:.0f} MiB: {other / own:.2f} times the time; {equal} of {found} convolutions have the same size "
        f"({all_of_them} in all)"
    )


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if "--peers" in sys.argv:
        for spec, side in PEERS:
            print(f"{spec.rpartition('/')[2]} at {side}: {torchlens(spec, side)}", flush=True)
        return
    cases = CASES[:1] if "--quick" in sys.argv else CASES
    for spec, side in cases:
        model = rf.load(spec, input_size=(3, side, side))
        captured, after, _ = engine(model)
        print(f"{spec} at {side}: capture {captured:.2f} s, all fields after it {after:.3f} s")
        seconds, boxes = boxes_by_autograd(model)
        if boxes:
            equal, inside = agreement(model, boxes)
            print(
                f"  (a) {len(boxes)} backward passes {seconds:.2f} s: {seconds / after:.0f} times the engine after "
                f"capture, {seconds / (captured + after):.1f} times with it; "
                f"boxes equal {equal}, inside {inside} of {len(boxes)}"
            )
        forward, reverse = reverse_seconds(model)
        print(f"  reverse walk of one unit {reverse:.3f} s, {reverse / forward:.2f} times one forward pass")
        print(f"  {torchlens(spec, side)}")
    depth()
    print(f"peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
