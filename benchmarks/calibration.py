"""Are the orientation tests' p-values true? False alarms on random layers, and power against planted anisotropy.

    python benchmarks/calibration.py [--layers 2000] [--quick]

Layers of 3 x 3 kernels whose taps are drawn at random, their number kept, as pruning without a preference would leave
them. p_lattice should be uniform (Kolmogorov-Smirnov) and reject 5 % at 5 %; Rayleigh comes near; Kuiper's and Rao's
tests take angles to be continuous and reject what is perfectly random. Power: a share of the kernels gets its taps
along x.
"""

from __future__ import annotations

import argparse
import os
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from scipy import stats  # noqa: E402

from rftools.weights.statistics.axial import rayleigh  # noqa: E402
from rftools.weights.statistics.continuous import kuiper, rao  # noqa: E402
from rftools.weights.statistics.lattice import lattice_test, sphere_test  # noqa: E402
from rftools.weights.statistics.null import Null, SphereNull  # noqa: E402
from rftools.weights.statistics.shapes import coordinates, inertia  # noqa: E402
from rftools.weights.statistics.sphere import longest_axes, products, symmetric, tensors  # noqa: E402

STEP = (1.0, 1.0)
NULL = Null((3, 3), STEP)  # exact: the same for all layers
MIXTURES = {**{str(t): (t,) for t in range(2, 9)}, "2-4": (2, 3, 4), "1-8": tuple(range(1, 9))}
SIZES = (20, 200, 20_000)
ALL = ((np.arange(512)[:, None] >> np.arange(9)) & 1).astype(bool)  # every mask of 3 x 3
ANGLE = inertia(ALL.astype(float), coordinates((3, 3))).angle
Z = np.where(np.isnan(ANGLE), 0, np.exp(2j * np.nan_to_num(ANGLE)))
BY_TAPS = [np.flatnonzero(ALL.sum(1) == taps) for taps in range(10)]
ALONG_X = np.abs(np.nan_to_num(ANGLE, nan=9.0)) < 1e-9


def layer(draw: np.random.Generator, taps: np.ndarray, planted: float = 0.0) -> np.ndarray:
    """How many kernels have each of the 512 masks; a share ``planted`` has one whose axis is x."""
    counts = np.zeros(512, dtype=np.int64)
    lined = draw.random(len(taps)) < planted
    for t, number in zip(*np.unique(taps[~lined], return_counts=True), strict=True):
        counts[BY_TAPS[t]] += draw.multinomial(number, np.full(len(BY_TAPS[t]), 1 / len(BY_TAPS[t])))
    for t, number in zip(*np.unique(taps[lined], return_counts=True), strict=True):
        own = BY_TAPS[t][ALONG_X[BY_TAPS[t]]]
        own = own if len(own) else BY_TAPS[t]
        counts[own] += draw.multinomial(number, np.full(len(own), 1 / len(own)))
    return counts


def p_values(counts: np.ndarray, seed: int, draws: int) -> tuple[float, float, float, float]:
    """p of a layer by the lattice's null, Rayleigh, Kuiper and Rao; a seed a layer, so that no draw's error repeats."""
    has = (Z != 0) & (counts > 0)
    n = int(counts[has].sum())
    length = abs((counts[has] * Z[has]).sum()) / n
    taps = np.bincount(ALL.sum(1), weights=counts, minlength=10).astype(np.int64)
    present = np.flatnonzero(taps)
    test = lattice_test((3, 3), present, taps[present], length, step=STEP, draws=draws, seed=seed, null=NULL)
    assert test is not None
    return test.p, rayleigh(n, length), kuiper(ANGLE[has], counts[has])[1], rao(ANGLE[has], counts[has])[1]


def many(
    draw: np.random.Generator, taps: tuple[int, ...], n: int, layers: int, planted: float, draws: int
) -> np.ndarray:
    found = []
    for number in range(layers):
        found.append(p_values(layer(draw, draw.choice(taps, n), planted), number, draws))
    return np.array(found)


def false_alarms(layers: int, draws: int) -> None:
    print(f"False alarms at 5 % on {layers} random layers (in %), and p_lattice's uniformity")
    print("| taps | kernels | p_lattice | Rayleigh | Kuiper | Rao | KS p of p_lattice |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, taps in MIXTURES.items():
        for n in SIZES:
            p = many(np.random.default_rng((n, len(name), taps[0])), taps, n, layers, 0.0, draws)
            rates = 100 * (p < 0.05).mean(0)
            uniform = stats.kstest(p[:, 0], "uniform").pvalue
            print(f"| {name} | {n} | " + " | ".join(f"{r:.1f}" for r in rates) + f" | {uniform:.3f} |", flush=True)


def power(layers: int, draws: int) -> None:
    print(
        f"\nPower at 5 % of p_lattice (share of {layers} layers in %): a share of kernels of 2 to 4 taps lies along x"
    )
    shares = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
    print("| kernels | " + " | ".join(f"{100 * s:g} %" for s in shares) + " |")
    print("| --- |" + " --- |" * len(shares))
    for n in (20, 200, 2000, 20_000):
        draw = np.random.default_rng((n, 77))
        found = [100 * (many(draw, (2, 3, 4), n, layers, s, draws)[:, 0] < 0.05).mean() for s in shares]
        print(f"| {n} | " + " | ".join(f"{f:.0f}" for f in found) + " |", flush=True)


def in_three_dimensions(layers: int, draws: int) -> None:
    print(f"\np_lattice of {layers} random layers of 3 x 3 x 3 kernels: rejects at 5 % (in %), KS p")
    print("| taps | kernels | p_lattice | KS p |\n| --- | --- | --- | --- |")
    positions, null = coordinates((3, 3, 3)), SphereNull((3, 3, 3), (1.0,) * 3)
    for taps in ((2,), (5,), (2, 3, 9)):
        for n in (30, 200, 2000):
            draw = np.random.default_rng((n, *taps))
            p = []
            for number in range(layers):
                own = draw.choice(taps, n)
                alive = draw.random((n, 27)).argsort(1) < own[:, None]
                has, axis = longest_axes(tensors(alive.astype(float), positions))
                order = (3 * np.linalg.eigvalsh(symmetric(products(axis[has]).mean(0)))[2] - 1) / 2
                counts = np.bincount(own, minlength=28)
                present = np.flatnonzero(counts)
                test = sphere_test(null, present, counts[present], order, draws=draws, seed=number)
                assert test is not None
                p.append(test.p)
            rate, uniform = 100 * (np.array(p) < 0.05).mean(), stats.kstest(p, "uniform").pvalue
            print(f"| {','.join(map(str, taps))} | {n} | {rate:.1f} | {uniform:.3f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--layers", type=int, default=2000)
    parser.add_argument("--quick", action="store_true", help="A tenth of the layers.")
    given = parser.parse_args()
    number = given.layers // 10 if given.quick else given.layers
    began = time.perf_counter()
    false_alarms(number, 999)
    power(max(50, number // 4), 999)
    in_three_dimensions(max(50, number // 10), 499)
    print(f"\n{time.perf_counter() - began:.0f} s")
