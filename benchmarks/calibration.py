"""Are p-values uniform where there is no direction, do they find one, and do intervals hold what they are for?

    python benchmarks/calibration.py [--layers 300] [--part nulls] [--kernel 3x3] [--again 0.03]
    python benchmarks/calibration.py --read docs/calibration.md

Nulls: layers of random masks of every kernel size, with two taps, a mixture, or what magnitude pruning of Gaussian
weights leaves (90 %), taps one or two steps apart, 12 to 65,536 kernels. Planar layers are drawn and summed many at a
time, a row's steps share them, and the first of each row also goes through `rftools.orientation`'s own rows: its p must
be the same to 1e-9. p_lattice should reject 5 % at 5 % and be uniform (Kolmogorov-Smirnov), or be on the safe side
where a handful of layers is all that there can be. Where p draws or samples something (``how``: draws, sampled), layers
take ten seeds in turn; where it does not, all seeds give the same p. A rate further from 5 % than ``--again`` is
counted once more on fresh layers, ten times as many: a second row says what came out.

Shared masks: each filter has one for all its 16 inputs. Power: a share of the kernels gets its taps along x. Intervals:
the share of them that hold the true value, and how many layers have one. ``--read`` sums up a page of these tables.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from scipy import stats  # noqa: E402

from rftools.weights.kernels import Kernels  # noqa: E402
from rftools.weights.orientation import Directing  # noqa: E402
from rftools.weights.results import LayerOrientation  # noqa: E402
from rftools.weights.statistics.axes_clusters import orders_of  # noqa: E402
from rftools.weights.statistics.axes_test import sphere_test  # noqa: E402
from rftools.weights.statistics.axial import rayleigh  # noqa: E402
from rftools.weights.statistics.continuous import kuiper, rao  # noqa: E402
from rftools.weights.statistics.lattice import LatticeTest, lattice_test  # noqa: E402
from rftools.weights.statistics.null import Null  # noqa: E402
from rftools.weights.statistics.null_axes import SphereNull  # noqa: E402
from rftools.weights.statistics.shapes import Inertia, coordinates, inertia  # noqa: E402
from rftools.weights.statistics.sphere import longest_axes, products, tensors  # noqa: E402

Step = tuple[float, ...]
SEEDS = 10
NUMBERS = (12, 200, 4096, 65_536)
SQUARE: tuple[Step, ...] = ((1.0, 1.0), (2.0, 1.0), (1.0, 2.0))
KERNELS = ((2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7), (3, 7), (3, 3, 3))
IN_3D: tuple[Step, ...] = ((1.0, 1.0, 1.0), (1.0, 2.0, 2.0))
CONTINUOUS_UP_TO = 200  # kernels, at equal steps: beyond, tests that take angles to be continuous reject all
BLOCK = 1 << 21  # taps drawn at a time
ALL = ((np.arange(512)[:, None] >> np.arange(9)) & 1).astype(bool)  # every mask of 3 x 3
Draw = np.random.Generator
Ends = tuple[float | None, float | None]
Nulls = dict[Step, list[Null]]  # at each seed


def masks(draw: Draw, kernel: tuple[int, ...], taps: str, number: int) -> np.ndarray:
    """Random masks ``(number, taps)``: of ``2`` taps, of ``2-5``, or what pruning by ``magnitude`` leaves."""
    size = int(np.prod(kernel))
    if taps == "magnitude":
        weights = draw.random((number, size), dtype=np.float32)
        return np.asarray(weights >= np.partition(weights.ravel(), int(0.9 * weights.size))[int(0.9 * weights.size)])
    few, _, many = taps.partition("-")
    keys = draw.integers(0, 1 << 26, (number, size), dtype=np.uint32) * np.uint32(64) + np.arange(size, dtype=np.uint32)
    own = draw.integers(int(few), int(many or few) + 1, number)  # keys differ, so that so many are the smallest
    return np.asarray(keys <= np.take_along_axis(np.sort(keys, axis=1), own[:, None] - 1, axis=1))


def row_of(directing: Directing, alive: np.ndarray, kernel: tuple[int, ...], step: Step, filters: int = 0):  # type: ignore[no-untyped-def]
    """A layer of masks as `orientation` has it; ``filters`` 0 is one kernel a filter."""
    directing.jumps = {"layer": step}
    weight = alive.astype(np.float32).reshape(filters or len(alive), -1, *kernel)
    return directing.layer(Kernels("layer", weight, None, (1,) * len(kernel)))


@dataclass
class Layer:
    """Of one planar layer: its kernels' shapes between taps one step apart, how many have how many taps, and, of a few,
    the masks.
    """

    shapes: Inertia
    taps: np.ndarray
    alive: np.ndarray | None

    def at(self, step: Step) -> Inertia:
        y, x = step
        return Inertia(self.shapes.xx * x * x, self.shapes.xy * x * y, self.shapes.yy * y * y, self.shapes.mass)


def layers_of(kernel: tuple[int, ...], taps: str, number: int, layers: int, draw: Draw) -> Iterator[Layer]:
    size = int(np.prod(kernel))
    many = max(1, BLOCK // (size * number)) if taps != "magnitude" else 1
    for first in range(0, layers, many):
        own = min(many, layers - first)
        alive = masks(draw, kernel, taps, own * number)
        found = inertia(alive.astype(np.float64), coordinates(kernel))
        for n in range(own):
            part = slice(n * number, (n + 1) * number)
            counts = np.bincount(found.mass[part].astype(np.int64), minlength=size + 1)
            one = Inertia(found.xx[part], found.xy[part], found.yy[part], found.mass[part])
            yield Layer(one, counts, alive[part] if first + n == 0 else None)


class Row:
    """One row of the table: p of layer after layer of one lattice, at ten seeds in turn."""

    def __init__(self, kernel: tuple[int, ...], step: Step, nulls: list[Null]) -> None:
        self.kernel, self.step, self.nulls = kernel, step, nulls
        self.tests: list[LatticeTest] = []
        self.others: dict[str, list[float]] = {"rayleigh": [], "kuiper": [], "rao": []}

    def take(self, layer: Layer, place: int) -> None:
        shapes = layer.at(self.step)
        z, present = shapes.doubled, np.flatnonzero(layer.taps)
        directed = int((z != 0).sum())
        if directed:
            length, seed = float(abs(z.sum())) / directed, place % SEEDS
            null = self._null(present, seed)
            test = lattice_test(self.kernel, present, layer.taps[present], length, step=self.step, seed=seed, null=null)
            if test is not None:
                self.tests.append(test)
                self.others["rayleigh"].append(rayleigh(directed, length))
                if len(z) <= CONTINUOUS_UP_TO and len(set(self.step)) == 1:
                    self._continuous(shapes.angle[z != 0], seed)
                if layer.alive is not None:
                    self._check(layer.alive, null, test)

    def take_axes(self, alive: np.ndarray, place: int) -> None:
        counts = np.bincount(alive.sum(axis=1))
        has, axis = longest_axes(tensors(alive.astype(np.float64), coordinates(self.kernel, self.step)))
        if has.any():
            order, seed = float(orders_of(products(axis[has]).sum(axis=0)[None])[0]), place % SEEDS
            null = self._null(np.flatnonzero(counts), seed)
            assert isinstance(null, SphereNull)
            test = sphere_test(null, np.flatnonzero(counts), counts[counts > 0], order, seed=seed)
            if test is not None:
                self.tests.append(test)
                if place == 0:
                    self._check(alive, null, test)

    def _null(self, present: np.ndarray, seed: int) -> Null:
        """The first seed's where it has nothing of its seed."""
        exact = all(self.nulls[0][t].exact for t in present.tolist() if t)
        return self.nulls[0 if exact else seed]

    def _continuous(self, angle: np.ndarray, seed: int) -> None:
        angles, counts = np.unique(angle.round(12), return_counts=True)
        self.others["kuiper"].append(kuiper(angles, counts)[1])
        self.others["rao"].append(rao(angles, counts, seed)[1])

    def _check(self, alive: np.ndarray, null: Null, test: LatticeTest) -> None:
        """The same p by the whole way that a layer's weights take."""
        directing = Directing(seed=null.seed, independent="kernels", nulls={(self.kernel, self.step): null})
        whole = row_of(directing, alive, self.kernel, self.step, 4).p_lattice
        assert whole is not None
        assert abs(whole - test.p) < 1e-9, (whole, test)

    @property
    def p(self) -> np.ndarray:
        return np.array([test.p for test in self.tests])

    @property
    def how(self) -> str:
        ways = [test.how if test.how == "draws" or test.exact_masks else "sampled" for test in self.tests]
        return ", ".join(sorted(set(ways), key=lambda own: -ways.count(own)))


def nulls(layers: int, given: argparse.Namespace) -> None:
    print(f"Random layers ({layers} a row): rejected at 5 %, in % (kernels of 1 x k have one direction, and no p)")
    print("| kernel | steps | taps | kernels | layers | p lattice | KS p | how | Rayleigh | Kuiper | Rao |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for kernel in KERNELS:
        name = "x".join(map(str, kernel))
        if given.kernel and name not in given.kernel:
            continue
        kind, steps = (SphereNull, IN_3D) if len(kernel) == 3 else (Null, SQUARE)
        known: Nulls = {step: [kind(kernel, step, seed) for seed in range(SEEDS)] for step in steps}
        for taps in ("2", "2-3" if kernel == (2, 2) else "2-7", "magnitude"):
            for number in NUMBERS:
                wanted = (not given.taps or taps in given.taps) and (not given.kernels or number in given.kernels)
                if wanted and number <= (4096 if len(kernel) == 3 else given.most):
                    if len(kernel) == 3:
                        lines = spatial(known, kernel, taps, number, layers)
                    else:
                        lines = planar(known, kernel, taps, number, layers, given.again)
                    for line in lines:
                        print(f"| {name} | {line} |", flush=True)


def planar(known: Nulls, kernel: tuple[int, ...], taps: str, number: int, layers: int, again: float) -> list[str]:
    lines = []
    for row in counted(known, kernel, taps, number, layers, SQUARE, 0):
        rate = (row.p < 0.05).mean() if len(row.p) else np.nan
        if again and abs(rate - 0.05) > again and row.how != "counted":
            lines.append(line_of(row, taps, number))
            (row,) = counted(known, kernel, taps, number, 10 * layers, (row.step,), 1)
        lines.append(line_of(row, taps, number))
    return lines


def counted(
    known: Nulls, kernel: tuple[int, ...], taps: str, number: int, layers: int, steps: tuple[Step, ...], fresh: int
) -> list[Row]:
    rows = [Row(kernel, step, known[step]) for step in steps]
    draw = np.random.default_rng((number, len(taps), fresh, *kernel))
    for place, layer in enumerate(layers_of(kernel, taps, number, layers, draw)):
        for row in rows:
            row.take(layer, place)
    return rows


def line_of(row: Row, taps: str, number: int) -> str:
    p = row.p
    steps = ",".join(f"{s:g}" for s in row.step)
    if not len(p):
        return f"{steps} | {taps} | {number} | 0 | | | no direction | | | "
    others = [f"{100 * (np.array(o) < 0.05).mean():.0f}" if o else "" for o in row.others.values()]
    uniform = stats.kstest(p, "uniform").pvalue
    start = f"{steps} | {taps} | {number} | {len(p)} | {100 * (p < 0.05).mean():.1f} | {uniform:.3f}"
    return f"{start} | {row.how} | {' | '.join(others)}"


def spatial(known: Nulls, kernel: tuple[int, ...], taps: str, number: int, layers: int) -> list[str]:
    """Layers of 3-D kernels."""
    lines = []
    for step in IN_3D:
        draw, row = np.random.default_rng((number, len(taps), *kernel)), Row(kernel, step, known[step])
        for place in range(layers):
            row.take_axes(masks(draw, kernel, taps, number), place)
        lines.append(line_of(row, taps, number))
    return lines


def shared(layers: int, _given: argparse.Namespace) -> None:
    print(f"\nOne mask for all 16 inputs of a filter ({layers} random layers): rejected at 5 %, in %")
    print("| kernel | steps | filters | by kernels | by auto | KS p of auto |\n| --- | --- | --- | --- | --- | --- |")
    for kernel, step in SHARED:
        ways = {how: Directing(independent=how) for how in ("kernels", "auto")}
        for filters in (12, 64, 512):
            draw = np.random.default_rng((filters, *kernel))
            found: dict[str, list[float | None]] = {how: [] for how in ways}
            for _place in range(layers):
                alive = np.repeat(masks(draw, kernel, "2-5", filters), 16, axis=0)
                for how, directing in ways.items():
                    found[how].append(row_of(directing, alive, kernel, step, filters).p_lattice)
            known = {how: np.array([p for p in own if p is not None]) for how, own in found.items()}
            rates = " | ".join(f"{100 * (p < 0.05).mean():.1f}" if len(p) else "none" for p in known.values())
            uniform = f"{stats.kstest(known['auto'], 'uniform').pvalue:.3f}" if len(known["auto"]) else ""
            words = "x".join(map(str, kernel)), ",".join(f"{s:g}" for s in step)
            print(f"| {' | '.join(words)} | {filters} | {rates} | {uniform} |", flush=True)


def planted(draw: Draw, number: int, share: float) -> np.ndarray:
    """Masks of 2 to 4 taps, a share of them with its axis along x."""
    angle = inertia(ALL.astype(float), coordinates((3, 3))).angle
    along = np.flatnonzero((np.abs(np.nan_to_num(angle, nan=9.0)) < 1e-9) & (ALL.sum(1) < 5))
    alive = masks(draw, (3, 3), "2-4", number)
    chosen = draw.random(number) < share
    alive[chosen] = ALL[draw.choice(along, int(chosen.sum()))]
    return alive


def power(layers: int, _given: argparse.Namespace) -> None:
    shares = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
    print(f"\nPower at 5 % (share of {layers} layers in %): a share of kernels of 3 x 3 lies along x")
    print("| kernels | " + " | ".join(f"{100 * s:g} %" for s in shares) + " |\n| --- |" + " --- |" * len(shares))
    null = Null((3, 3), (1.0, 1.0))
    for number in (12, 200, 2000, 20_000):
        draw, found = np.random.default_rng((number, 77)), []
        for share in shares:
            rejected = 0
            for _place in range(layers):
                shapes = inertia(planted(draw, number, share).astype(float), coordinates((3, 3)))
                z, taps = shapes.doubled, np.bincount(shapes.mass.astype(np.int64))
                length = abs(z.sum()) / max((z != 0).sum(), 1)
                test = lattice_test(null.kernel, np.arange(len(taps)), taps, length, step=null.step, null=null)
                rejected += test is not None and test.p < 0.05
            found.append(100 * rejected / layers)
        print(f"| {number} | " + " | ".join(f"{f:.0f}" for f in found) + " |", flush=True)


def intervals(layers: int, _given: argparse.Namespace) -> None:
    """The truth is that of a layer of 200,000 kernels."""
    print(f"\nIntervals of {layers} layers that hold the true value, in % (3 x 3, a share of the kernels along x)")
    print("| share | true R | independent | R | mean angle | given | anisotropy | pooled anisotropy |")
    print("| --- " * 8 + "|")
    by = {how: Directing(independent=how) for how in ("kernels", "filters")}
    for share in (0.0, 0.1, 0.3, 0.6, 0.9, 0.95, 0.99):
        draw = np.random.default_rng(int(100 * share))
        truth = row_of(by["kernels"], planted(draw, 200_000, share), (3, 3), (1.0, 1.0))
        for number in (5, 12, 30, 100, 400, 4000):
            rows = [row_of(by["kernels"], planted(draw, number, share), (3, 3), (1.0, 1.0)) for _ in range(layers)]
            print(f"| {share} | {truth.resultant:.3f} | {number} kernels | {held(rows, truth, share)} |", flush=True)
        rows = []
        for _place in range(layers):
            alive = np.repeat(planted(draw, 30, share), 16, axis=0)
            rows.append(row_of(by["filters"], alive, (3, 3), (1.0, 1.0), 30))
        print(f"| {share} | {truth.resultant:.3f} | 30 filters of 16 | {held(rows, truth, share)} |", flush=True)


def intervals_3d(layers: int, _given: argparse.Namespace) -> None:
    """Kernels of 3 x 3 x 3 with two to four taps; the truth is that of a layer of 100,000."""
    print(f"\nThe same in 3-D ({layers} layers of 3 x 3 x 3): the order of axes, and anisotropies")
    print("| share | true order | independent | order | anisotropy | pooled anisotropy |\n" + "| --- " * 6 + "|")
    kernel, step = (3, 3, 3), (1.0, 1.0, 1.0)
    by = {how: Directing(independent=how) for how in ("kernels", "filters")}
    for share in (0.0, 0.1, 0.3, 0.6, 0.9, 0.99):
        draw = np.random.default_rng(int(100 * share))
        truth = row_of(by["kernels"], planted_3d(draw, 100_000, share), kernel, step, 100)
        true = [truth.axes.order, truth.anisotropy, truth.pooled.anisotropy]
        if share == 0:
            true[0] = true[2] = 0.0
        for number, inputs in ((5, 1), (12, 1), (30, 1), (100, 1), (1000, 1), (30, 16)):
            how = "kernels" if inputs == 1 else "filters"
            alive = (np.repeat(planted_3d(draw, number, share), inputs, axis=0) for _ in range(layers))
            rows = [row_of(by[how], own, kernel, step, number) for own in alive]
            ends: list[list[Ends]] = [
                [(row.axes.order_low, row.axes.order_high) for row in rows],
                [(row.anisotropy_low, row.anisotropy_high) for row in rows],
                [(row.pooled.low, row.pooled.high) for row in rows],
            ]
            words = " | ".join(inside(value, own) for value, own in zip(true, ends, strict=True))
            name = f"{number} {how}" + (f" of {inputs}" if inputs > 1 else "")
            print(f"| {share} | {true[0]:.3f} | {name} | {words} |", flush=True)


def planted_3d(draw: Draw, number: int, share: float) -> np.ndarray:
    """Masks of 2 to 4 taps, a share of them the three taps of one row along x."""
    alive = masks(draw, (3, 3, 3), "2-4", number)
    rows = np.repeat(np.eye(9, dtype=bool), 3, axis=1)
    chosen = draw.random(number) < share
    alive[chosen] = rows[draw.integers(0, 9, int(chosen.sum()))]
    return alive


def held(rows: list[LayerOrientation], truth: LayerOrientation, share: float) -> str:
    assert truth.pooled is not None
    r, pooled = (0.0, 0.0) if share == 0 else (truth.resultant, truth.pooled.anisotropy)
    found = [inside(r, [(row.resultant_low, row.resultant_high) for row in rows])]
    axes: list[Ends] = []
    for row in rows:
        if row.angle_low is not None and row.angle_high is not None and row.mean_angle is not None:
            turns = 180 * round(row.mean_angle / 180)
            axes.append((row.angle_low - turns, row.angle_high - turns))
    found += [inside(0.0, axes) if share else "", f"{100 * len(axes) / len(rows):.1f}"]
    found.append(inside(truth.anisotropy, [(row.anisotropy_low, row.anisotropy_high) for row in rows]))
    found.append(inside(pooled, [(row.pooled.low, row.pooled.high) for row in rows if row.pooled is not None]))
    return " | ".join(found)


def inside(value: float | None, ends: list[Ends]) -> str:
    known = [(a, b) for a, b in ends if a is not None and b is not None]
    assert value is not None
    return f"{100 * np.mean([a <= value + 1e-9 <= b + 2e-9 for a, b in known]):.1f}" if known else ""


def summary(page: Path) -> None:
    """What the rows of nulls say together: a rate's own chance, and that of the furthest among so many rows."""
    rows = [line.strip("| \n").split(" | ") for line in page.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if "x" in row[0] and len(row) > 6 and row[4].isdigit() and int(row[4])]
    layers, rates = np.array([int(row[4]) for row in rows]), np.array([float(row[5]) / 100 for row in rows])
    drawn = np.array([int(row[3]) > 100 for row in rows])
    for name, own in (("all rows", drawn | True), ("rows of 200 kernels and more", drawn)):
        n, rate = layers[own], rates[own]
        off = np.abs(rate - 0.05) / np.sqrt(0.05 * 0.95 / n)
        worst = int(off.argmax())
        both, furthest = 1 - (1 - 2 * stats.norm.sf(off.max())) ** len(off), rows[np.flatnonzero(own)[worst]]
        print(
            f"{name}: {len(n)}, {n.sum()} layers, {100 * (n * rate).sum() / n.sum():.2f} % rejected, rows from "
            f"{100 * rate.min():.1f} to {100 * rate.max():.1f} %; the furthest "
            f"{' '.join(furthest[:6])}: {off.max():.1f} standard errors, by chance in {100 * both:.0f} % of such tables"
        )


SHARED = (
    ((3, 3), (1.0, 1.0)),
    ((3, 3), (2.0, 1.0)),
    ((5, 5), (1.0, 1.0)),
    ((3, 7), (1.0, 1.0)),
    ((3, 3, 3), (1.0, 1.0, 1.0)),
    ((3, 3, 3), (1.0, 2.0, 2.0)),
)
PARTS: dict[str, Callable[[int, argparse.Namespace], None]] = {
    "nulls": nulls,
    "shared": shared,
    "power": power,
    "intervals": intervals,
    "intervals-3d": intervals_3d,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--layers", type=int, default=300)
    parser.add_argument("--most", type=int, default=65_536, help="Kernels of a layer.")
    parser.add_argument("--again", type=float, default=0.03, help="A rate so far from 0.05 is counted once more.")
    parser.add_argument("--kernel", action="append", default=[], help="Only of this size (3x3), of the nulls.")
    parser.add_argument("--taps", action="append", default=[], help="Only masks of so many (2-7, magnitude).")
    parser.add_argument("--kernels", action="append", type=int, default=[], help="Only layers of so many kernels.")
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--read", type=Path, help="Sum up a page of tables.")
    given = parser.parse_args()
    if given.read:
        summary(given.read)
    else:
        began = time.process_time()
        for part in given.part or PARTS:
            PARTS[part](given.layers, given)
        print(f"\n{time.process_time() - began:.0f} s of the processor")
