"""The probe finds the field of nets made by hand, to the pixel; what is not there is said."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import rftools as rf
from rftools.errors import RequestError
from rftools.loading import as_model
from rftools.models import build
from rftools.models.data import Dataset, load_data
from rftools.probing.crossing import Answers, measured

SIZE = (3, 32, 32)


class Alike(nn.Module):
    """Tells marks that are alike from others where both touch a window of ``field`` pixels: |sum of red less blue|."""

    def __init__(self, field: int) -> None:
        super().__init__()
        self.sum = nn.Conv2d(3, 1, field, padding=field - 1, bias=False, dtype=torch.float64)
        with torch.no_grad():
            self.sum.weight.copy_(torch.tensor([1.0, 0.0, -1.0]).reshape(1, 3, 1, 1).expand(1, 3, field, field))

    def forward(self, x):
        coloured = (x - 0.5).where((x - 0.5).abs() > 0.37, torch.zeros(())).double()  # noise is no mark
        found = self.sum(coloured).abs().sum((1, 2, 3))
        return torch.stack([-found, found], 1)


@pytest.mark.parametrize("field", [5, 9, 21])
def test_pairs_find_the_field_to_the_pixel(field):
    model = rf.Model(Alike(field), "alike", "alike", SIZE, classes=("different", "alike"))
    found = rf.probe(model, method="pairs", count=8)
    assert found.reach == field
    assert found.behavioural.value == field
    assert found.theoretical == field
    assert {row.share for row in found if row.size <= field} == {1.0}
    assert {row.share for row in found if row.size > field} == {0.5}


def test_pairs_have_the_reach_of_any_net():
    """Random weights: the reach is the field of the last convolution, 1 + 2 (1 + 2 + 3), and never more."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 8, 3, padding=2, dilation=2), nn.Tanh()]
    layers += [nn.Conv2d(8, 8, 3, padding=3, dilation=3), nn.Tanh()]
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    assert rf.probe(as_model(net, SIZE), method="pairs", count=8).reach == 13


class OnePixel(nn.Module):
    """Tells the class from one pixel, ``away`` from the centre, and from nothing else."""

    def __init__(self, away: int) -> None:
        super().__init__()
        self.away = away

    def forward(self, x):
        return torch.stack([0.5 - x[:, 0, 16, 16 + self.away], x[:, 0, 16, 16 + self.away] - 0.5], 1)


def one_pixel(away: int) -> Dataset:
    draw = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (64, *SIZE), dtype=torch.uint8, generator=draw)
    labels = torch.arange(64) % 2
    images[:, 0, 16, 16 + away] = (labels * 200 + 20).to(torch.uint8)
    return Dataset("pixel", images, labels, ("dark", "bright"))


@pytest.mark.parametrize("method", ["occlusion", "shuffling"])
@pytest.mark.parametrize("away, side", [(0, 1), (3, 7), (-4, 8), (7, 15)])
def test_windows_find_the_pixel_that_decides(method, away, side):
    """About pixel 16 the window of side s holds 16 - s // 2 to 16 - s // 2 + s - 1."""
    found = rf.probe(as_model(OnePixel(away), SIZE), one_pixel(away), method=method)
    assert found.behavioural.value == side
    assert (found.behavioural.low, found.behavioural.high) == (side, side)
    assert found.whole == 1.0
    assert all(row.share == 1.0 for row in found if row.size >= side)
    if method == "occlusion":
        assert all(row.share == 0.5 for row in found if row.size < side)


class Recent(nn.Module):
    """Of each channel the highest of the last ``steps`` samples: the cue's, where it is among them."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x):
        return nn.functional.max_pool1d(nn.functional.pad(x, (self.steps - 1, 0)), self.steps, stride=1)


@pytest.mark.parametrize("steps", [1, 30, 100])
def test_distance_finds_how_far_back_is_told(steps):
    model = as_model(Recent(steps), (2, 128))
    found = rf.probe(model, "recall", method="distance", count=100)
    assert found.behavioural.value == steps
    assert found.unit == "samples"
    assert all(row.share == 1.0 for row in found if row.size <= steps)
    assert all(row.share < 0.7 for row in found if row.size > steps)


class Back(nn.Module):
    """The mean of the last nine samples: half of its gradient lies in the last five."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 2, 9)
        nn.init.constant_(self.conv.weight, 1 / 9)

    def forward(self, x):
        return self.conv(nn.functional.pad(x, (8, 0)))


def test_of_units_that_look_back_half_of_the_gradient_is_the_stretch_before_them():
    found = rf.probe(as_model(Back(), (2, 128)), "recall", method="distance", count=20)
    assert found.theoretical == 9
    assert found.effective.value == pytest.approx(4.5, abs=0.6)


def test_of_recurrent_units_each_sees_another_size():
    model = as_model(build("sequence-recurrent", classes=2), (2, 128))
    assert rf.probe(model, "recall", method="distance", count=20).theoretical is None


def test_distance_in_discs():
    """A net that spreads a mark's colour over the square of side 9 about it tells what lies within 4 of its edge."""

    class Spread(nn.Module):
        def forward(self, x):
            marks = (x > 0.99) & (x.sum(1, keepdim=True) < 1.01)
            wide = nn.functional.max_pool2d(marks.double(), 9, stride=1, padding=4)
            return torch.cat([0.5 - wide.amax(1, keepdim=True), wide], 1)

    found = rf.probe(as_model(Spread(), SIZE), "discs", method="distance", count=60)
    assert found.behavioural.value == 9
    assert {row.share for row in found if row.size <= 9} == {1.0}
    assert {row.share for row in found if row.size > 9} == {0.0}


def test_nothing_beyond_chance_has_no_field():
    class Constant(nn.Module):
        def forward(self, x):
            return torch.stack([x.mean((1, 2, 3)) * 0, x.mean((1, 2, 3)) * 0 + 1], 1)

    found = rf.probe(as_model(Constant(), SIZE), one_pixel(0))
    assert found.behavioural.value is None
    assert "nothing is told beyond chance (50%)" in found.remarks()[0]


def test_the_interval_covers():
    """Answers drawn from a curve with a step at 20 of 40: the step lies within the interval in about 95 % of draws."""
    sizes = np.arange(41)
    truth = np.where(sizes < 20, 0.5, 0.9)
    inside = 0
    for seed in range(60):
        drawn = (np.random.default_rng(seed).random((150, 41)) < truth).astype(float)
        size, low, high = measured(Answers(sizes, drawn, np.ones_like(drawn), 0.5, rises=True), seed, "px")
        inside += size.low <= 20 <= size.high
        assert ((low <= truth + 0.15) & (truth - 0.15 <= high)).all()
    assert inside >= 54


def test_json_has_the_curve(tmp_path):
    found = rf.probe(as_model(OnePixel(3), SIZE), one_pixel(3))
    told = json.loads(found.to_json())
    assert told["schema"] == {"name": "rftools.probe", "version": 1}
    assert told["behavioural"]["value"] == 7
    assert told["curve"][7] == {"name": "7 px", "size": 7, "share": 1.0, "low": 1.0, "high": 1.0, "count": 64}
    assert list(found.table().columns) == ["size", "share", "low", "high", "count"]


def test_requests_that_cannot_be_met():
    model = as_model(OnePixel(0), SIZE)
    with pytest.raises(RequestError, match=r"no method 'oclusion' \(closest: occlusion\)"):
        rf.probe(model, one_pixel(0), method="oclusion")
    with pytest.raises(RequestError, match="does not say what it was trained on; name its data"):
        rf.probe(model)
    with pytest.raises(RequestError, match="the pictures of recall are 2x128, the net takes 3x32x32"):
        rf.probe(model, "recall")
    with pytest.raises(RequestError, match="the net gives 2 a picture; the labels of patches take 8"):
        rf.probe(model, "patches")
    with pytest.raises(RequestError, match="pixel is no task by rule"):
        rf.probe(model, one_pixel(0), method="distance")
    with pytest.raises(RequestError, match=r"pairs are shown to nets over colour pictures; Recent takes 2x128"):
        rf.probe(as_model(Recent(3), (2, 128)), method="pairs")


def test_the_data_of_a_checkpoint_is_what_it_is_asked_about():
    model = rf.Model(OnePixel(0), "x", "x", SIZE, metadata={"data": "marks"})
    assert rf.probe(model, count=10).source == "marks, held out (10)"
    assert len(load_data("marks", "test")) == 800
