"""Are p-values uniform where there is no direction, do they find one, and do intervals hold what they are for?

    python benchmarks/calibration.py [--layers 300] [--part nulls|shared|power|intervals] [--most 65536]

Layers of random masks, end to end as `rftools.orientation` takes them: of every kernel size, with one number of taps, a
mixture, or what magnitude pruning of Gaussian weights leaves (90 %), taps one or two steps apart, 12 to 65,536 kernels,
at ten seeds of the null. p_lattice should reject 5 % at 5 % and be uniform (Kolmogorov-Smirnov), or be on the safe side
where a handful of layers is all that there can be; Kuiper's and Rao's tests, which take angles to be continuous, reject
what is perfectly random. Shared masks: each filter has one for all its 16
inputs. Power: a share of the kernels gets its taps along x. Intervals: the share of them that hold the true value. Of
4,096 kernels and more a quarter of the layers are drawn.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from scipy import stats  # noqa: E402

from rftools.weights.kernels import Kernels  # noqa: E402
from rftools.weights.orientation import Directing  # noqa: E402
from rftools.weights.results import LayerOrientation  # noqa: E402
from rftools.weights.statistics.shapes import coordinates, inertia  # noqa: E402

SEEDS = 10
NUMBERS = (12, 200, 4096, 65_536)
SQUARE = ((1.0, 1.0), (2.0, 1.0), (1.0, 2.0))
LATTICES = {
    (2, 2): SQUARE, (3, 3): SQUARE, (4, 4): SQUARE, (5, 5): SQUARE, (6, 6): SQUARE, (7, 7): SQUARE,
    (3, 7): SQUARE, (3, 3, 3): ((1.0, 1.0, 1.0), (1.0, 2.0, 2.0)),
}  # fmt: skip
ALL = ((np.arange(512)[:, None] >> np.arange(9)) & 1).astype(bool)  # every mask of 3 x 3
Draw = np.random.Generator


def masks(draw: Draw, kernel: tuple[int, ...], taps: str, number: int) -> np.ndarray:
    """Random masks ``(number, taps)``: of ``2`` taps, of ``2-5``, or what pruning by ``magnitude`` leaves."""
    size = int(np.prod(kernel))
    weights = draw.random((number, size), dtype=np.float32)
    if taps == "magnitude":
        return np.asarray(weights >= np.partition(weights.ravel(), int(0.9 * weights.size))[int(0.9 * weights.size)])
    few, _, many = taps.partition("-")
    own = draw.integers(int(few), int(many or few) + 1, number)
    return np.asarray(weights.argsort(axis=1).argsort(axis=1) < own[:, None])


def row_of(
    directing: Directing, alive: np.ndarray, kernel: tuple[int, ...], step: tuple[float, ...], filters: int = 0
) -> LayerOrientation:
    """A layer of masks as `orientation` has it; ``filters`` 0 is one kernel a filter."""
    directing.jumps = {"layer": step}
    weight = alive.astype(np.float32).reshape(filters or len(alive), -1, *kernel)
    return directing.layer(Kernels("layer", weight, None, (1,) * len(kernel)))


def lattices(most: int) -> Iterator[tuple[tuple[int, ...], tuple[float, ...], str, int]]:
    for kernel, steps in LATTICES.items():
        mixture = "2-3" if kernel == (2, 2) else "2-7"
        for step in steps:
            for taps in ("2", mixture, "magnitude"):
                for number in NUMBERS:
                    if number <= (4096 if len(kernel) == 3 else most):
                        yield kernel, step, taps, number


def nulls(layers: int, most: int, only: tuple[str, ...]) -> None:
    print(f"Random layers ({layers}, a quarter from 4,096 kernels): rejected at 5 %, in %")
    print("| kernel | steps | taps | kernels | p lattice | KS p | Rayleigh | Kuiper | Rao | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for kernel, step, taps, number in lattices(most):
        if only and "x".join(map(str, kernel)) not in only:
            continue
        directings = [Directing(seed=seed, independent="kernels") for seed in range(SEEDS)]
        draw, began = np.random.default_rng((number, len(taps), *kernel)), time.process_time()
        rows = []
        for place in range(layers if number < 4096 else layers // 4):
            alive = masks(draw, kernel, taps, number)
            rows.append(row_of(directings[place % SEEDS], alive, kernel, step))
        p = np.array([row.p_lattice for row in rows if row.p_lattice is not None])
        others = [[getattr(r, name) for r in rows if getattr(r, name) is not None] for name in CONTINUOUS]
        rates = " | ".join(f"{100 * (np.array(o) < 0.05).mean():.0f}" if o else "" for o in others)
        uniform = stats.kstest(p, "uniform").pvalue if len(p) else np.nan
        words = ("x".join(map(str, kernel)), ",".join(f"{s:g}" for s in step), taps, str(number))
        seconds = time.process_time() - began
        print(
            f"| {' | '.join(words)} | {100 * (p < 0.05).mean():.1f} | {uniform:.3f} | {rates} | {seconds:.0f} |",
            flush=True,
        )


CONTINUOUS = ("p_rayleigh", "p_kuiper", "p_rao")


def shared(layers: int, *_: object) -> None:
    print(f"\nOne mask for all 16 inputs of a filter ({layers} random layers): rejected at 5 %, in %")
    print("| kernel | steps | filters | by kernels | by auto | KS p of auto |\n| --- | --- | --- | --- | --- | --- |")
    for kernel, step in (((3, 3), (1.0, 1.0)), ((3, 3), (2.0, 1.0)), ((5, 5), (1.0, 1.0)), ((3, 7), (1.0, 1.0))):
        ways = {how: Directing(independent=how) for how in ("kernels", "auto")}
        for filters in (12, 64, 512):
            draw = np.random.default_rng((filters, *kernel))
            found: dict[str, list[float]] = {how: [] for how in ways}
            for _place in range(layers):
                alive = np.repeat(masks(draw, kernel, "2-5", filters), 16, axis=0)
                for how, directing in ways.items():
                    found[how].append(row_of(directing, alive, kernel, step, filters).p_lattice or 1.0)
            rates = " | ".join(f"{100 * (np.array(p) < 0.05).mean():.1f}" for p in found.values())
            uniform = stats.kstest(found["auto"], "uniform").pvalue
            print(f"| {kernel} | {step} | {filters} | {rates} | {uniform:.3f} |", flush=True)


def planted(draw: Draw, number: int, share: float) -> np.ndarray:
    """Masks of 2 to 4 taps, a share of them with its axis along x."""
    angle = inertia(ALL.astype(float), coordinates((3, 3))).angle
    along = np.flatnonzero((np.abs(np.nan_to_num(angle, nan=9.0)) < 1e-9) & (ALL.sum(1) < 5))
    alive = masks(draw, (3, 3), "2-4", number)
    chosen = draw.random(number) < share
    alive[chosen] = ALL[draw.choice(along, int(chosen.sum()))]
    return alive


def power(layers: int, *_: object) -> None:
    shares = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
    print(f"\nPower at 5 % (share of {layers} layers in %): a share of kernels of 3 x 3 lies along x")
    print("| kernels | " + " | ".join(f"{100 * s:g} %" for s in shares) + " |\n| --- |" + " --- |" * len(shares))
    directing = Directing(independent="kernels")
    for number in (12, 200, 2000, 20_000):
        draw, found = np.random.default_rng((number, 77)), []
        for share in shares:
            rows = [row_of(directing, planted(draw, number, share), (3, 3), (1.0, 1.0)) for _place in range(layers)]
            found.append(100 * np.mean([(row.p_lattice or 1.0) < 0.05 for row in rows]))
        print(f"| {number} | " + " | ".join(f"{f:.0f}" for f in found) + " |", flush=True)


def intervals(layers: int, *_: object) -> None:
    """The truth is that of a layer of 200,000 kernels."""
    print(f"\nIntervals of {layers} layers that hold the true value, in % (3 x 3, a share of the kernels along x)")
    print("| share | true R | independent | R | mean angle | anisotropy | pooled anisotropy |\n" + "| --- " * 7 + "|")
    directing = Directing(independent="kernels")
    by_filter = Directing(independent="filters")
    for share in (0.0, 0.1, 0.3, 0.6, 0.9, 0.95, 0.99):
        draw = np.random.default_rng(int(100 * share))
        truth = row_of(directing, planted(draw, 200_000, share), (3, 3), (1.0, 1.0))
        for number in (5, 12, 30, 100, 400, 4000):
            rows = [row_of(directing, planted(draw, number, share), (3, 3), (1.0, 1.0)) for _place in range(layers)]
            print(f"| {share} | {truth.resultant:.3f} | {number} kernels | {held(rows, truth, share)} |", flush=True)
        rows = []
        for _place in range(layers):
            alive = np.repeat(planted(draw, 30, share), 16, axis=0)
            rows.append(row_of(by_filter, alive, (3, 3), (1.0, 1.0), 30))
        print(f"| {share} | {truth.resultant:.3f} | 30 filters of 16 | {held(rows, truth, share)} |", flush=True)


def held(rows: list[LayerOrientation], truth: LayerOrientation, share: float) -> str:
    assert truth.pooled is not None
    r, pooled = (0.0, 0.0) if share == 0 else (truth.resultant, truth.pooled.anisotropy)
    found = [inside(r, [(row.resultant_low, row.resultant_high) for row in rows])]
    axes: list[tuple[float | None, float | None]] = []
    for row in rows:
        if row.angle_low is not None and row.angle_high is not None and row.mean_angle is not None:
            turns = 180 * round(row.mean_angle / 180)
            axes.append((row.angle_low - turns, row.angle_high - turns))
    found.append(inside(0.0, axes) if share else "")
    found.append(inside(truth.anisotropy, [(row.anisotropy_low, row.anisotropy_high) for row in rows]))
    found.append(inside(pooled, [(row.pooled.low, row.pooled.high) for row in rows if row.pooled is not None]))
    return " | ".join(found)


def inside(value: float | None, ends: list[tuple[float | None, float | None]]) -> str:
    known = [(a, b) for a, b in ends if a is not None and b is not None]
    assert value is not None
    return f"{100 * np.mean([a <= value + 1e-9 <= b + 2e-9 for a, b in known]):.1f}" if known else ""


PARTS: dict[str, Callable[[int, int, tuple[str, ...]], None]] = {
    "nulls": nulls,
    "shared": shared,
    "power": power,
    "intervals": intervals,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--layers", type=int, default=300)
    parser.add_argument("--most", type=int, default=65_536, help="Kernels of a layer.")
    parser.add_argument("--kernel", action="append", default=[], help="Only of this size (3x3), of the nulls.")
    parser.add_argument("--part", choices=PARTS, action="append")
    given = parser.parse_args()
    began = time.perf_counter()
    for part in given.part or PARTS:
        PARTS[part](given.layers, given.most, tuple(given.kernel))
    print(f"\n{time.perf_counter() - began:.0f} s")
