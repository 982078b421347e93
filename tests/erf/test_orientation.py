"""Orientation of effective fields against kernels, turns and the ellipse that `effective` measures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import rftools as rf
from rftools.erf import effective_orientation
from rftools.weights.statistics.axial import resultant
from rftools.weights.statistics.shapes import coordinates, inertia
from rftools.weights.statistics.sphere import fractional_anisotropy, tensors


def test_a_first_layers_ellipses_are_its_kernels() -> None:
    """The gradient of a convolution is its kernel: two ways to one angle, through dilation and stride."""
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 12, 5, stride=2, dilation=(1, 2), padding=4)
    row = effective_orientation(nn.Sequential(conv), input_size=(3, 33, 33), count=2)["0"]
    mass = conv.weight.detach().abs().mean(1).reshape(12, -1).double().numpy()
    own = inertia(mass, coordinates((5, 5), (1.0, 2.0)))
    assert [one.filter for one in row.filters] == list(range(12))
    np.testing.assert_allclose([one.anisotropy for one in row.filters], own.anisotropy, atol=1e-5)
    np.testing.assert_allclose([one.angle for one in row.filters], np.degrees(own.angle), atol=0.01)
    length, mean = resultant(own.angle)
    assert (row.kernels, row.oriented, row.units) == (12, 12, "px")
    assert row.resultant == pytest.approx(length, abs=1e-5)
    assert row.mean_angle == pytest.approx(np.degrees(mean), abs=0.01)
    assert (row.p_lattice, row.q, row.null_radius) == (None, None, None)
    assert row.pooled.rank == 2


def test_one_channel_agrees_with_the_measured_ellipse() -> None:
    torch.manual_seed(1)
    middle = nn.Conv2d(6, 4, 3, padding=1)
    net = nn.Sequential(nn.Conv2d(2, 6, 5, padding=2), nn.Tanh(), middle, nn.Tanh(), nn.Conv2d(4, 1, 3, padding=1))
    images = torch.randn(6, 2, 21, 21)
    measures = rf.effective(net, images, "4")["4"].measures
    (one,) = effective_orientation(net, images, "4", input_size=(2, 21, 21), batch_size=4)["4"].filters
    assert one.angle == pytest.approx(measures["ellipse_angle"].value, abs=0.01)
    assert one.anisotropy == pytest.approx(measures["ellipse_anisotropy"].value, abs=1e-4)


def test_a_quarter_turn_turns_every_ellipse() -> None:
    torch.manual_seed(2)
    net = nn.Sequential(nn.Conv2d(1, 4, 5, padding=2), nn.Tanh(), nn.Conv2d(4, 5, 3, padding=1))
    turned = nn.Sequential(nn.Conv2d(1, 4, 5, padding=2), nn.Tanh(), nn.Conv2d(4, 5, 3, padding=1))
    turned.load_state_dict({k: torch.rot90(v, 1, (2, 3)) if v.ndim == 4 else v for k, v in net.state_dict().items()})
    images = torch.randn(3, 1, 17, 17)
    before = effective_orientation(net, images, "2", input_size=(1, 17, 17))["2"]
    after = effective_orientation(turned, torch.rot90(images, 1, (2, 3)), "2", input_size=(1, 17, 17))["2"]
    for first, second in zip(before.filters, after.filters, strict=True):
        assert (first.angle + 90) % 180 == pytest.approx(second.angle, abs=0.01)
    assert before.resultant == pytest.approx(after.resultant, abs=1e-4)


def test_channels_that_see_nothing_are_left_out() -> None:
    conv = nn.Conv2d(1, 3, 3, padding=1)
    nn.init.zeros_(conv.weight)
    net = nn.Sequential(conv)
    row = effective_orientation(net, input_size=(1, 9, 9))["0"]
    assert (row.kernels, row.note) == (0, "the gradient of every channel is zero at these images")
    conv.weight.data[1, 0, 1] = 1
    row = effective_orientation(net, input_size=(1, 9, 9))["0"]
    assert [(one.filter, one.angle, one.anisotropy) for one in row.filters] == [(1, 0.0, pytest.approx(1))]
    assert '"of": "effective"' in effective_orientation(net, input_size=(1, 9, 9)).to_json()
    assert conv.weight.requires_grad


def test_volumes_have_axes_those_of_the_kernels() -> None:
    """The gradient of a 3-D convolution of one channel is its kernel: both ways give its axes."""
    torch.manual_seed(3)
    conv = nn.Conv3d(1, 6, 3, stride=2, dilation=(1, 2, 1), padding=3)
    conv.weight.data[5] = 0
    net = nn.Sequential(conv)
    row = effective_orientation(net, input_size=(1, 13, 13, 13), count=1)["0"]
    own = rf.orientation(net, mass="abs")["0"]
    assert (row.kernels, row.oriented, row.units) == (5, 5, "px")
    assert row.axes.eigenvalues == pytest.approx(own.axes.eigenvalues, abs=1e-5)
    assert row.axes.mean_axis == pytest.approx(own.axes.mean_axis, abs=1e-4)
    assert row.anisotropy == pytest.approx(own.anisotropy, abs=1e-5)
    assert row.pooled.anisotropy == pytest.approx(own.pooled.anisotropy, abs=1e-5)
    mass = conv.weight.detach().abs().reshape(6, -1).double().numpy()[:5]
    values = np.linalg.eigvalsh(tensors(mass, coordinates((3, 3, 3), (1.0, 2.0, 1.0))))
    np.testing.assert_allclose([one.anisotropy for one in row.filters], fractional_anisotropy(values), atol=1e-5)
    assert [(one.filter, one.angle) for one in row.filters] == [(c, None) for c in range(5)]


def test_a_turned_volume_turns_its_axes() -> None:
    """Depth and width changed round, in the nets and in the images: x and z of the mean axis change places."""
    torch.manual_seed(4)
    net = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.Tanh(), nn.Conv3d(4, 5, 3, padding=1))
    turned = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.Tanh(), nn.Conv3d(4, 5, 3, padding=1))
    state = net.state_dict()
    turned.load_state_dict({k: v.transpose(2, 4).contiguous() if v.ndim == 5 else v for k, v in state.items()})
    images = torch.randn(2, 1, 9, 9, 9)
    before = effective_orientation(net, images, "2", input_size=(1, 9, 9, 9))["2"].axes
    after = effective_orientation(turned, images.transpose(2, 4), "2", input_size=(1, 9, 9, 9))["2"].axes
    assert before.order == pytest.approx(after.order, abs=1e-4)
    assert np.abs(before.mean_axis)[::-1] == pytest.approx(np.abs(after.mean_axis), abs=1e-3)


def test_requests_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    from rftools.cli.orientation import command

    with pytest.raises(rf.RequestError, match="one axis, and a line has no orientation"):
        effective_orientation(nn.Sequential(nn.Conv1d(1, 2, 3)), input_size=(1, 9))
    with pytest.raises(rf.RequestError, match="no layer matches 'nothing'"):
        effective_orientation(nn.Sequential(nn.Conv2d(1, 2, 3)), None, "nothing", input_size=(1, 9, 9))
    broken = nn.Sequential(nn.Conv2d(1, 2, 3))
    broken[0].weight.data[0] = float("inf")
    with pytest.raises(rf.RequestError, match="the gradient of layer '0' is not finite"):
        effective_orientation(broken, input_size=(1, 9, 9))

    def run(*options: str) -> str:
        return CliRunner().invoke(command, ["rftools:vgg-dilated", *options], catch_exceptions=False).stdout

    with pytest.raises(rf.RequestError, match="--images speaks of effective fields; add --of effective"):
        run("--images", "white")
    with pytest.raises(rf.RequestError, match="--signs, --mass and --independent speak of weights"):
        run("--of", "effective", "--signs")
    picture = tmp_path / "rose.svg"
    table = run("--of", "effective", "--layer", "features.block1.conv", "--count", "2", "-o", str(picture))
    assert table.splitlines()[1].split("\t")[:3] == ["features.block1.conv", "16", "16"]
    assert "Orientation of effective fields" in picture.read_text()


def test_only_the_first_layer_has_a_p_value() -> None:
    torch.manual_seed(5)
    net = nn.Sequential(nn.Conv2d(1, 8, 5, padding=2), nn.Tanh(), nn.Conv2d(8, 8, 3, padding=1))
    first, second = effective_orientation(net, input_size=(1, 15, 15), count=2)
    assert first.p_rayleigh is not None
    assert (second.p_rayleigh, second.p_kuiper, second.p_rao) == (None, None, None)
    assert second.note == "no p: channels share the layers before them, and with these a direction"
    assert effective_orientation(net, None, "2", input_size=(1, 15, 15), count=2)["2"].p_rayleigh is None


@pytest.mark.slow
def test_channels_of_random_nets_share_directions_but_in_the_first_layer() -> None:
    """Why deeper layers have no p: nets without any direction are rejected far more often than a test may."""
    from rftools.weights.statistics.axial import rayleigh

    rejected = np.zeros(2)
    for seed in range(60):
        found = effective_orientation(rf.load("rftools:vgg-dilated", seed=seed), count=4, seed=seed)
        for place, name in enumerate(("features.block1.conv", "features.block4.conv")):
            angles = np.radians([one.angle for one in found[name].filters if one.angle is not None])
            rejected[place] += rayleigh(len(angles), resultant(angles)[0]) < 0.05
    assert rejected[0] / 60 < 0.12
    assert rejected[1] / 60 > 0.4
