"""Effective fields of every convolution of a net: ours, captum in a loop, and one forward with a backward a layer.

    python benchmarks/effective.py --model torchvision:resnet50 --pixels 224

Prints seconds (the best of ``--repeats``: the first also pays for warming up) and, beside them, the largest difference
of the mean maps as a share of the map's maximum.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from captum.attr import NeuronGradient
from torch import nn

import rftools as rf
from rftools.erf.gradients import Target, layer_maps

Maps = dict[str, torch.Tensor]


def ours(module: nn.Module, x: torch.Tensor, targets: list[Target]) -> Maps:
    found = layer_maps(module, x, targets, aggregation="abs", device=torch.device("cpu"), batch_size=len(x), seed=0)
    return {name: torch.from_numpy(maps).mean(0) for name, maps in found.items()}


def captum_loop(module: nn.Module, x: torch.Tensor, targets: list[Target]) -> Maps:
    modules = dict(module.named_modules())
    found = {}
    for target in targets:
        method = NeuronGradient(module, modules[target.path])
        place = target.place
        gradient = method.attribute(x.clone().requires_grad_(), lambda y, at=place: y[(..., *at)].sum(1))
        found[target.name] = gradient.detach().abs().mean((0, 1))
    return found


def shared_forward(module: nn.Module, x: torch.Tensor, targets: list[Target]) -> Maps:
    modules, outputs = dict(module.named_modules()), {}
    x = x.clone().requires_grad_()
    handles = [
        modules[t.path].register_forward_hook(lambda _m, _a, y, name=t.name: outputs.update({name: y}) or y.clone())
        for t in targets
    ]
    try:
        module(x)
    finally:
        for handle in handles:
            handle.remove()
    found = {}
    for t in targets:
        (gradient,) = torch.autograd.grad(outputs[t.name][(..., *t.place)].sum(), x, retain_graph=True)
        found[t.name] = gradient.abs().mean((0, 1))
    return found


def timed(way: Callable[[], Maps], repeats: int) -> tuple[float, Maps]:
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        maps = way()
        best = min(best, time.perf_counter() - start)
    return best, maps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="torchvision:resnet50")
    parser.add_argument("--pixels", type=int, default=224)
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    torch.manual_seed(0)
    size = (3, options.pixels, options.pixels)
    module = rf.load(options.model, input_size=size).module.eval()
    modules = dict(module.named_modules())
    rows = [r for r in rf.theoretical(module, input_size=size) if isinstance(modules.get(r.name), nn.Conv2d)]
    targets = [Target(r.name, r.unit_dims, r.unit) for r in rows if r.unit]
    x = torch.randn(options.images, *size)
    print(f"{options.model}, {len(targets)} convolutions, {options.images} x {size}, {torch.get_num_threads()} threads")
    ways = {"rftools": ours, "one forward + autograd.grad": shared_forward, "captum loop": captum_loop}
    base: Maps = {}
    for name, way in ways.items():
        seconds, maps = timed(lambda way=way: way(module, x, targets), options.repeats)
        base = base or maps
        apart = max(float((maps[k] - base[k]).abs().max() / base[k].max().clamp_min(1e-30)) for k in base)
        print(f"{name:<30}{seconds:8.2f} s   differs from rftools by {apart:.1e} of the maximum")


if __name__ == "__main__":
    main()
