"""Effective fields of every convolution of a net: ours, captum in a loop, and one forward with a backward a layer.

    python benchmarks/effective.py --model torchvision:resnet50 --pixels 224 512 1024

Prints seconds of processor time, which other programs on the machine don't lengthen (the best of ``--repeats``: the
first also pays for warming up; on CUDA seconds of the clock), how many times ours goes into them and how many times is
aimed at, the peak of memory over one forward pass's kept activations and, beside them, the largest difference of the
mean maps as a share of the map's maximum. The capture, which the theoretical fields need anyway, is printed on its own.

Captum takes a forward and a backward pass a layer: above 224 pixels it is given every sixth or twelfth layer (the
line says how many), and its seconds are scaled to all of them. ``--late`` asks for one late layer alone;
``--transformers`` takes ConvNeXt, Swin and a vision transformer; ``--aims`` prints everything that is aimed at: all
layers at the three sizes, one late layer, and those nets. Above the times stands which share of whole gradients'
multiplications lies inside the windows; what is faster than that share allows is saved around the products.
``--whole`` times `rftools.effective` from the module to the measured result, capture and measures included, by
medians. With CUDA the same runs there too.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from captum.attr import NeuronGradient
from torch import nn

import rftools as rf
from rftools.capture import Graph, capture
from rftools.erf.maps.cone import Cone, NodeUnit
from rftools.erf.maps.gradients import layer_maps
from rftools.erf.maps.options import MapOptions
from rftools.runtime.outputs import call_of
from rftools.units import Unit, choose, unit_of

Maps = dict[str, torch.Tensor]
MIXING = {"torchvision:convnext_tiny": 2.5, "torchvision:swin_t": 2.0, "timm:vit_small_patch16_224": 1.3}  # and aims
MMAP_THRESHOLD = -3  # of mallopt


def ours(module: nn.Module, x: torch.Tensor, targets: list[Unit], graph: Graph | None) -> Maps:
    found = layer_maps(module, x, targets, MapOptions(device=x.device, batch_size=len(x)), graph=graph)
    return {name: torch.from_numpy(maps).mean(0) for name, maps in found.items()}


def whole_call(module: nn.Module, x: torch.Tensor, targets: list[Unit]) -> Maps:
    """As a user calls it: the module is captured, all measures are worked out."""
    result = rf.effective(module, x.cpu(), layers=[t.layer for t in targets], batch_size=len(x), device=x.device.type)
    return {row.name: torch.from_numpy(row.map) for row in result}


def captum_loop(module: nn.Module, x: torch.Tensor, targets: list[Unit]) -> Maps:
    modules = dict(module.named_modules())
    found = {}
    for target in targets:
        method = NeuronGradient(module, modules[call_of(target.layer)[0]])
        gradient = method.attribute(x.clone().requires_grad_(), lambda y, t=target: t.rows(t.of(y)).sum(1))
        found[target.layer] = gradient.detach().abs().mean((0, 1)).cpu()
    return found


def shared_forward(module: nn.Module, x: torch.Tensor, targets: list[Unit]) -> Maps:
    modules, outputs = dict(module.named_modules()), {}
    x = x.clone().requires_grad_()
    handles = [
        modules[call_of(t.layer)[0]].register_forward_hook(
            lambda _m, _a, y, name=t.layer: outputs.update({name: y}) or y.clone()
        )
        for t in targets
    ]
    try:
        module(x)
    finally:
        for handle in handles:
            handle.remove()
    found = {}
    for t in targets:
        (gradient,) = torch.autograd.grad(t.of(outputs[t.layer]).sum(), x, retain_graph=True)
        found[t.layer] = gradient.abs().mean((0, 1)).cpu()
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


@dataclass(frozen=True)
class Way:
    """A way to the maps: ``times`` is the aim (how many times ours), ``layers`` how many it was given of all."""

    run: Callable[[], Maps]
    times: float | None = None
    layers: int | None = None
    measured: bool = True


WHOLE = {224: 1.8, 512: 6.5, 1024: 25.0}  # of the whole call, against one forward
AIMS = {224: (2.0, 6.0), 512: (6.5, 20.0), 1024: (25.0, 75.0)}  # against one forward, against captum
EVERY = {224: 1, 512: 6, 1024: 12}  # layers that captum is given
LATE = 1 / 1.05  # plain autograd over ours, where one late layer is asked, or the net takes the fallback


def compare(options: argparse.Namespace, model: str, pixels: int, device: torch.device, late: bool = False) -> None:
    size = (3, pixels, pixels)
    module = rf.load(model, input_size=size).module.eval().to(device)
    start = time.perf_counter()
    graph = capture(module, size)
    seconds = time.perf_counter() - start
    plain = late or model in MIXING
    targets = (weighted if model in MIXING else convolutions)(module, size, graph)
    targets = targets[-2:-1] if late else targets
    x = torch.randn(options.images, *size, generator=torch.Generator().manual_seed(0)).to(device)
    print(f"{model}, {len(targets)} layers{' (a late one)' * late}, {options.images} x {size}, {device},", end=" ")
    print(f"{torch.get_num_threads()} threads; capture {seconds:.2f} s", flush=True)
    print(f"  of whole gradients' multiplications {work_left(graph, targets, device):.2f} lie inside the windows")
    aims: tuple[float | None, float | None] = AIMS.get(pixels, (None, None))
    if plain:
        aims = (LATE if late else MIXING[model], None)
    if options.whole:
        aims = (WHOLE.get(pixels), None)
    ways = {
        "rftools": Way(lambda: whole_call(module, x, targets) if options.whole else ours(module, x, targets, graph)),
        "one forward + autograd.grad": Way(lambda: shared_forward(module, x, targets), aims[0]),
    }
    if not options.no_captum and not plain and not options.whole:
        every = EVERY.get(pixels, 1)
        sample = targets[every // 2 :: every]
        ways["captum loop"] = Way(lambda: captum_loop(module, x, sample), aims[1], len(sample), measured=False)
    middle = statistics.median if options.whole else min
    report(ways, len(targets), (options.repeats, middle), device, kept_by_forward(module, x))


def work_left(graph: Graph, targets: list[Unit], device: torch.device) -> float:
    """The share of whole gradients' multiplications that the windows of the targets hold."""
    nodes = {layer.name: layer.node for layer in graph.layers}
    units = [NodeUnit(nodes[unit.layer], unit.dims, unit.place) for unit in targets]
    return Cone(graph, units, device).plan.share_of_work(len(units))


def weighted(module: nn.Module, size: tuple[int, ...], graph: Graph) -> list[Unit]:
    """All layers that hold weights."""
    rows = choose(rf.theoretical(module, input_size=size, graph=graph), module, None)
    return [unit_of(r) for r in rows if r.unit]


def convolutions(module: nn.Module, size: tuple[int, ...], graph: Graph) -> list[Unit]:
    kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    return [t for t in weighted(module, size, graph) if isinstance(module.get_submodule(call_of(t.layer)[0]), kinds)]


def report(
    ways: dict[str, Way],
    layers: int,
    runs: tuple[int, Callable[[list[float]], float]],
    device: torch.device,
    kept: int,
) -> None:
    repeats, middle = runs
    taken: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, Maps] = {}
    peaks = {name: peak_of(way.run, device) for name, way in ways.items() if way.measured}
    for _ in range(repeats):  # in turns, so that a busy machine slows all of them
        for name, way in ways.items():
            seconds, found[name] = timed(way.run, device)
            seconds *= 1 if way.layers is None else layers / way.layers
            taken[name].append(seconds)
    best = {name: middle(seconds) for name, seconds in taken.items()}
    for name, way in ways.items():
        print(line(name, way, layers, best, apart(found[name], found["rftools"]), peaks.get(name), kept), flush=True)


def apart(maps: Maps, base: Maps) -> float:
    """The largest difference of two ways' maps, as a share of each map's maximum."""
    return max(float((maps[k] - base[k]).abs().max() / base[k].max().clamp_min(1e-30)) for k in maps)


def line(name: str, way: Way, layers: int, best: dict[str, float], differs: float, peak: int | None, kept: int) -> str:
    sampled = way.layers is not None and way.layers < layers
    label = f"{name} ({way.layers} of {layers}, scaled)" if sampled else name
    aim = "" if way.times is None else f" (aim {way.times:.3g})"
    memory = "" if peak is None else f"   peak {peak / kept:5.2f} of one forward's {kept / 1e6:.0f} MB"
    times = f"{best[name] / best['rftools']:6.2f} times ours{aim:<11}"
    return f"  {label:<32}{best[name]:8.2f} s  {times}{memory}   differs by {differs:.1e} of the maximum"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="torchvision:resnet50")
    parser.add_argument("--pixels", type=int, nargs="+", default=[224, 512, 1024])
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--late", action="store_true", help="one late layer alone")
    parser.add_argument("--whole", action="store_true", help="the whole call, medians")
    parser.add_argument("--no-captum", action="store_true", help="leave out the slowest way")
    parser.add_argument("--aims", action="store_true", help="everything that is aimed at, in one run")
    parser.add_argument("--transformers", action="store_true", help="ConvNeXt, Swin and a vision transformer")
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    devices: list[Any] = [torch.device("cpu")] + [torch.device("cuda")] * torch.cuda.is_available()
    for device in devices:
        for pixels in () if options.transformers else options.pixels:
            compare(options, options.model, pixels, device, options.late)
        if options.aims:
            compare(options, options.model, 224, device, late=True)
        for model in MIXING if options.aims or options.transformers else ():
            compare(options, model, 224, device, options.late)


if __name__ == "__main__":
    main()
