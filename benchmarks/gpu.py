"""What a CUDA device gains, in one table: its tests, training against the plain loop, the cone against autograd.

    make gpu        # or: python benchmarks/gpu.py

Ends within ten minutes: a part that would begin later than that is left out, and said to be. Where there is no device
it says so, and nothing is claimed.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import nn

import rftools as rf
from rftools.capture import capture

WITHIN = 540.0  # seconds after which no part begins
TESTS = 240  # seconds that the tests may take
STEPS = 60  # batches a round of training
ROUNDS = 3
SIZES = ((224, 1), (224, 8), (512, 1))  # pixels a side, images
NO_DEVICE = "no CUDA device here: nothing was run, and nothing is claimed of one"


def tests() -> list[str]:
    """The tests marked ``gpu``."""
    words = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=TESTS)
    except subprocess.TimeoutExpired:
        return [f"| tests marked gpu | not done within {TESTS} s | | |"]
    last = (done.stdout.strip().splitlines() or ["nothing was printed"])[-1].strip("= ")
    return [f"| tests marked gpu | status {done.returncode} | | {last} |"]


def training(name: str) -> list[str]:
    """Images a second of our loop and of the plain one, on the device."""
    from training import Pictures, ours, plain

    from rftools.models import build
    from rftools.models.data import load_data

    data = load_data("patches", "train")
    pictures, classes = Pictures(data.images, data.labels), len(data.classes)
    device = torch.device("cuda")
    found: dict[str, list[tuple[float, float]]] = {"ours": [], "plain": []}
    for seed in range(ROUNDS):
        torch.manual_seed(seed)
        found["ours"].append(ours(name, classes, STEPS, seed))
        found["plain"].append(plain(build(name, classes=classes).to(device), pictures, STEPS, 1, device))
    own, other = (statistics.median(speed for speed, _ in found[way]) for way in ("ours", "plain"))
    losses = ", ".join(f"{way} {statistics.mean(loss for _, loss in values):.3f}" for way, values in found.items())
    return [
        f"| training {name}, images a second | {own:.0f} | {other:.0f}: {own / other:.2f} times | losses {losses} |"
    ]


def fields(pixels: int, images: int) -> list[str]:
    """Milliseconds of the effective maps of a ResNet-50's convolutions by the cone and by one shared forward pass."""
    from effective import apart, convolutions, ours, shared_forward

    device = torch.device("cuda")
    size = (3, pixels, pixels)
    module = rf.load("torchvision:resnet50").module.eval().to(device)
    graph = capture(module, size)
    units = convolutions(module, size, graph)
    x = torch.randn(images, *size, device=device)
    own, found = _timed(lambda: ours(module, x, units, graph))
    other, plain = _timed(lambda: shared_forward(module, x, units))
    differs = apart(found, plain)
    name = f"{len(units)} layers at {pixels} px, {images} images, ms"
    times = f"{1e3 * other:.0f}: {other / own:.2f} times ours"
    return [f"| {name} | {1e3 * own:.0f} | {times} | differ by {differs:.1e} of the maximum |"]


def _timed(work: Callable[[], dict[str, torch.Tensor]]) -> tuple[float, dict[str, torch.Tensor]]:
    """The median of five runs after one that warms up."""
    found, taken = work(), []
    for _ in range(5):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        found = work()
        torch.cuda.synchronize()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken), found


def main() -> int:
    if not torch.cuda.is_available():
        print(NO_DEVICE)
        return 0
    begin = time.perf_counter()
    nn.Conv2d(1, 1, 1).cuda()(torch.zeros(1, 1, 1, 1, device="cuda"))
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {os.cpu_count()} CPU cores")
    print("| what | ours | plain | agreement |\n| --- | --- | --- | --- |", flush=True)
    parts: list[Callable[[], list[str]]] = [tests]
    parts += [lambda name=name: training(name) for name in ("vgg-strided", "vgg-dilated")]  # type: ignore[misc]
    parts += [lambda size=size: fields(*size) for size in SIZES]  # type: ignore[misc]
    for number, part in enumerate(parts):
        if time.perf_counter() - begin > WITHIN:
            print(f"| {len(parts) - number} more parts | left out: ten minutes are over | | |")
            break
        print("\n".join(part()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
