"""Orientation tuning against filters whose tuning is known, and against the kernels' Fourier amplitude."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.optimize import curve_fit
from torch import nn

import rftools as rf
from rftools.cli import main
from rftools.gratings import fourier_amplitude, tuning
from rftools.gratings.measures import axial_mean, fit_von_mises, harmonic, peak_frequency
from rftools.gratings.stimuli import Place, Sweep, patterns
from rftools.loading import Model, Normalisation
from rftools.plots import describe
from rftools.plots import scene as sc

SIDE = 21


def gabor(orientation: float, frequency: float, phase: float = 0.0, side: int = SIDE, sigma: float = 4.0) -> np.ndarray:
    """A Gabor patch with bars at ``orientation`` degrees (counter-clockwise as seen), without a mean."""
    half = (side - 1) / 2
    y, x = np.meshgrid(half - np.arange(side), np.arange(side) - half, indexing="ij")
    wave = math.radians(orientation + 90)
    patch = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    carrier = np.cos(2 * math.pi * frequency * (x * math.cos(wave) + y * math.sin(wave)) - phase)
    found = patch * carrier
    return np.asarray(found - patch * found.sum() / patch.sum(), dtype=np.float32)


def bank(kernels: list[np.ndarray]) -> nn.Conv2d:
    """A layer with these kernels and no bias."""
    stack = torch.tensor(np.stack(kernels))
    stack = stack[:, None] if stack.ndim == 3 else stack
    conv = nn.Conv2d(stack.shape[1], len(stack), stack.shape[-1], padding=stack.shape[-1] // 2, bias=False)
    conv.weight.data[:] = stack
    return conv


def apart(first: float, second: float) -> float:
    """The axial distance of two orientations, in degrees."""
    return abs((first - second + 90) % 180 - 90)


ORIENTATIONS = (0.0, 11.0, 30.0, 45.0, 68.0, 90.0, 101.5, 135.0, 172.0)


@pytest.mark.parametrize("response", ["F0", "F1"])
@pytest.mark.parametrize("frequency", [0.11, 0.15, 0.23])
def test_a_gabor_bank_gives_its_own_orientations_and_frequencies(response: str, frequency: float) -> None:
    conv = bank([gabor(angle, frequency, phase) for angle in ORIENTATIONS for phase in (0.0, 1.0)])
    row = tuning(nn.Sequential(conv), input_size=(1, 41, 41), response=response)["0"]
    assert row.selective == row.responding == 2 * len(ORIENTATIONS)
    for one in row.filters:
        assert apart(one.orientation.value, ORIENTATIONS[one.filter // 2]) < 2
        assert one.frequency == pytest.approx(frequency, rel=0.05)
        assert one.frequency_end is None
        assert one.fit > 0.98
        assert one.modulation == pytest.approx(math.pi / 2, rel=0.06)  # linear
        assert one.orientation.low <= one.orientation.value <= one.orientation.high


class Energy(nn.Module):
    """Complex cells: the summed squares of quadrature pairs."""

    def __init__(self, orientations: tuple[float, ...], frequency: float) -> None:
        super().__init__()
        pairs = [gabor(angle, frequency, phase) for angle in orientations for phase in (0.0, math.pi / 2)]
        self.pairs = bank(pairs)
        self.cells = nn.Conv2d(len(pairs), len(orientations), 1, groups=len(orientations), bias=False)
        nn.init.ones_(self.cells.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.cells(self.pairs(x) ** 2)


def test_complex_cells_are_tuned_and_do_not_care_for_phase() -> None:
    row = tuning(Energy(ORIENTATIONS, 0.16), "cells", input_size=(1, 41, 41))["cells"]
    for one, angle in zip(row.filters, ORIENTATIONS, strict=True):
        assert apart(one.orientation.value, angle) < 2
        assert one.frequency == pytest.approx(0.16, rel=0.05)
        assert one.modulation < 0.05
        assert one.global_osi.high - one.global_osi.low < 0.02  # all phases say the same
    simple = tuning(Energy(ORIENTATIONS, 0.16), "pairs", input_size=(1, 41, 41))["pairs"]
    assert simple.medians["modulation"] > 1.5


def test_the_first_harmonic_of_a_first_layer_is_its_fourier_amplitude() -> None:
    """Two ways to one number, with colour, normalisation, dilation and an even kernel."""
    torch.manual_seed(0)
    for kernel, dilation in ((5, 1), (3, 2), (4, 1)):
        net = nn.Sequential(nn.Conv2d(3, 12, kernel, dilation=dilation, padding=kernel))
        norm = Normalisation((0.4, 0.5, 0.6), (0.2, 0.3, 0.25))
        model = Model(net, "net", "net", input_size=(3, 24, 24), normalisation=norm)
        row = tuning(model, response="F1", contrast=0.8)["0"]
        gains = [0.8 / 2 / s for s in norm.std]
        weight, taps_apart = net[0].weight.detach().numpy(), (dilation, dilation)
        expected = fourier_amplitude(weight, row.orientations, row.frequencies, gains=gains, dilation=taps_apart)
        np.testing.assert_allclose(row.responses, expected, rtol=2e-4, atol=2e-5 * expected.max())


def test_orientations_by_gratings_and_by_fourier_agree() -> None:
    """F0, which is what units of a net give, against the finely sampled spectrum at the preferred frequency."""
    conv = bank([gabor(angle, 0.2, 0.7, side=11, sigma=2.5) for angle in ORIENTATIONS])
    row = tuning(nn.Sequential(conv), input_size=(1, 31, 31))["0"]
    fine = np.arange(0, 180, 0.25)
    for one in row.filters:
        own = conv.weight.detach().numpy()[one.filter : one.filter + 1]
        spectrum = fourier_amplitude(own, fine, [one.frequency])[0, 0]
        by_kernel = np.degrees(np.angle(axial_mean(spectrum, np.radians(fine)))) / 2
        assert apart(one.orientation.value, float(by_kernel)) < 2
        assert apart(float(fine[spectrum.argmax()]), ORIENTATIONS[one.filter]) < 2


@pytest.mark.parametrize("response", ["F0", "F1"])
def test_an_isotropic_blob_stays_below_its_noise(response: str) -> None:
    half = (SIDE - 1) / 2
    y, x = np.mgrid[:SIDE, :SIDE] - half
    blob = np.exp(-(x**2 + y**2) / 18) - np.exp(-(x**2 + y**2) / 32) * 18 / 32
    row = tuning(nn.Sequential(bank([blob.astype(np.float32)])), input_size=(1, 41, 41), response=response)["0"]
    (one,) = row.filters
    assert one.response > 0
    assert one.global_osi.value < max(one.noise, 1e-6)
    assert not one.selective
    assert (row.selective, row.resultant, row.p_rayleigh) == (0, None, None)


def test_noise_outweighs_outputs_that_have_no_orientation_most_of_the_time() -> None:
    """Outputs drawn anew at every orientation and phase: about 5 % of filters look selective."""
    from rftools.gratings.intervals import spread

    outputs = np.random.default_rng(0).standard_normal((600, 12, 8))
    orientations = np.pi * np.arange(12) / 12
    curves = np.maximum(outputs, 0).mean(-1)
    found = spread(outputs, "F0", orientations, curves.argmax(1), seed=0)
    rate = np.mean(np.abs(axial_mean(curves, orientations)) > found.noise)
    assert 0.01 < rate < 0.09


@pytest.mark.parametrize("response", ["F0", "F1"])
def test_a_quarter_turn_moves_preferences_by_90_degrees(response: str) -> None:
    torch.manual_seed(1)
    kernels = torch.randn(8, 1, 7, 7)
    rows = []
    for stack in (kernels, torch.rot90(kernels, 1, dims=(2, 3))):
        conv = bank(list(stack[:, 0].numpy()))
        rows.append(tuning(nn.Sequential(conv), input_size=(1, 21, 21), response=response)["0"])
    for before, after in zip(rows[0].filters, rows[1].filters, strict=True):
        assert apart(before.orientation.value + 90, after.orientation.value) < 1e-3
        assert after.global_osi.value == pytest.approx(before.global_osi.value, rel=1e-4)
        assert after.frequency == pytest.approx(before.frequency, rel=1e-4)


def test_a_mirror_turns_orientations_back() -> None:
    conv = bank([gabor(30, 0.15), gabor(30, 0.15)[:, ::-1].copy()])
    first, second = tuning(nn.Sequential(conv), input_size=(1, 41, 41))["0"].filters
    assert first.orientation.value == pytest.approx(30, abs=1)
    assert second.orientation.value == pytest.approx(150, abs=1)


def test_indices_are_their_definitions() -> None:
    row = tuning(nn.Sequential(bank([gabor(20, 0.2), gabor(75, 0.15, 1.2)])), input_size=(1, 41, 41))["0"]
    for one in row.filters:
        curve = row.curve(one.filter)
        best = int(curve.argmax())
        assert one.peak == row.orientations[best]
        opposite = curve[(best + len(curve) // 2) % len(curve)]
        assert one.osi.value == pytest.approx((curve[best] - opposite) / (curve[best] + opposite))
        z = sum(r * np.exp(2j * math.radians(t)) for r, t in zip(curve, row.orientations, strict=True)) / curve.sum()
        assert one.global_osi.value == pytest.approx(abs(z))
        assert one.circular_variance == pytest.approx(1 - abs(z))
        assert one.response == curve[best] == row.responses[one.filter].max()


def test_the_half_width_is_that_of_the_known_bump_and_of_scipys_fit() -> None:
    angles = np.pi * np.arange(24) / 24

    def bump(theta: np.ndarray, base: float, gain: float, centre: float, kappa: float) -> np.ndarray:
        return base + gain * np.exp(kappa * (np.cos(2 * (theta - centre)) - 1))

    noise = 0.02 * np.random.default_rng(0).standard_normal((3, 24))
    curves = np.stack([bump(angles, 0.3, 2.0, c, k) for c, k in ((0.4, 3.0), (2.9, 0.6), (1.3, 12.0))])
    fit = fit_von_mises(curves, angles)
    np.testing.assert_allclose(fit.centre, [0.4, 2.9, 1.3], atol=1e-3)
    np.testing.assert_allclose(fit.kappa, [3.0, 0.6, 12.0], rtol=5e-3)
    assert (fit.goodness > 0.99999).all()
    for curve, centre, width in zip(curves, fit.centre, fit.half_width, strict=True):
        fine = centre + np.radians(np.linspace(0, 90, 90001))
        own = bump(fine, *curve_fit(bump, angles, curve, (0.3, 2.0, centre, 2.0))[0])
        middle = (own.max() + own.min()) / 2
        assert width == pytest.approx(np.degrees(fine[np.abs(own - middle).argmin()] - centre), abs=0.1)
    rough = fit_von_mises(curves + noise, angles)
    for curve, centre, kappa, goodness in zip(curves + noise, rough.centre, rough.kappa, rough.goodness, strict=True):
        best, _ = curve_fit(bump, angles, curve, (0.3, 2.0, centre, kappa))
        residual = ((bump(angles, *best) - curve) ** 2).sum() / ((curve - curve.mean()) ** 2).sum()
        assert goodness == pytest.approx(1 - residual, abs=1e-4)
    assert np.isnan(fit_von_mises(np.full((1, 24), 2.0), angles).half_width[0])


def test_the_first_harmonic_is_numpys() -> None:
    y = np.random.default_rng(0).standard_normal((5, 12))
    np.testing.assert_allclose(harmonic(y), 2 / 12 * np.abs(np.fft.fft(y)[:, 1]))


def test_a_peak_at_an_end_is_that_end_and_said() -> None:
    f = np.array([0.1, 0.2, 0.4])
    assert peak_frequency(np.array([[3.0, 2, 1]]), f, np.array([0])).tolist() == [0.1]
    low = nn.Sequential(bank([np.ones((7, 7), dtype=np.float32)]))
    (one,) = tuning(low, input_size=(1, 21, 21))["0"].filters
    assert one.frequency_end == "low"


def test_gratings_have_bars_as_seen_and_move_along_their_wave() -> None:
    place = Place((10.0, 10.0), (15, 15), (21, 21))
    (level, *_), *_ = (p for p in patterns(place, Sweep((0.0, 45.0), (0.125,), 4)))
    assert np.ptp(level[10, 5:16]) < 1e-6 < np.ptp(level[5:16, 10])  # horizontal bars: even along a row
    _, tilted = patterns(place, Sweep((0.0, 45.0), (0.125,), 4))
    diagonal = np.arange(6, 15)
    assert np.ptp(tilted[0][20 - diagonal, diagonal]) < 1e-6  # 45 degrees runs from the lower left to the upper right
    corner = tilted[0][0, 0]
    assert corner == pytest.approx(0, abs=0.2)
    film = Place((2.0, 10.0, 10.0), (3, 15, 15), (5, 21, 21))
    up, down = patterns(film, Sweep((0.0,), (0.125,), 4, temporal=0.25))
    # a quarter of a cycle a frame is two pixels: bars at 0 degrees first move up, then down
    np.testing.assert_allclose(up[0][3][6:12, 10], up[0][2][8:14, 10], atol=1e-5)
    np.testing.assert_allclose(down[0][3][8:14, 10], down[0][2][6:12, 10], atol=1e-5)


def test_direction_of_motion_in_three_dimensions() -> None:
    """A space-time filter that follows bars moving to the right, and one that takes either way."""
    side, frames = 15, 5
    half = (side - 1) / 2
    t, y, x = np.meshgrid(np.arange(frames) - 2, half - np.arange(side), np.arange(side) - half, indexing="ij")
    envelope = np.exp(-(x**2 + y**2) / 18 - t**2 / 4)
    right = envelope * np.cos(2 * np.pi * (0.15 * x - 0.2 * t))
    left = envelope * np.cos(2 * np.pi * (0.15 * x + 0.2 * t))
    conv = nn.Conv3d(1, 3, (frames, side, side), padding="same", bias=False)
    conv.weight.data[:, 0] = torch.tensor(np.stack([right, left, right + left]))
    row = tuning(nn.Sequential(conv), input_size=(1, 9, 25, 25), temporal=0.2, orientations=12, phases=6)["0"]
    follows, other, both = row.filters
    assert (follows.direction, other.direction) == (0.0, 180.0)
    assert follows.dsi.value > 0.7
    assert other.dsi.value > 0.7
    assert both.dsi.value < 0.05
    assert all(one.orientation.value == pytest.approx(90, abs=1) for one in row.filters)
    assert row.responses.shape == (3, len(row.frequencies), 24)


def test_a_dead_filter_is_null_not_nan() -> None:
    conv = bank([gabor(30, 0.15), np.zeros((SIDE, SIDE))])
    conv.weight.data = conv.weight.data.float()
    result = tuning(nn.Sequential(conv), input_size=(1, 41, 41))
    alive, dead = result["0"].filters
    assert alive.selective
    assert (dead.response, dead.orientation.value, dead.frequency, dead.osi.value) == (0.0, None, None, None)
    assert not dead.selective
    text = result.to_json()
    assert "NaN" not in text
    body = json.loads(text)
    assert body["schema"] == {"name": "rftools.tuning", "version": 1}
    first, second = body["layers"][0]["filters"]
    assert first["orientation"].keys() == {"value", "low", "high"}
    assert second["half_width"] is None
    assert len(first["curve"]) == len(body["layers"][0]["orientations"]) == 24
    silent = tuning(nn.Sequential(bank([np.zeros((5, 5), dtype=np.float32)])), input_size=(1, 9, 9))["0"]
    assert (silent.responding, silent.note) == (0, "no filter answers to any grating")


def test_the_module_is_left_as_it_was_and_the_pass_is_cut_short() -> None:
    class Loud(nn.Module):
        called = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            Loud.called += 1
            return x

    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), Loud())
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    tuning(net, "0", input_size=(1, 9, 9), orientations=4, phases=3, frequencies=[0.2, 0.4])
    assert net.training
    assert net[1].training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not net[0]._forward_hooks
    with_gratings, Loud.called = Loud.called, 0
    rf.theoretical(net, input_size=(1, 9, 9))
    assert with_gratings == Loud.called  # capture alone runs the whole net


def test_the_same_seed_gives_the_same_result_and_layers_may_share_gratings() -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 5, padding=2), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 3, padding=1))
    small = {"orientations": 8, "phases": 4, "input_size": (1, 15, 15)}
    first = tuning(net, ["0", "2", "3"], **small)
    assert first.to_json() == tuning(net, ["0", "2", "3"], batch_size=5, **small).to_json()
    assert [row.name for row in first] == ["0", "2", "3"]
    np.testing.assert_array_equal(first["2"].responses, tuning(net, "2", **small)["2"].responses)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"layers": "nothing*"}, "no layer matches 'nothing\\*'"),
        ({"layers": "2"}, "layer '2' has no map, so none of its units has a place; name a layer before it"),
        ({"orientations": 7}, "7 orientations; it takes an even number, 4 or more"),
        ({"phases": 2}, "2 phases; a first harmonic takes 3 or more"),
        ({"contrast": 0.0}, "contrast 0 is not above 0 and up to 1"),
        ({"contrast": 25.0}, "contrast 25 is not above 0 and up to 1"),
        ({"size": -1.0}, "size -1; the disc's diameter in fields is a positive number"),
        ({"frequencies": [0.1, 0.7]}, "frequency 0.7 is not above 0 and up to 0.5 cycles a sample"),
        ({"frequencies": []}, "frequency none is not above 0"),
        ({"response": "f2"}, "no response 'f2'.*; there are F0, F1"),
        ({"temporal": 0.1}, "a temporal frequency needs a net over frames"),
        ({"device": "gpu9"}, "no device 'gpu9'"),
    ],
)
def test_bad_requests_are_one_line(options: dict[str, object], line: str) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(98, 3))
    with pytest.raises(rf.RequestError, match=line) as caught:
        rf.tuning(net, input_size=(1, 9, 9), **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_one_dimensional_nets_and_nets_without_a_size_are_refused() -> None:
    with pytest.raises(rf.RequestError, match="a 1-D net has none"):
        tuning(nn.Sequential(nn.Conv1d(1, 2, 3)), input_size=(1, 30))
    with pytest.raises(rf.RequestError, match="give it as --input-size"):
        tuning(nn.Sequential(nn.Conv2d(1, 2, 3)))


def test_weights_that_diverged_are_named() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3))
    net[0].weight.data[0] = float("nan")
    with pytest.raises(rf.RequestError, match="layer '0' answers a grating with NaN or infinity"):
        tuning(net, input_size=(1, 9, 9))


def test_pictures_say_what_the_result_says() -> None:
    conv = bank([gabor(100, 0.15), gabor(20, 0.2), np.zeros((SIDE, SIDE), dtype=np.float32)])
    result = tuning(nn.Sequential(conv), input_size=(1, 41, 41))
    curve = describe(result, "curves", filters=[1])
    (points,) = curve.marks(sc.Points)
    assert points.y[:-1] == tuple(result["0"].curve(1))
    assert points.y[-1] == points.y[0]
    (rule,) = curve.marks(sc.ReferenceLine)
    assert rule.value == result["0"].filters[1].orientation.value
    assert [panel.title[:9] for panel in describe(result).panels] == ["filter 1:", "filter 0:"]  # by orientation
    (round_, axis) = describe(result, "polar", filters=[0]).marks(sc.Line)
    assert round_.x[int(np.argmax(round_.y))] == result["0"].filters[0].peak
    assert max(axis.y) == pytest.approx(result["0"].filters[0].global_osi.value)
    first, _ = describe(result, "sheet").marks(sc.Heatmap)
    assert np.isnan(first.values[2]).all()  # the silent one is last, and blank
    assert first.values[:2].argmax(1).tolist() == [3, 13]
    pictures = list(describe(result, "sheet").marks(sc.Image))
    assert len(pictures) == 3
    assert (pictures[2].pixels == 128).all()
    (bars,) = describe(result, "map").marks(sc.PolarBars)
    widths = np.diff(bars.edges) / 15
    assert (widths * np.square(bars.radii)).sum() == pytest.approx(12)  # area-true: twelve bins on the half circle
    with pytest.raises(rf.RequestError, match="filter 2 of '0' answers to no grating"):
        describe(result, "curves", filters=[2])
    with pytest.raises(rf.RequestError, match="no filter 7 in '0'; there are 0 to 2"):
        describe(result, "polar", filters=[7])
    with pytest.raises(rf.RequestError, match="no filter answers to any grating"):
        describe(tuning(nn.Sequential(bank([np.zeros((3, 3), dtype=np.float32)])), input_size=(1, 9, 9)))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rftools.cli.tuning import command

    few = ["--layer", "features.block1.conv", "--orientations", "8", "--phases", "4", "--frequencies", "0.2,0.4"]
    done = CliRunner().invoke(command, ["rftools:vgg-dilated", *few], catch_exceptions=False)
    head, row = (line.split("\t") for line in done.stdout.splitlines())
    assert head[:5] == ["layer", "field", "filters", "responding", "selective"]
    assert row[:3] == ["features.block1.conv", "3", "16"]
    table = tmp_path / "filters.csv"
    picture = tmp_path / "tuning.svg"
    CliRunner().invoke(
        command,
        ["rftools:vgg-dilated", *few, "--group-by", "filter", "--csv", str(table), "-o", str(picture)],
        catch_exceptions=False,
    )
    rows = list(csv.reader(table.read_text().splitlines()))
    assert (len(rows), rows[0][:3]) == (17, ["layer", "filter", "orientation"])
    assert picture.stat().st_size > 1000
    with pytest.raises(SystemExit) as stop:
        main(["tuning", "rftools:vgg-dilated", "--frequencies", "0.1;0.2"])
    assert stop.value.code == 2
    assert "error: frequencies '0.1;0.2' are not numbers separated by commas" in capsys.readouterr().err
