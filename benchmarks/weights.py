"""Time and memory of the survivor statistics, beside one numpy pass that counts non-zeros and a loop over kernels.

    python benchmarks/weights.py [torchvision:NAME ...]

Times are of the processor, which other work on the machine does not lengthen. `survey` gives sparsity and orientation,
with the tests against the null, in one go; the two calls one after the other are timed beside it. Nets get random
weights, pruned by magnitude to 90 % in each layer.
"""

from __future__ import annotations

import os
import sys
import time
import tracemalloc
from collections.abc import Callable

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

import rftools as rf  # noqa: E402
from rftools.weights import collect, survey  # noqa: E402
from rftools.weights.statistics.shapes import coordinates, inertia, rank_of, spans_box  # noqa: E402

NETS = ("torchvision:resnet152", "torchvision:vgg19", "torchvision:convnext_tiny")
SAMPLE = 2000  # kernels that the loop is timed on


def pruned(spec: str, amount: float = 0.9) -> nn.Module:
    torch.manual_seed(0)
    module = rf.load(spec).module
    with torch.no_grad():
        for child in module.modules():
            if isinstance(child, (nn.Conv2d, nn.Linear)):
                magnitude = child.weight.abs().flatten().numpy()
                keep = int(len(magnitude) * amount)
                child.weight[child.weight.abs() < float(np.partition(magnitude, keep)[keep])] = 0
    return module


def best(work: Callable[[], object], times: int) -> float:
    found = []
    for _ in range(times):
        begin = time.process_time()
        work()
        found.append(time.process_time() - begin)
    return min(found)


def loop_seconds(module: nn.Module) -> float:
    """What a Python loop over all kernels of the convolutions would take, from a sample of each layer's."""
    total = 0.0
    for layer in collect(module).layers:
        if len(layer.kernel) != 2 or min(layer.kernel) < 2:
            continue
        kernels = layer.weight.reshape(-1, int(np.prod(layer.kernel)))
        sample = kernels[: max(1, SAMPLE // 20)]
        positions = coordinates(layer.kernel)

        def work(sample: np.ndarray = sample, layer: object = layer, positions: np.ndarray = positions) -> None:
            for kernel in sample:
                alive = kernel[None] != 0
                rank_of(alive, layer.kernel)  # type: ignore[attr-defined]
                spans_box(alive, layer.kernel)  # type: ignore[attr-defined]
                _ = inertia(alive.astype(float), positions).angle

        total += best(work, 1) * len(kernels) / len(sample)
    return total


def report(spec: str) -> None:
    module = pruned(spec)
    weights = [layer.weight for layer in collect(module).layers]
    largest = max(weight.nbytes for weight in weights)

    survey(module)
    one_pass = best(lambda: [np.count_nonzero(weight) for weight in weights], 7)
    counts, directions = best(lambda: rf.sparsity(module), 5), best(lambda: rf.orientation(module), 5)
    both = best(lambda: survey(module), 5)
    loop = loop_seconds(module)
    tracemalloc.start()
    survey(module)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(
        f"{spec}: {sum(w.size for w in weights) / 1e6:.1f} M weights, one pass {1e3 * one_pass:.0f} ms; "
        f"survey {1e3 * both:.0f} ms: {both / one_pass:.1f} passes "
        f"(sparsity {1e3 * counts:.0f} ms and orientation {1e3 * directions:.0f} ms apart); "
        f"loop over kernels {loop:.0f} s: {loop / both:.0f} times as long; "
        f"peak {peak / largest:.2f} times the largest layer ({largest / 2**20:.0f} MiB)",
        flush=True,
    )


if __name__ == "__main__":
    for name in sys.argv[1:] or NETS:
        report(name)
