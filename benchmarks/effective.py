"""Effective fields of every convolution of a net: ours, captum in a loop, and one forward with a backward a layer.

    python benchmarks/effective.py --model torchvision:resnet50 --pixels 224 512 1024

Prints seconds of processor time, which other programs on the machine don't lengthen (the best of ``--repeats``: the
first also pays for warming up; on CUDA seconds of the clock), how many times ours goes into them, the peak of memory
over one forward pass's kept activations and, beside them, the largest difference of the mean maps as a share of the
map's maximum. The capture, which the theoretical fields need anyway, is printed on its own. ``--late`` asks for one
late layer alone. With CUDA the same runs there too.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from captum.attr import NeuronGradient
from torch import nn

import rftools as rf
from rftools.capture import Graph, capture
from rftools.erf.gradients import layer_maps
from rftools.erf.seeds import Target

Maps = dict[str, torch.Tensor]
MMAP_THRESHOLD = -3  # of mallopt


def ours(module: nn.Module, x: torch.Tensor, targets: list[Target], graph: Graph | None) -> Maps:
    found = layer_maps(module, x, targets, aggregation="abs", device=x.device, batch_size=len(x), seed=0, graph=graph)
    return {name: torch.from_numpy(maps).mean(0) for name, maps in found.items()}


def captum_loop(module: nn.Module, x: torch.Tensor, targets: list[Target]) -> Maps:
    modules = dict(module.named_modules())
    found = {}
    for target in targets:
        method = NeuronGradient(module, modules[target.path])
        place = target.place
        gradient = method.attribute(x.clone().requires_grad_(), lambda y, at=place: y[(..., *at)].sum(1))
        found[target.name] = gradient.detach().abs().mean((0, 1)).cpu()
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
        found[t.name] = gradient.abs().mean((0, 1)).cpu()
    return found


def timed(way: Callable[[], Maps], device: torch.device) -> tuple[float, Maps]:
    """Seconds and the maps."""
    cuda = device.type == "cuda"
    clock = time.perf_counter if cuda else time.process_time
    start = clock()
    maps = way()
    if cuda:
        torch.cuda.synchronize()
    return clock() - start, maps


def peak_of(way: Callable[[], Maps], device: torch.device) -> int | None:
    """Bytes at the peak, in a run of its own in which freed memory goes back to the system at once."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        way()
        return torch.cuda.max_memory_allocated() - before
    library = settle(smallest_mapped=1 << 16)
    start = resident("VmRSS")
    way()
    peak = resident("VmHWM")
    if library is not None:
        library.mallopt(MMAP_THRESHOLD, 1 << 25)
    return None if peak is None or start is None else peak - start


def settle(smallest_mapped: int) -> Any:
    """Give freed memory back and start the peak anew, where the system allows it; returns the C library."""
    gc.collect()
    try:
        library = ctypes.CDLL("libc.so.6")
        library.mallopt(MMAP_THRESHOLD, smallest_mapped)
        library.malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return library


def resident(entry: str) -> int | None:
    """A line of the process's status in bytes; None where there is no such thing."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith(entry))


def kept_by_forward(module: nn.Module, x: torch.Tensor) -> int:
    """Bytes that autograd keeps of one forward pass, weights left out."""
    own = {p.untyped_storage().data_ptr() for p in (*module.parameters(), *module.buffers())}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = module(x.clone().requires_grad_())  # noqa: F841 (what is kept stays as long as y)
    return sum(kept.values())


def compare(options: argparse.Namespace, pixels: int, device: torch.device) -> None:
    size = (3, pixels, pixels)
    module = rf.load(options.model, input_size=size).module.eval().to(device)
    targets = convolutions(module, size)[-2:-1] if options.late else convolutions(module, size)
    x = torch.randn(options.images, *size, generator=torch.Generator().manual_seed(0)).to(device)
    start = time.perf_counter()
    graph = capture(module, size)
    print(f"{options.model}, {len(targets)} convolutions, {options.images} x {size}, {device},", end=" ")
    print(f"{torch.get_num_threads()} threads; capture {time.perf_counter() - start:.2f} s")
    ways: dict[str, Callable[[], Maps]] = {
        "rftools": lambda: ours(module, x, targets, graph),
        "one forward + autograd.grad": lambda: shared_forward(module, x, targets),
        "captum loop": lambda: captum_loop(module, x, targets),
    }
    if options.no_captum:
        del ways["captum loop"]
    report(ways, options.repeats, device, kept_by_forward(module, x))


def convolutions(module: nn.Module, size: tuple[int, ...]) -> list[Target]:
    modules = dict(module.named_modules())
    kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    rows = [r for r in rf.theoretical(module, input_size=size) if isinstance(modules.get(r.name), kinds)]
    return [Target(r.name, r.unit_dims, r.unit) for r in rows if r.unit]


def report(ways: dict[str, Callable[[], Maps]], repeats: int, device: torch.device, kept: int) -> None:
    best: dict[str, float] = {}
    found: dict[str, Maps] = {}
    peaks = {name: peak_of(way, device) for name, way in ways.items() if "captum" not in name}
    for _ in range(repeats):  # in turns, so that a busy machine slows all of them
        for name, way in ways.items():
            seconds, found[name] = timed(way, device)
            best[name] = min(best.get(name, seconds), seconds)
    base = found["rftools"]
    for name, maps in found.items():
        apart = max(float((maps[k] - base[k]).abs().max() / base[k].max().clamp_min(1e-30)) for k in base)
        memory = (
            "" if peaks[name] is None else f"   peak {peaks[name] / kept:5.2f} of one forward's {kept / 1e6:.0f} MB"
        )
        print(f"  {name:<28}{best[name]:8.2f} s  {best[name] / best['rftools']:6.2f} times ours{memory}", end="")
        print(f"   differs by {apart:.1e} of the maximum")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="torchvision:resnet50")
    parser.add_argument("--pixels", type=int, nargs="+", default=[224, 512, 1024])
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--late", action="store_true", help="one late layer alone")
    parser.add_argument("--no-captum", action="store_true", help="leave out the slowest way")
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    devices: list[Any] = [torch.device("cpu")] + [torch.device("cuda")] * torch.cuda.is_available()
    for device in devices:
        for pixels in options.pixels:
            compare(options, pixels, device)


if __name__ == "__main__":
    main()
