"""Sparsity and orientation against full enumeration, closed forms and scipy."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn
from torch.nn.utils import prune

import rftools as rf
from rftools.reporting.sources.models import from_models as reported
from rftools.weights import input_jumps, survey
from rftools.weights.masks import masks_of
from rftools.weights.sparsity import binomial_taps, n_of_m
from rftools.weights.statistics.axes_test import sphere_test
from rftools.weights.statistics.axial import rayleigh, resultant
from rftools.weights.statistics.continuous import kuiper, rao, spacing_moments
from rftools.weights.statistics.lattice import lattice_test
from rftools.weights.statistics.null import Null, moments
from rftools.weights.statistics.null_axes import SphereNull
from rftools.weights.statistics.resampling import ends
from rftools.weights.statistics.shapes import coordinates, inertia, rank_of, spans_box
from rftools.weights.statistics.signed import energies
from rftools.weights.statistics.sphere import axes, products, symmetric

ALL = np.array(list(itertools.product([False, True], repeat=9)))


@pytest.mark.parametrize(
    ("taps", "masks", "boxes", "anisotropy"),
    [
        (2, 36, 2, 1),
        (3, 84, 22, 0.684),
        (4, 126, 70, 0.510),
        (5, 126, 102, 0.396),
        (6, 84, 80, 0.302),
        (7, 36, 36, 0.222),
        (8, 9, 9, 0.149),
    ],
)
def test_all_masks_of_3x3(taps: int, masks: int, boxes: int, anisotropy: float) -> None:
    own = ALL[ALL.sum(1) == taps]
    assert len(own) == masks
    assert spans_box(own, (3, 3)).sum() == boxes
    assert inertia(own.astype(float), coordinates((3, 3))).anisotropy.mean() == pytest.approx(anisotropy, abs=5e-4)


def test_two_taps_are_always_a_line() -> None:
    assert (rank_of(ALL[ALL.sum(1) == 2], (3, 3)) == 1).all()
    assert rank_of(np.eye(9, dtype=bool), (3, 3)).tolist() == [0] * 9
    assert rank_of(np.zeros((1, 9), dtype=bool), (3, 3)).tolist() == [-1]


def test_shapes_by_determinants() -> None:
    """A kernel is a line exactly where all triples of its taps have a zero determinant."""
    positions = coordinates((3, 3))
    for mask in ALL[ALL.sum(1) >= 3]:
        points = positions[mask]
        flat = all(
            abs((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0]) < 1e-9
            for a, b, c in itertools.combinations(points, 3)
        )
        assert (rank_of(mask[None], (3, 3))[0] == 1) == flat


def test_lattice_directions_of_two_taps() -> None:
    """0 and 90 degrees nine times each, the diagonals five, the obliques two; E[cos 4 theta] = 0.16."""
    null = moments((3, 3), 2, (1.0, 1.0))
    angle = (np.degrees(np.angle(null.values)) / 2) % 180
    count = {round(float(a), 1): round(36 * p) for a, p in zip(angle, null.probabilities, strict=True)}
    assert count == {0.0: 9, 90.0: 9, 45.0: 5, 135.0: 5, 26.6: 2, 63.4: 2, 116.6: 2, 153.4: 2}
    assert float((null.probabilities * np.cos(2 * np.angle(null.values))).sum()) == pytest.approx(0.16, abs=0.005)


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 2**31), st.sampled_from([1.0, 2.0, 0.5]))
def test_inertia_is_the_axial_moment(height: int, width: int, seed: int, ratio: float) -> None:
    """``A exp(2 i theta) = sum m r^2 exp(2 i phi) / sum m r^2`` about the centroid."""
    mass = np.random.default_rng(seed).random((1, height * width))
    positions = coordinates((height, width), (1.0, ratio))
    found = inertia(mass, positions)
    centred = positions - (mass[0] @ positions) / mass.sum()
    z = centred[:, 0] + 1j * centred[:, 1]
    moment = (mass[0] * z**2).sum() / (mass[0] * np.abs(z) ** 2).sum()
    assert found.anisotropy[0] * np.exp(2j * found.angle[0]) == pytest.approx(moment, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 2**31))
def test_rotating_and_mirroring_turn_angles(height: int, width: int, seed: int) -> None:
    mass = np.random.default_rng(seed).random((height, width))

    def shape(m: np.ndarray) -> tuple[float, complex]:
        found = inertia(m.reshape(1, -1), coordinates(m.shape))
        return float(found.anisotropy[0]), complex(np.exp(2j * found.angle[0]))

    anisotropy, direction = shape(mass)
    turned, turned_direction = shape(np.rot90(mass))  # counter-clockwise as seen
    assert turned == pytest.approx(anisotropy)
    assert turned_direction == pytest.approx(-direction, abs=1e-6)
    mirrored, mirrored_direction = shape(mass[:, ::-1])
    assert mirrored == pytest.approx(anisotropy)
    assert mirrored_direction == pytest.approx(direction.conjugate(), abs=1e-6)


def test_angles_are_as_seen() -> None:
    """A line from the lower left to the upper right points to 45 degrees; dilation (1, 2) lowers it."""
    mass = np.eye(3)[::-1].reshape(1, -1)
    assert math.degrees(inertia(mass, coordinates((3, 3))).angle[0]) == pytest.approx(45)
    assert math.degrees(inertia(mass, coordinates((3, 3), (1.0, 2.0))).angle[0]) == pytest.approx(26.565, abs=1e-3)


def test_resultant_agrees_with_scipy() -> None:
    angles = np.random.default_rng(0).random(50) * math.pi
    length, mean = resultant(angles)
    assert mean == pytest.approx(stats.circmean(angles, high=math.pi))
    assert 1 - length == pytest.approx(stats.circvar(angles, high=math.pi))


def test_rayleigh_holds_its_level() -> None:
    """On evenly spread angles p < 0.05 in 5 % of layers (2,000 layers: 4 to 6 %)."""
    z = np.exp(2j * np.random.default_rng(1).random((2000, 200)) * math.pi)
    rate = np.mean([rayleigh(200, float(r)) < 0.05 for r in np.abs(z.mean(1))])
    assert 0.04 < rate < 0.06


def layer_p(generator: np.random.Generator, taps: np.ndarray, seed: int, draws: int = 999) -> float:
    """p_lattice of one random layer whose kernels have the given numbers of taps."""
    alive = generator.random((len(taps), 9)).argsort(1) < taps[:, None]
    angle = inertia(alive.astype(float), coordinates((3, 3))).angle
    length, _ = resultant(angle[~np.isnan(angle)])
    counts = np.bincount(taps, minlength=10)
    present = np.flatnonzero(counts)
    test = lattice_test((3, 3), present, counts[present], length, step=(1.0, 1.0), draws=draws, seed=seed)
    assert test is not None
    return test.p


@pytest.mark.parametrize(("taps", "n"), [((2,), 20), ((2, 3, 4, 5), 200), ((8,), 200)])
def test_lattice_p_is_uniform_on_random_masks(taps: tuple[int, ...], n: int) -> None:
    generator = np.random.default_rng(5)
    values = [layer_p(generator, generator.choice(taps, n), seed) for seed in range(300)]
    assert stats.kstest(values, "uniform").pvalue > 0.01
    assert np.mean(np.array(values) < 0.05) < 0.10


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 200, 20_000])
@pytest.mark.parametrize("taps", [(2,), (3,), (4,), (5,), (6,), (7,), (8,), (2, 3, 4), tuple(range(1, 9))])
def test_lattice_p_is_uniform_over_2000_layers(taps: tuple[int, ...], n: int) -> None:
    generator = np.random.default_rng(6)
    values = np.array([layer_p(generator, generator.choice(taps, n), seed) for seed in range(2000)])
    rate = float((values < 0.05).mean())
    print(f"taps {taps} n {n}: rejects {rate:.3f} at 0.05, KS p {stats.kstest(values, 'uniform').pvalue:.3f}")
    assert 0.037 < rate < 0.063
    assert stats.kstest(values, "uniform").pvalue > 1e-3


def test_the_lattice_test_finds_planted_lines() -> None:
    mask = np.zeros((100, 9), dtype=bool)
    mask[:, [3, 5]] = True  # all along x
    test = lattice_test((3, 3), np.array([2]), np.array([100]), 1.0, step=(1.0, 1.0))
    assert test is not None
    assert test.p == pytest.approx(1 / 10_000)


def random_layer(generator: np.random.Generator, taps: np.ndarray, size: int = 9) -> np.ndarray:
    return generator.random((len(taps), size)).argsort(1) < taps[:, None]


@pytest.mark.parametrize("n", [8, 20, 60, 150, 900])
def test_kuiper_and_rao_agree_with_pycircstat2(n: int) -> None:
    hypothesis = pytest.importorskip("pycircstat2.hypothesis")
    angles = 0.9 * np.random.default_rng(n).random(n) * math.pi
    ones = np.ones(n, dtype=np.int64)
    v, p = kuiper(angles, ones)
    found = hypothesis.kuiper_test(2 * angles)
    assert v * (math.sqrt(n) + 0.155 + 0.24 / math.sqrt(n)) == pytest.approx(found.V)
    assert p == pytest.approx(found.pval, abs=0.03)  # theirs is simulated
    u, p = rao(angles, ones)
    found = hypothesis.rao_spacing_test(2 * angles)
    assert u == pytest.approx(found.statistic)
    assert p == pytest.approx(found.pval, abs=0.03)


def test_rayleigh_mean_and_dispersion_agree_with_pycircstat2() -> None:
    hypothesis = pytest.importorskip("pycircstat2.hypothesis")
    descriptive = pytest.importorskip("pycircstat2.descriptive")
    angles = np.random.default_rng(2).normal(1.0, 0.5, 40) % math.pi
    length, mean = resultant(angles)
    their_mean, their_length = descriptive.circ_mean_and_r(2 * angles)
    assert length == pytest.approx(their_length)
    assert mean == pytest.approx(their_mean / 2 % math.pi)
    assert 1 - length == pytest.approx(1 - descriptive.circ_r(2 * angles))
    assert rayleigh(40, length) == pytest.approx(hypothesis.rayleigh_test(2 * angles).pval, abs=1e-6)


def test_repeated_angles_count_as_often_as_they_are() -> None:
    angles = np.array([0.2, 1.0, 2.5])
    counts = np.array([3, 1, 4])
    apart = np.repeat(angles, counts)
    for test in (kuiper, rao):
        assert test(angles, counts) == pytest.approx(test(apart, np.ones(8, dtype=np.int64)))


@pytest.mark.parametrize("n", [2, 10, 300])
def test_spacings_have_their_exact_moments(n: int) -> None:
    points = np.sort(np.random.default_rng(n).random((20_000, n)), axis=1)
    spacings = np.diff(np.concatenate([points, points[:, :1] + 1], axis=1), axis=1)
    drawn = np.abs(spacings - 1 / n).sum(1) / 2
    mean, deviation = spacing_moments(n)
    assert mean == pytest.approx(drawn.mean(), rel=0.01)
    assert deviation == pytest.approx(drawn.std(), rel=0.03)


@pytest.mark.parametrize("test", [kuiper, rao])
@pytest.mark.parametrize("n", [20, 64, 200])
def test_continuous_tests_hold_their_level_on_continuous_angles(test, n: int) -> None:  # type: ignore[no-untyped-def]
    angles = np.random.default_rng(7).random((1500, n)) * math.pi
    ones = np.ones(n, dtype=np.int64)
    rate = np.mean([test(own, ones)[1] < 0.05 for own in angles])
    assert 0.035 < rate < 0.068


def test_continuous_tests_reject_random_layers_on_a_lattice() -> None:
    """Why p_lattice is there: the same layers, all perfectly random."""
    generator = np.random.default_rng(8)
    rejected = np.zeros(3)
    for seed in range(100):
        alive = random_layer(generator, np.full(200, 2))
        angle = inertia(alive.astype(float), coordinates((3, 3))).angle
        distinct, counts = np.unique(angle.round(9), return_counts=True)
        length, _ = resultant(angle)
        test = lattice_test((3, 3), np.array([2]), np.array([200]), length, step=(1.0, 1.0), draws=999, seed=seed)
        assert test is not None
        rejected += [kuiper(distinct, counts)[1] < 0.05, rao(distinct, counts)[1] < 0.05, test.p < 0.05]
    assert (rejected[:2] > 95).all()
    assert rejected[2] < 12


def test_orientation_gives_the_continuous_tests_and_effect_sizes_with_intervals() -> None:
    conv = nn.Conv2d(16, 16, 3)
    generator = np.random.default_rng(3)
    masks = ALL[ALL.sum(1) == 2][generator.choice(36, 256, p=np.r_[np.full(9, 8), np.full(27, 1)] / 99)]
    conv.weight.data = torch.tensor(masks.reshape(16, 16, 3, 3), dtype=torch.float32)
    rows = [rf.orientation(nn.Sequential(conv), independent="kernels", seed=n)["0"] for n in range(5)]
    row = rows[0]
    angle = inertia(masks.astype(float), coordinates((3, 3))).angle
    distinct, counts = np.unique(angle.round(9), return_counts=True)
    assert row.p_kuiper == pytest.approx(kuiper(distinct, counts)[1])
    assert row.p_rao == pytest.approx(rao(distinct, counts)[1])
    weights = generator.standard_exponential((20_000, 257))  # one more, which points anywhere
    sums = weights[:, :256] @ np.exp(2j * angle) + weights[:, 256] * np.exp(2j * np.pi * generator.random(20_000))
    turned = (np.degrees(np.angle(sums)) / 2 - row.mean_angle + 90) % 180 - 90
    low, high = (float(np.mean([getattr(own, end) for own in rows])) for end in ("angle_low", "angle_high"))
    wider = math.sqrt(row.resultant / row.resultant_low)  # that of an R at its lower end
    assert low - row.mean_angle == pytest.approx(wider * np.quantile(turned, 0.025), abs=2)
    assert high - row.mean_angle == pytest.approx(wider * np.quantile(turned, 0.975), abs=2)
    assert row.anisotropy_low == row.anisotropy_high == pytest.approx(1)  # two taps are a line, always


def sphere_p(generator: np.random.Generator, taps: np.ndarray, null: SphereNull, draws: int = 499) -> float:
    found = axes(random_layer(generator, taps, 27).astype(float), np.ones(len(taps)), coordinates((3, 3, 3)))
    counts = np.bincount(taps, minlength=28)
    present = np.flatnonzero(counts)
    test = sphere_test(null, present, counts[present], found.order, draws=draws)
    assert test is not None
    return test.p


@pytest.mark.parametrize(("taps", "n"), [((2,), 30), ((3, 9), 60), ((2, 3), 1200)])
def test_lattice_p_is_uniform_on_random_3d_masks(taps: tuple[int, ...], n: int) -> None:
    generator = np.random.default_rng(5)
    values = []
    for seed in range(150):
        null = SphereNull((3, 3, 3), (1.0,) * 3, seed) if seed % 30 == 0 else null  # noqa: F821
        values.append(sphere_p(generator, generator.choice(taps, n), null))
    assert stats.kstest(values, "uniform").pvalue > 0.01
    assert np.mean(np.array(values) < 0.05) < 0.11


def test_planted_3d_lines_are_found_and_random_ones_are_not() -> None:
    generator = np.random.default_rng(0)
    conv = nn.Conv3d(8, 8, 3)
    conv.weight.data = torch.tensor(random_layer(generator, np.full(64, 3), 27).reshape(8, 8, 3, 3, 3)).float()
    assert rf.orientation(nn.Sequential(conv))["0"].p_lattice > 0.01
    conv.weight.data[:4] = 0
    conv.weight.data[:4, :, 1, 1] = 1  # along x
    row = rf.orientation(nn.Sequential(conv), independent="kernels")["0"]
    assert row.p_lattice == row.q == pytest.approx(1 / 10_000)
    assert row.axes.order > row.null_radius
    row = rf.orientation(nn.Sequential(conv))["0"]
    assert row.independent == "filters"  # four of eight lie along x as a whole
    assert 1e-3 < row.p_lattice < 0.05


def test_the_null_of_3d_kernels_by_brute_force() -> None:
    """All masks of two taps of 2 x 2 x 2: 12 along an axis, 12 on a face's diagonal, 4 through the middle."""
    null = SphereNull((2, 2, 2), (1.0,) * 3)[2]
    assert null.exact
    largest = null.parts[:, :3].max(1).round(6)
    assert [int((largest == v).sum()) for v in (1.0, 0.5, round(1 / 3, 6))] == [12, 12, 4]
    assert null.parts[:, 6].all()
    np.testing.assert_allclose(null.probabilities @ null.parts, [1 / 3] * 3 + [0] * 3 + [1], atol=1e-12)


def pruned_conv(amount: float = 0.6) -> nn.Conv2d:
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 6, 3)
    prune.random_unstructured(conv, "weight", amount)
    return conv


def test_sparsity_by_brute_force() -> None:
    conv = pruned_conv()
    row = rf.sparsity(nn.Sequential(conv))["0"]
    weight = conv.weight.detach().numpy()
    assert row.zeros == int((weight == 0).sum())
    assert row.zero_kind == "mask"
    assert row.sparsity == pytest.approx(0.6, abs=0.005)
    taps = [int((weight[o, i] != 0).sum()) for o in range(6) for i in range(4)]
    assert list(row.taps or ()) == [taps.count(n) for n in range(10)]
    assert row.dead_filters == sum(not weight[o].any() for o in range(6))
    assert row.dead_inputs == sum(not weight[:, i].any() for i in range(4))
    assert sum(row.expected_taps or ()) == pytest.approx(24)
    survival = np.array(row.survival)
    assert survival == pytest.approx((weight != 0).reshape(24, 3, 3).mean(0))


def test_masks_in_a_bare_state_dict_are_applied(tmp_path) -> None:  # type: ignore[no-untyped-def]
    conv = pruned_conv()
    torch.save({"state_dict": {f"module.features.{k}": v for k, v in conv.state_dict().items()}}, tmp_path / "a.pt")
    row = rf.sparsity(tmp_path / "a.pt")["features"]
    assert row.zeros == int((conv.weight == 0).sum())
    assert row.zero_kind == "mask"


def test_repeated_pruning_acts_on_what_remains() -> None:
    conv = nn.Conv2d(10, 10, 10)
    prune.random_unstructured(conv, "weight", 0.3)
    prune.random_unstructured(conv, "weight", 0.5)
    assert rf.sparsity(nn.Sequential(conv))["0"].sparsity == pytest.approx(0.65, abs=0.001)


def test_transposed_and_grouped_kernels() -> None:
    conv = nn.ConvTranspose2d(4, 6, 3, groups=2)
    with torch.no_grad():
        conv.weight[:, 1] = 0  # output channels 1 and 4
    row = rf.sparsity(nn.Sequential(conv))["0"]
    assert row.shape == (6, 2, 3, 3)
    assert row.dead_filters == 2
    assert row.shapes is not None
    assert row.shapes.dead == 4


def test_orientation_counts_and_bounds() -> None:
    row = rf.orientation(nn.Sequential(pruned_conv()))["0"]
    assert sum(row.histogram.counts) == row.oriented <= row.kernels
    assert row.pooled is not None
    assert row.pooled.rank == 2
    assert row.resultant_low is not None
    assert row.resultant_low <= row.resultant <= row.resultant_high  # type: ignore[operator]
    assert row.p_lattice is not None
    assert row.q == row.p_lattice


def test_full_kernels_have_no_direction() -> None:
    row = rf.orientation(nn.Sequential(nn.Conv2d(2, 2, 3)))["0"]
    assert (row.oriented, row.mean_angle, row.p_lattice) == (0, None, None)
    weighted = rf.orientation(nn.Sequential(nn.Conv2d(2, 2, 3)), mass="abs")["0"]
    assert weighted.oriented == 4
    assert weighted.p_lattice is None


def test_lines_in_two_directions_span_the_plane() -> None:
    """No kernel is more than a line, the layer is: rank 2; and anisotropy 0 where they are as many."""
    conv = nn.Conv2d(1, 2, 3)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, 0, 1] = 1
        conv.weight[1, 0, :, 1] = 1
    row = rf.orientation(nn.Sequential(conv))["0"]
    assert row.pooled is not None
    assert (row.pooled.rank, row.pooled.anisotropy) == (2, pytest.approx(0))
    assert row.anisotropy == pytest.approx(1)
    assert row.spanning_filters == 0


def test_jump_and_dilation_turn_angles() -> None:
    conv = nn.Conv2d(1, 1, 3, dilation=(1, 2))
    with torch.no_grad():
        conv.weight.zero_()
        for i in range(3):
            conv.weight[0, 0, 2 - i, i] = 1
    net = nn.Sequential(conv)
    assert rf.orientation(net)["0"].mean_angle == pytest.approx(26.565, abs=1e-3)
    row = rf.orientation(net, jumps={"0": (2.0, 1.0)})["0"]
    assert (row.mean_angle, row.units) == (pytest.approx(45), "px")


@pytest.mark.parametrize(("kernel", "note"), [(1, "1 x 1"), ((1, 3), "one tap wide")])
def test_layers_without_orientation_say_so(kernel: int, note: str) -> None:
    row = rf.orientation(nn.Sequential(nn.Conv2d(1, 1, kernel)))["0"]
    assert row.note is not None
    assert row.note.startswith(note)


def test_bad_weights_are_named() -> None:
    conv = nn.Conv2d(1, 1, 3)
    conv.weight.data[0, 0, 0, 0] = math.nan
    with pytest.raises(rf.RequestError, match=r"layer 'a' has NaN or infinite weights"):
        rf.sparsity(nn.ModuleDict({"a": conv}))
    with pytest.raises(rf.RequestError, match=r"has no layer with a kernel"):
        rf.sparsity({"a": torch.zeros(3)})
    with pytest.raises(rf.RequestError, match=r"the mask of a is 2x2x3x3, its weight 1x1x3x3"):
        rf.sparsity({"a.weight_orig": torch.zeros(1, 1, 3, 3), "a.weight_mask": torch.zeros(2, 2, 3, 3)})
    with pytest.raises(rf.RequestError, match=r"no mass 'x'; there are survivors, abs, square"):
        rf.orientation(nn.Conv2d(1, 1, 3), mass="x")


@pytest.mark.parametrize("kernel", [(), (1,), (3,), (3, 3), (4, 4), (5, 5), (3, 3, 3)])
def test_masks_by_brute_force(kernel: tuple[int, ...]) -> None:
    weight = np.random.default_rng(0).standard_normal((30, 20, *kernel)).astype(np.float32)
    weight[np.random.default_rng(1).random(weight.shape) < 0.7] = 0
    found = masks_of(weight)
    alive = (weight != 0).reshape(30, 20, -1)
    assert (found.alive[found.index] == alive).all()
    counts = {tuple(mask): int(n) for mask, n in zip(found.alive, found.counts, strict=True) if n}
    expected = np.unique(alive.reshape(600, -1), axis=0, return_counts=True)
    assert counts == {tuple(mask): int(n) for mask, n in zip(*expected, strict=True)}


def test_doubled_directions_and_ranks_by_angles_and_eigenvalues() -> None:
    shapes = inertia(ALL.astype(float), coordinates((3, 3)))
    has = ~np.isnan(shapes.angle)
    np.testing.assert_allclose(shapes.doubled[has], np.exp(2j * shapes.angle[has]), atol=1e-12)
    assert not shapes.doubled[~has].any()
    matrices = np.stack([shapes.xx, shapes.xy, shapes.xy, shapes.yy], axis=1).reshape(-1, 2, 2)
    ranks = np.where(ALL.any(1), (np.linalg.eigvalsh(matrices) > 1e-6).sum(1), -1)
    assert rank_of(ALL, (3, 3)).tolist() == ranks.tolist()


def test_sampled_nulls_are_calibrated() -> None:
    """5 x 5 kernels have too many masks to list; many kernels must not show the sample's own bias."""
    generator = np.random.default_rng(2)
    null = Null((5, 5), (1.0, 1.0))
    taps = np.repeat([8, 12], 2000)
    values = []
    for seed in range(60):
        alive = generator.random((4000, 25)).argsort(1) < taps[:, None]
        angle = inertia(alive.astype(float), coordinates((5, 5))).angle
        length, _ = resultant(angle[~np.isnan(angle)])
        counts = np.array([2000, 2000])
        test = lattice_test((5, 5), np.array([8, 12]), counts, length, step=(1.0, 1.0), draws=999, seed=seed, null=null)
        assert test is not None
        assert not test.exact_masks
        values.append(test.p)
    assert stats.kstest(values, "uniform").pvalue > 0.01


def test_one_kernel_decides_nothing() -> None:
    test = lattice_test((3, 3), np.array([2]), np.array([1]), 1.0, step=(1.0, 1.0))
    assert test is not None
    assert test.p == 1.0


def test_intervals_hold_what_they_are_for() -> None:
    """Random masks, R near 0: the plain percentile interval would lie above it."""
    for seed in range(5):
        conv = nn.Conv2d(20, 20, 3)
        torch.manual_seed(seed)
        prune.random_unstructured(conv, "weight", 0.6)
        row = rf.orientation(nn.Sequential(conv))["0"]
        assert row.resultant_low <= row.resultant <= row.resultant_high  # type: ignore[operator]
        assert row.pooled is not None
        assert row.pooled.low <= row.pooled.anisotropy <= row.pooled.high  # type: ignore[operator]


def test_filters_by_brute_force() -> None:
    conv = pruned_conv()
    row = rf.orientation(nn.Sequential(conv))["0"]
    for found in row.filters:
        alive = (conv.weight[found.filter] != 0).reshape(4, 9).double().numpy()
        parts = inertia(alive, coordinates((3, 3)))
        z = ((parts.xx - parts.yy).sum() + 2j * parts.xy.sum()) / (parts.xx + parts.yy).sum()
        assert found.anisotropy == pytest.approx(abs(z))
        assert found.angle == pytest.approx(math.degrees(np.angle(z)) / 2 % 180)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_zeros_of_filters_and_inputs_by_brute_force(groups: int, kernel: int) -> None:
    torch.manual_seed(groups)
    conv = nn.Conv2d(4, 8, kernel, groups=groups)
    prune.random_unstructured(conv, "weight", 0.5)
    row = rf.sparsity(nn.Sequential(conv))["0"]
    dense = torch.zeros(8, 4, kernel, kernel, dtype=torch.bool)  # by input channel of the whole layer; True where alive
    for f in range(8):
        first = (f * groups // 8) * (4 // groups)
        dense[f, first : first + 4 // groups] = conv.weight[f] != 0
    readers, taps = 8 // groups, kernel**2
    assert list(row.filter_zeros) == [4 // groups * taps - int(dense[f].sum()) for f in range(8)]
    assert list(row.input_zeros) == [readers * taps - int(dense[:, c].sum()) for c in range(4)]
    assert sum(row.input_zeros) == sum(row.filter_zeros) == row.zeros


def test_finer_tables_say_what_the_rows_say() -> None:
    conv = pruned_conv()
    result = rf.sparsity(nn.Sequential(conv))
    row = result["0"]
    alive = (conv.weight != 0).float()
    inputs = result.by_input()
    assert [r[1:] for r in inputs.records] == [
        (c, 54, 54 - int(alive[:, c].sum()), pytest.approx(1 - float(alive[:, c].mean()))) for c in range(4)
    ]
    kept = alive.mean((0, 1))
    assert {tap: share for _, tap, share in result.by_tap().records} == {
        f"{i}x{j}": pytest.approx(float(kept[i, j])) for i in range(3) for j in range(3)
    }
    assert result.by_threshold().records == [("0", *point) for point in row.curve]
    (layer, total) = result.by_storage().records
    assert layer == ("0", 216 * 4, 8 * (216 - row.zeros) + 4 * 7, 4 * (216 - row.zeros) + 27, "")
    assert total[1:4] == layer[1:4]


def test_dead_inputs_of_groups() -> None:
    """A depthwise layer reads one channel a filter: a dead filter is a dead input."""
    conv = nn.Conv2d(4, 4, 3, groups=4)
    with torch.no_grad():
        conv.weight[[1, 2]] = 0
    row = rf.sparsity(nn.Sequential(conv))["0"]
    assert (row.dead_filters, row.dead_inputs) == (2, 2)


def test_a_loaded_mask_counts_before_the_first_forward_pass() -> None:
    pruned, fresh = pruned_conv(), pruned_conv(0.0)
    fresh.load_state_dict(pruned.state_dict())
    assert rf.sparsity(nn.Sequential(fresh))["0"].zeros == int((pruned.weight == 0).sum())


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_quantised_tensors_are_read_and_said() -> None:
    tensor = torch.quantize_per_tensor(torch.tensor([[[[0.0, 1.0], [0.5, -1.0]]]]), 0.1, 0, torch.qint8)
    row = rf.sparsity({"a.weight": tensor})["a"]
    assert row.zeros == 1
    note = "quantised: read as the values that it stands for"
    assert row.note == note
    assert rf.sparsity({"a.weight": tensor, "b.weight": tensor}).remarks() == (f"a and 1 more: {note}",)
    assert rf.orientation({"a.weight": tensor})["a"].note == note


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_packed_linear_layers_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Quantised linear layers keep weight and bias in a tuple of their state dict."""
    from rftools.cli import main

    net = nn.Sequential(nn.Linear(4, 3))
    net[0].weight.data[0] = 0
    packed = torch.ao.quantization.quantize_dynamic(net, {nn.Linear}, dtype=torch.qint8)
    torch.save(packed.state_dict(), tmp_path / "packed.pt")
    main(["sparsity", str(tmp_path / "packed.pt"), "--no-surviving"])
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split("\t")[:4] == ["0", "3x4", "12", "4"]
    assert err.splitlines() == [
        "packed.pt: weights without an architecture, of no one net that is known",
        "0: quantised: read as the values that it stands for",
    ]


def test_near_zero_by_brute_force() -> None:
    conv = pruned_conv()
    weight = conv.weight.detach().double().numpy()
    row = rf.sparsity(nn.Sequential(conv), relative=0.5)["0"]
    assert row.near_zero.threshold == pytest.approx(0.5 * weight.std(), rel=1e-6)
    assert row.near_zero.share == pytest.approx((np.abs(weight) < 0.5 * weight.std()).mean())
    assert dict(row.curve)[1.0] == pytest.approx((np.abs(weight) < weight.std()).mean())
    assert rf.sparsity(nn.Sequential(conv), threshold=0.05)["0"].near_zero.share == (np.abs(weight) < 0.05).mean()


def test_patterns_of_n_in_m() -> None:
    weight = np.random.default_rng(0).standard_normal((8, 16, 3, 3)).astype(np.float32)
    assert n_of_m(weight) is None
    order = np.abs(weight).reshape(8, 4, 4, 3, 3).argsort(axis=2).argsort(axis=2)
    assert n_of_m(weight * (order >= 2).reshape(weight.shape)) == "2:4"


def test_axes_of_3d_kernels() -> None:
    """A time-like line (the first axis, z) in one filter, an x line in another: order 1/4, rank 2."""
    conv = nn.Conv3d(1, 2, 3)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, 0, :, 1, 1] = 1
        conv.weight[1, 0, 1, 1, :] = 1
    row = rf.orientation(nn.Sequential(conv))["0"]
    assert row.axes is not None
    assert (row.kernels, row.oriented, row.anisotropy) == (2, 2, pytest.approx(1))
    assert row.axes.eigenvalues == pytest.approx((0.5, 0.5, 0))
    assert row.axes.order == pytest.approx(0.25)
    assert row.axes.mean_axis is None
    assert row.pooled is not None
    assert row.pooled.rank == 2
    with torch.no_grad():
        conv.weight[1] = conv.weight[0]
    row = rf.orientation(nn.Sequential(conv), mass="abs")["0"]
    assert row.axes is not None
    assert (row.axes.mean_axis, row.axes.order) == ((0, 0, 1), pytest.approx(1))


def test_flat_3d_kernels_agree_with_2d_ones() -> None:
    """1 x 3 x 3 kernels of three dimensions lie in the plane, with the same longest axes."""
    flat, deep = pruned_conv(), nn.Conv3d(4, 6, (1, 3, 3))
    deep.weight.data = flat.weight.detach()[:, :, None]
    two, three = (rf.orientation(nn.Sequential(conv))["0"] for conv in (flat, deep))
    assert two.oriented == three.oriented
    assert three.axes is not None
    assert three.axes.mean_axis is not None
    x, y, z = three.axes.mean_axis
    assert z == 0
    assert math.degrees(math.atan2(y, x)) % 180 == pytest.approx(two.mean_angle)
    assert three.axes.eigenvalues is not None
    assert three.axes.eigenvalues[0] - three.axes.eigenvalues[1] == pytest.approx(two.resultant)


@pytest.mark.parametrize("verb", ["sparsity", "orientation"])
@pytest.mark.parametrize("group", ["layer", "filter"])
def test_tables_as_csv(verb: str, group: str, tmp_path: Path) -> None:
    from rftools.cli import orientation, sparsity

    conv = pruned_conv()
    torch.save(conv.state_dict(), tmp_path / "a.pt")
    command = {"sparsity": sparsity, "orientation": orientation}[verb].command
    arguments = [str(tmp_path / "a.pt"), "--csv", str(tmp_path / "a.csv"), "--group-by", group]
    assert CliRunner().invoke(command, arguments).exit_code == 0
    head, *rows = list(csv.reader((tmp_path / "a.csv").read_text().splitlines()))
    assert head[0] == "layer"
    if group == "filter":
        assert [row[1] for row in rows] == [str(f) for f in range(6)]
    if (verb, group) == ("sparsity", "filter"):
        assert [int(row[3]) for row in rows] == [int((own == 0).sum()) for own in conv.weight]


class Uneven(nn.Module):
    """Strides that differ between the axes, down and up."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 2, 3, stride=(2, 1))
        self.up = nn.ConvTranspose2d(2, 2, 2, stride=(1, 2))
        self.last = nn.Conv2d(2, 2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.up(self.down(x)))


@pytest.mark.parametrize("mass", ["survivors", "abs"])
def test_examples_are_kernels_in_the_order_of_their_angles(mass: str) -> None:
    conv = pruned_conv()
    result = rf.orientation(nn.Sequential(conv), mass=mass, examples=10)
    own = result["0"].examples
    assert own is not None
    assert own.kernels.shape == (10, 3, 3)
    known = own.angles[~np.isnan(own.angles)]
    assert (np.diff(known) >= 0).all()
    weights = np.abs(own.kernels.reshape(10, -1)) if mass == "abs" else (own.kernels.reshape(10, -1) != 0)
    np.testing.assert_allclose(np.degrees(inertia(weights.astype(float), coordinates((3, 3))).angle), own.angles)
    assert "examples" not in result.to_json()
    assert rf.orientation(nn.Sequential(conv))["0"].examples is None


@pytest.mark.parametrize("verb", ["orientation", "sparsity"])
def test_several_models_in_one_go(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rftools.cli import main

    for name, amount in (("dense", 0.2), ("sparse", 0.8)):
        net = nn.Sequential(pruned_conv(amount))
        torch.save(net.state_dict(), tmp_path / f"{name}.pt")
    files = [str(tmp_path / f"{name}.pt") for name in ("dense", "sparse")]
    main([verb, *files, "-o", str(tmp_path / "a.svg"), "--csv", str(tmp_path / "a.csv")])
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert rows[0][:2] == ["model", "layer"]
    assert {row[0] for row in rows[1:]} == {"dense", "sparse"}
    assert len((tmp_path / "a.csv").read_text().splitlines()) == len(rows)
    assert b"sparse" in (tmp_path / "a.svg").read_bytes()
    if verb == "orientation":
        for wrong in (["--kind", "sheet"], [files[1], "--kind", "kernels"]):
            with pytest.raises(SystemExit):
                main([verb, files[0], *wrong, "-o", str(tmp_path / "b.svg")])
            assert "draws" in capsys.readouterr().err
    main([verb, *files, "--json", "-"])
    body = json.loads(capsys.readouterr().out)
    assert body["schema"] == {"name": "rftools.several", "version": 1}
    assert [own["schema"]["name"] for own in body["results"]] == [f"rftools.{verb}"] * 2
    assert [own["model"]["name"] for own in body["results"]] == ["dense.pt", "sparse.pt"]


def test_taps_become_input_pixels() -> None:
    """Taps of `up` are steps of its output: 2 pixels down, half a pixel across."""
    model = rf.Model(Uneven(), "uneven", "uneven", (1, 32, 32))
    assert input_jumps(model) == {"down": (1, 1), "up": (2, 0.5), "last": (2, 0.5)}


def test_command_python_and_report_give_the_same_angles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Behind steps of (2, 1) a diagonal of taps lies at atan2(2, 1) in the picture."""
    from rftools.cli import main

    net = nn.Sequential(nn.Conv2d(1, 2, 3, stride=(2, 1), padding=1), nn.Conv2d(2, 2, 3, padding=1))
    for conv in net:
        conv.weight.data[:] = torch.eye(3).flip(0)
    found = rf.orientation(net, input_size=(1, 16, 16))
    assert [row.mean_angle for row in found] == pytest.approx([45, math.degrees(math.atan2(2, 1))])
    assert [row.units for row in found] == ["px", "px"]
    assert [row.units for row in rf.orientation(net)] == ["taps", "taps"]
    assert [row.mean_angle for row in rf.orientation(net)] == pytest.approx([45, 45])
    model = rf.Model(net, "net", "net", (1, 16, 16))
    assert rf.orientation(model).layers == found.layers
    (subject,) = reported([model], None, None)
    assert subject.orientation is not None
    assert subject.orientation.layers == found.layers
    (tmp_path / "own.py").write_text(
        "import torch\nfrom torch import nn\ndef net():\n"
        "    own = nn.Sequential(nn.Conv2d(1, 2, 3, stride=(2, 1), padding=1), nn.Conv2d(2, 2, 3, padding=1))\n"
        "    for conv in own: conv.weight.data[:] = torch.eye(3).flip(0)\n    return own\n"
    )
    main(["orientation", f"{tmp_path / 'own.py'}:net", "--input-size", "1x16x16", "--json", "-"])
    rows = json.loads(capsys.readouterr().out)["layers"]
    assert [row["mean_angle"] for row in rows] == [row.mean_angle for row in found]


def test_without_a_field_angles_are_between_taps_and_said() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise ValueError("no")

    net = Odd()
    net.conv.weight.data[:] = torch.eye(3).flip(0)
    found = rf.orientation(net, input_size=(1, 8, 8))
    assert (found["conv"].units, found["conv"].mean_angle) == ("taps", 45)
    assert "angles are between taps, not in input pixels" in found.remarks()[0]


def test_layers_by_pattern() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Flatten(), nn.Linear(8, 2))
    assert [row.name for row in rf.sparsity(net, ["1", "3"])] == ["1", "3"]
    assert [row.name for row in rf.orientation(net, "[01]")] == ["0", "1"]
    for analysis in (rf.sparsity, rf.orientation):
        with pytest.raises(rf.RequestError, match="no layer matches conv; there are"):
            analysis(net, ["0", "conv"])


def test_a_dense_net_is_told_the_way_out() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3))
    (line,) = rf.orientation(net).remarks()
    assert "--mass abs" in line
    assert rf.orientation(net, mass="abs").remarks() == ()
    net[0].weight.data[0, 0, 0, 0] = 0
    assert rf.orientation(net).remarks() == ()


def test_the_histogram_is_not_turned() -> None:
    """All two-tap masks once: the histogram is its own mirror image, as the lattice is."""
    masks = ALL[ALL.sum(1) == 2]
    conv = nn.Conv2d(1, 36, 3)
    conv.weight.data = torch.tensor(masks.reshape(36, 1, 3, 3), dtype=torch.float32)
    histogram = rf.orientation(nn.Sequential(conv))["0"].histogram
    centres = [(a + b) / 2 for a, b in itertools.pairwise(histogram.edges)]
    assert centres == [15.0 * n for n in range(12)]
    assert histogram.counts[0] == histogram.counts[6] == 9
    assert histogram.counts[1:] == histogram.counts[:0:-1]


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 9), st.integers(0, 2**31))
def test_orders_are_orthogonal_and_turn_as_they_should(side: int, seed: int) -> None:
    kernels = np.random.default_rng(seed).standard_normal((5, side, side))
    found = energies(kernels)
    assert found.sum(1) == pytest.approx((kernels**2).sum(axis=(1, 2)))
    assert energies(np.rot90(kernels, axes=(1, 2))) == pytest.approx(found)


def test_an_edge_is_odd_and_a_line_is_even() -> None:
    """Sobel's kernel rises to the right (0 degrees); turned, upwards. A pair of taps is half even, half odd."""
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    conv = nn.Conv2d(1, 1, 3)
    for kernel, angle in ((sobel, 0), (sobel.rot90(), 90), (sobel.rot90(2), 180)):
        conv.weight.data[0, 0] = kernel
        found = rf.orientation(nn.Sequential(conv), signs=True)["0"].signed
        assert found is not None
        assert (found.order_0, found.order_1, found.order_2) == (0, pytest.approx(1), 0)
        assert found.gradient_angle == pytest.approx(angle)
    conv.weight.data[0, 0] = torch.tensor([[0.0, 0, 0], [1, 0, 1], [0, 0, 0]])
    found = rf.orientation(nn.Sequential(conv), signs=True)["0"].signed
    assert found is not None
    assert (found.order_0, found.order_1, found.order_2) == (pytest.approx(0.5), 0, pytest.approx(0.5))
    assert (found.directed, found.gradient_angle) == (0, None)


def test_random_weights_share_their_energy_by_dimension() -> None:
    """9 dimensions of a 3 x 3 kernel: 3 of order 0, 4 of order 1, 2 of order 2."""
    torch.manual_seed(0)
    found = rf.orientation(nn.Sequential(nn.Conv2d(64, 64, 3)), signs=True)["0"].signed
    assert found is not None
    assert (found.order_0, found.order_1, found.order_2) == pytest.approx((3 / 9, 4 / 9, 2 / 9), abs=0.01)
    assert found.p_rayleigh is not None
    assert found.p_rayleigh > 0.01
    oblong = rf.orientation(nn.Sequential(nn.Conv2d(64, 64, (3, 5))), signs=True)["0"].signed
    assert oblong is not None
    assert (oblong.order_0, oblong.order_1) == (None, pytest.approx(7 / 15, abs=0.01))


def test_the_interval_of_nothing_begins_at_nothing() -> None:
    """All two-tap masks once: R is 0, and so is the pooled anisotropy."""
    conv = nn.Conv2d(1, 36, 3)
    conv.weight.data = torch.tensor(ALL[ALL.sum(1) == 2].reshape(36, 1, 3, 3), dtype=torch.float32)
    row = rf.orientation(nn.Sequential(conv))["0"]
    assert (row.resultant, row.resultant_low) == (pytest.approx(0, abs=1e-12), 0)
    assert row.pooled is not None
    assert (row.pooled.anisotropy, row.pooled.low) == (pytest.approx(0, abs=1e-12), 0)
    assert 0.05 < (row.resultant_high or 0) < 0.4


def test_sampled_nulls_have_no_direction_of_their_own() -> None:
    assert abs(Null((5, 5), (1.0, 1.0))[8].values.mean()) < 1e-12
    assert abs(Null((5, 7), (1.0, 1.0))[8].values.imag.mean()) < 1e-12  # longer along x: only the mirror is left


def test_directions_just_below_180_are_beside_0() -> None:
    """One step down over eight steps right: 172.9 degrees, in the bin around 0."""
    conv = nn.Conv2d(1, 1, (2, 9))
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, 0, 0, 0] = conv.weight[0, 0, 1, 8] = 1
    row = rf.orientation(nn.Sequential(conv))["0"]
    assert row.mean_angle == pytest.approx(172.875, abs=1e-3)
    assert row.histogram.counts == (1, *(0,) * 11)


@pytest.mark.parametrize("shape", [(8, 4, 3, 3), (6, 8, 1, 1), (4, 3, 5, 5), (5, 4, 2, 3, 2)])
def test_a_survey_says_what_the_two_say(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    conv = (nn.Conv2d if len(shape) == 4 else nn.Conv3d)(shape[1], shape[0], shape[2:])
    prune.random_unstructured(conv, "weight", 0.6)
    net = nn.Sequential(conv, nn.Flatten(), nn.Linear(12, 8))
    counts, directions = survey(net)
    alone = rf.sparsity(net)
    assert [dataclasses.replace(row, curve=()) for row in alone] == list(counts)
    assert directions is not None
    assert directions.to_json() == rf.orientation(net).to_json()
    assert survey(nn.Sequential(nn.Linear(3, 4)))[1] is None


@pytest.mark.parametrize("offset", [0.0, 5.0, 1000.0])
def test_the_near_zero_curve_is_right_far_from_zero_too(offset: float) -> None:
    conv = nn.Conv2d(40, 40, 3)
    conv.weight.data = torch.randn(40, 40, 3, 3, generator=torch.Generator().manual_seed(0)) + offset
    row = rf.sparsity(nn.Sequential(conv))["0"]
    weight = conv.weight.detach().numpy().astype(np.float64)
    for level, share in row.curve:
        assert share == pytest.approx((np.abs(weight) < level * weight.std()).mean(), abs=1e-4)
    assert row.near_zero.threshold == pytest.approx(0.01 * weight.std(), rel=1e-3)


def test_binomial_expectations_are_scipys() -> None:
    for size, density in ((9, 0.1), (9, 1.0), (9, 0.0), (49, 0.37)):
        expected = 1000 * stats.binom.pmf(np.arange(size + 1), size, density)
        np.testing.assert_allclose(binomial_taps(size, density, 1000), expected, rtol=1e-9, atol=1e-12)


def test_ends_are_quantiles() -> None:
    values = np.random.default_rng(0).standard_normal(1001)
    assert ends(values) == pytest.approx(np.quantile(values, [0.025, 0.975]))


@pytest.mark.parametrize("kernel", [1, 3])
def test_counts_of_many_filters_do_not_run_over(kernel: int) -> None:
    conv = nn.Conv2d(3, 700, kernel)
    conv.weight.data[:, 1] = 0
    conv.weight.data[:10] = 0
    row = rf.sparsity(nn.Sequential(conv))["0"]
    assert row.input_zeros == (10 * kernel**2, 700 * kernel**2, 10 * kernel**2)
    assert row.filter_zeros == (3 * kernel**2,) * 10 + (kernel**2,) * 690
    assert (row.dead_filters, row.dead_inputs) == (10, 1)


def test_products_and_matrices_are_the_same_entries() -> None:
    axis = np.random.default_rng(0).standard_normal((5, 3))
    np.testing.assert_allclose(symmetric(products(axis)), axis[:, :, None] * axis[:, None, :])


@pytest.mark.parametrize("kernel", [(3, 3, 3), (3, 3, 2)])
def test_sampled_3d_nulls_have_no_direction_of_their_own(kernel: tuple[int, ...]) -> None:
    """Mirrors leave no product of two axes; a cube's turns leave none of the three axes before the others."""
    null = SphereNull(kernel, (1.0,) * 3)[9]
    assert null.exact == (kernel == (3, 3, 2))
    mean = null.mean_and_covariance[0]
    np.testing.assert_allclose(mean[3:6], 0, atol=1e-6)
    if kernel == (3, 3, 3):
        np.testing.assert_allclose(mean[:3], mean[6] / 3, atol=1e-6)


@pytest.mark.parametrize(("kernel", "step"), [((3, 5), (1.0, 1.0)), ((4, 4), (2.0, 1.0)), ((2, 2, 4), (1.0, 1.0, 2.0))])
@pytest.mark.parametrize("taps", [5, 8])
def test_the_mean_of_sampled_masks_is_that_of_all_within_its_doubt(
    kernel: tuple[int, ...], step: tuple[float, ...], taps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = SphereNull if len(kernel) == 3 else Null
    whole = kind(kernel, step)[taps]
    assert whole.exact
    monkeypatch.setattr(kind, "_counted", lambda self, taps: None)
    sampled = kind(kernel, step)[taps]
    assert not sampled.exact
    off = sampled.mean_and_covariance[0] - whole.mean_and_covariance[0]
    doubt = np.sqrt(np.diag(sampled.doubt))
    assert (np.abs(off) < 4 * doubt + 1e-9).all()
    alone = np.sqrt(np.diag(sampled.mean_and_covariance[1]) / 2000)
    assert doubt[0] < 0.8 * alone[0]  # moments in closed form take some of it away


def test_weights_on_a_lopsided_lattice_are_not_tested_against_the_circle() -> None:
    """Random weights of 3 x 7 point along x by their lattice alone: R is near 1, and no p calls that a preference."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(4, 8, (3, 7)), nn.Conv2d(8, 8, 5))
    wide, square = rf.orientation(net, mass="abs")
    assert wide.resultant is not None
    assert wide.resultant > 0.9
    assert (wide.p_rayleigh, wide.p_kuiper, wide.p_rao, wide.q) == (None, None, None, None)
    assert wide.note is not None
    assert wide.note.startswith("no p: taps that reach further one way")
    assert square.p_rayleigh is not None
    stepped = rf.orientation(net, mass="abs", jumps={"1": (2.0, 1.0)})["1"]
    assert stepped.p_rayleigh is None
