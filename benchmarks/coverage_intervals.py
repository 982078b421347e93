"""Do 95 % intervals of effective measures cover the truth in 95 %? And does --precision keep its promise?

Five small nets, three with random weights at noise and two that were trained, at photographs. The value from all
images of a net's pool is the truth, and repeats draw 20, 50 and 200 of them with replacement, so that a repeat is what
a user would get from so many images of that kind. Printed: for each measure and number of images, in how many repeats
the interval held the truth, and which measures miss 93 to 97 %; then how often the value at which --precision stopped
lies within its promise of the truth.

python benchmarks/coverage_intervals.py             # about an hour on two cores
python benchmarks/coverage_intervals.py 200         # fewer repeats
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import rftools as rf
from rftools.erf.chosen import Window
from rftools.erf.intervals import measure_all
from rftools.erf.measured import effective_maps
from rftools.erf.measures.registry import REGISTRY, UNSURE, Definition
from rftools.erf.precision import PrecisionGoal, grown
from rftools.erf.request import Request
from rftools.models.data import load_data

POOL = 10_000
IMAGES = (20, 50, 200)
SIDE = 20
EPOCHS = 6
PRECISE = ("radius_50", "ellipse_major", "relative_size")


def relu_chain() -> nn.Sequential:
    """Four 3x3 convolutions with relu."""
    layers: list[nn.Module] = []
    for inputs in (3, 8, 8, 8):
        layers += [nn.Conv2d(inputs, 8, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def dilated() -> nn.Sequential:
    """Dilations 1, 2, 3 with batch norm and relu: holes, and a field that fills most of the image."""
    layers: list[nn.Module] = []
    for inputs, dilation in ((3, 1), (8, 2), (8, 3)):
        layers += [nn.Conv2d(inputs, 8, 3, padding=dilation, dilation=dilation), nn.BatchNorm2d(8), nn.ReLU()]
    return nn.Sequential(*layers[:-2])


def pooled() -> nn.Sequential:
    """Wide kernels, a max pooling whose winners change from image to image, and a unit that looks sideways."""
    return nn.Sequential(
        nn.Conv2d(3, 8, (3, 5), padding=(1, 2)), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1)
    )


def trained(build: Callable[[], nn.Sequential]) -> nn.Sequential:
    """A net whose features tell apart the photographs that patches are cut from."""
    data, generator = load_data("patches", "train"), torch.Generator().manual_seed(0)
    net = build()
    head = nn.Linear(8, len(data.classes))
    steps = torch.optim.Adam([*net.parameters(), *head.parameters()], lr=3e-3)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(data), generator=generator).split(64):
            features = net(crops(data.images[chosen], generator)).amax((2, 3))
            loss = nn.functional.cross_entropy(head(features), data.labels[chosen])
            steps.zero_grad()
            loss.backward()
            steps.step()
    return net.eval()


def crops(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A random part of each picture as the nets take it."""
    rows, columns = torch.randint(0, images.shape[-1] - SIDE + 1, (2, len(images)), generator=generator).tolist()
    parts = [image[:, y : y + SIDE, x : x + SIDE] for image, y, x in zip(images, rows, columns, strict=True)]
    return torch.stack(parts).float() / 127.5 - 1


def photographs(count: int) -> torch.Tensor:
    """So many random parts of the held-out pictures."""
    data, generator = load_data("patches", "test"), torch.Generator().manual_seed(1)
    return crops(data.images[torch.randint(0, len(data), (count,), generator=generator)], generator)


NETS: dict[str, tuple[Callable[[], nn.Sequential], str]] = {
    "relu chain, white": (relu_chain, "white"),
    "dilated, pink": (dilated, "pink"),
    "pooled, pink": (pooled, "pink"),
    "dilated, trained": (lambda: trained(dilated), "photographs"),
    "pooled, trained": (lambda: trained(pooled), "photographs"),
}


def pool(build: Callable[[], nn.Sequential], kind: str, count: int = POOL) -> tuple[NDArray[np.float32], Window]:
    """The maps of ``count`` images of the net's last layer, cut to its window, and where that lies."""
    torch.manual_seed(3)
    net = build()
    images = photographs(count) if kind == "photographs" else kind
    asked = Request(str(len(net) - 1), input_size=(3, SIDE, SIDE), count=count, batch_size=256, seed=1)
    found = effective_maps(net, images, asked)
    (name,) = found.sample.maps
    window = found.windows[name]
    return found.sample.maps[name][(slice(None), *window.box)], window


def covered(
    maps: NDArray[np.float32], window: Window, definitions: dict[str, Definition], repeats: int, images: int
) -> dict[str, float]:
    """In which share of repeats the interval of each measure holds the value from all maps."""
    truth = {
        name: m.value
        for name, m in measure_all(maps.mean(0, dtype=np.float64)[None], window.frame, definitions, seed=0).items()
    }
    hits = dict.fromkeys(truth, 0)
    draw = np.random.default_rng(7)
    for repeat in range(repeats):
        sample = maps[draw.integers(len(maps), size=images)]
        for name, found in measure_all(sample, window.frame, definitions, seed=repeat).items():
            hits[name] += holds(found.low, found.high, truth[name], found.unit)
    return {name: np.nan if definitions[name].no_interval else n / repeats for name, n in hits.items()}


def holds(low: float | None, high: float | None, truth: float | None, unit: str) -> bool:
    """Whether an interval holds the truth; an angle's is on the circle of 180 degrees. No value has no interval."""
    if truth is None:
        return low is None
    if low is None or high is None:
        return False
    if unit == "degrees":
        return (truth - low) % 180 <= high - low
    return low - 1e-9 * abs(truth) <= truth <= high + 1e-9 * abs(truth)


def between(drawn: NDArray[np.float32], first: int, last: int) -> dict[str, NDArray[np.float32]]:
    """The maps of the images from ``first`` up to ``last``, as a measurement would give them."""
    return {"layer": drawn[first:last]}


def kept(maps: NDArray[np.float32], window: Window, precision: float, repeats: int) -> tuple[dict[str, float], float]:
    """How often the value where --precision stopped is within its promise, and the mean of the images taken."""
    definitions = {name: REGISTRY[name] for name in PRECISE}
    promise = PrecisionGoal(precision, 2000, {"layer": window}, definitions)
    truth = measure_all(maps.mean(0, dtype=np.float64)[None], window.frame, definitions, seed=0)
    hits, taken = dict.fromkeys(PRECISE, 0), 0
    draw = np.random.default_rng(8)
    for repeat in range(repeats):
        drawn = maps[draw.integers(len(maps), size=2000)]
        sample, _ = grown(promise, partial(between, drawn), 2000, repeat)
        values = measure_all(sample["layer"].mean(0, dtype=np.float64)[None], window.frame, definitions, seed=0)
        taken += len(sample["layer"])
        for name in PRECISE:
            found, wanted = values[name].value or 0.0, truth[name].value or 0.0
            hits[name] += abs(found - wanted) <= precision * abs(wanted)
    return {name: n / repeats for name, n in hits.items()}, taken / repeats


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n{title}")
    for row in [["", *columns], *rows]:
        print(f"{row[0]:22}" + "".join(f"{cell:>20}" for cell in row[1:]))


def _marked(share: float) -> str:
    return "none " if np.isnan(share) else f"{100 * share:.1f} %" + (" " if 0.93 <= share <= 0.97 else "*")


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    begin = time.perf_counter()
    definitions = {  # an interval that holds too seldom is not shown, but measured here
        name: replace(d, no_interval="") if d.no_interval == UNSURE else d
        for name, d in REGISTRY.items()
        if 2 in d.ranks
    }
    pools = {name: pool(*net) for name, net in NETS.items()}
    print(f"pools of {POOL} images: {time.perf_counter() - begin:.0f} s", flush=True)
    for images in IMAGES:
        found = {name: covered(*own, definitions, repeats, images) for name, own in pools.items()}
        rows = [[measure, *(_marked(found[name][measure]) for name in NETS)] for measure in definitions]
        title = f"coverage of 95 % intervals, {images} images, {repeats} repeats (* outside 93 to 97 %)"
        show(title, list(NETS), rows)
        print(f"{time.perf_counter() - begin:.0f} s", flush=True)
    rows = []
    for precision in (0.05, 0.02):
        results = {name: kept(*own, precision, repeats // 2) for name, own in pools.items()}
        for measure in PRECISE:
            rows.append([f"{measure} {precision:.0%}", *(f"{100 * results[name][0][measure]:.1f} %" for name in NETS)])
        rows.append([f"images, {precision:.0%}", *(f"{results[name][1]:.0f}" for name in NETS)])
    show(f"--precision: within its promise of the truth, {repeats // 2} repeats", list(NETS), rows)
    print(f"{time.perf_counter() - begin:.0f} s with torch {torch.__version__}, rftools {rf.__version__}")


if __name__ == "__main__":
    main()
