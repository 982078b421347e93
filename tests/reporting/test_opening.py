"""The page's first sentence and picture: each clause from results, contours that hold what they say."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.path import Path as Outline
from torch import nn

import rftools as rf
from rftools.checks.sizes import effective_size
from rftools.plots.picture import waveform_picture
from rftools.reporting.drawing.contours import contours, strips
from rftools.reporting.drawing.depth import Depth, across, chart, up
from rftools.reporting.findings import Thresholds
from rftools.reporting.page.contents import contents
from rftools.reporting.page.method import Provenance
from rftools.reporting.page.sentence import sentence
from rftools.reporting.sources.models import from_model
from rftools.reporting.sources.results import from_results
from rftools.reporting.subject.subject import Subject
from rftools.trf.layer_field import Surviving
from rftools.weights.results import SparsityResult
from tests import drawn


def points(path: str) -> np.ndarray:
    (line,) = re.findall(r"M([^Z]*)Z", path)
    return np.array([[float(n) for n in pair.split()] for pair in line.split("L")])


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_the_contour_of_a_gaussian_is_its_circle(share: float) -> None:
    """Closed form: a share p of an even Gaussian lies within sigma sqrt(-2 ln(1 - p)), however it is smoothed."""
    sigma, centre = 12.0, 60.0
    y, x = np.indices((121, 121))
    values = np.exp(-((x - centre) ** 2 + (y - centre) ** 2) / (2 * sigma**2))
    found = points(contours(values, [share])[0])
    radius = np.hypot(*(found - centre - 0.5).T)
    expected = sigma * np.sqrt(-2 * np.log(1 - share))
    assert radius.min() == pytest.approx(expected, rel=0.02)
    assert radius.max() == pytest.approx(expected, rel=0.02)


def test_a_contour_holds_its_share_of_a_grainy_map() -> None:
    generator = np.random.default_rng(0)
    y, x = np.indices((80, 60))
    values = np.exp(-((x - 30) ** 2 / 98 + (y - 45) ** 2 / 242)) * generator.exponential(size=(80, 60))
    centres = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], axis=1)
    for share, path in zip((0.5, 0.95), contours(values), strict=True):
        inside = np.zeros(len(centres), dtype=bool)
        for line in re.findall(r"M[^Z]*Z", path):  # islands add, holes take away
            inside ^= Outline(points(line)).contains_points(centres)
        assert values.ravel()[inside].sum() / values.sum() == pytest.approx(share, abs=0.02)


def test_a_contour_stays_within_what_the_map_fills() -> None:
    values = np.zeros((40, 40))
    values[10:20, 5:35] = 1
    outer = points(contours(values)[1])
    assert outer[:, 0].min() >= 4.4
    assert outer[:, 0].max() <= 35.6
    assert outer[:, 1].min() >= 9.4
    assert outer[:, 1].max() <= 20.6


def test_nothing_is_drawn_of_nothing() -> None:
    assert contours(np.zeros((5, 5))) == ["", ""]


def pruned(share: float) -> SparsityResult:
    whole = drawn.sparsity()
    return dataclasses.replace(whole, total=dataclasses.replace(whole.total, sparsity=share))


def left(*shares: float) -> rf.theoretical:  # type: ignore[valid-type]
    whole = drawn.theoretical()
    rows = [
        dataclasses.replace(row, surviving=Surviving((3, 3), ((9, 11), (9, 11)), share))
        for row, share in zip(whole.layers, shares, strict=False)
    ]
    return dataclasses.replace(whole, layers=(*rows, *whole.layers[len(rows) :]))


def test_each_clause_of_the_sentence() -> None:
    def said(*results: object) -> str:
        return sentence(from_results(list(results)), Thresholds())  # type: ignore[arg-type]

    seen = "The last convolution, conv2, can see 9x7 px"
    assert said(drawn.theoretical()) == f"{seen}."
    assert said(drawn.theoretical(), drawn.effective()) == f"{seen}; half of what moves it lies within 5 px."
    assert said(drawn.theoretical(), pruned(0.0)) == f"{seen}; no weight is zero."
    assert said(left(1.0, 1.0), pruned(0.79)) == (
        f"{seen}; 79 % of the weights are zero, which cost no layer any of its field."
    )
    assert said(left(1.0, 0.4), pruned(0.79)) == (
        f"{seen}; 79 % of the weights are zero, which cost 1 layer part of the field (most in conv2: 40 % is left)."
    )
    assert said(drawn.orientation()) == "No layer prefers a direction."
    assert said(drawn.orientation(q=0.01)) == "Kernels of 1 layer share a direction."
    wide = drawn.theoretical(axes=(drawn.axis(31, 1, -15, 3), drawn.axis(31, 1, -15, 3)))
    assert said(wide) == "The last convolution, conv2, can see 31 px, more than the image's 20."


def test_random_weights_are_in_the_sentence() -> None:
    model = dataclasses.replace(drawn.MODEL, weights="random, seed 0")
    made = [dataclasses.replace(make(), model=model) for make in (drawn.theoretical, drawn.effective)]
    assert "; with these random weights, half of what moves it lies within 5 px." in sentence(
        from_results(made), Thresholds()
    )


def test_the_chart_is_where_its_numbers_are() -> None:
    """Read back from the drawing: places evenly apart, sizes from 0 to the image's side."""
    text = chart([Depth("a", 3.0), Depth("b", 9.0, 5.0, 4.5, 5.5), Depth("c", 20.0)], 20.0, "op")
    dots = re.findall(r'class="(\w+)" cx="([\d.]+)" cy="([\d.]+)"', text)
    assert [kind for kind, *_ in dots] == ["sees", "sees", "sees", "uses"]
    bottom, height = up(0, 20.0), up(0, 20.0) - up(20.0, 20.0)
    sizes = [(bottom - float(y)) / height * 20 for _, _, y in dots]
    assert sizes == pytest.approx([3, 9, 20, 5], abs=0.02)
    assert [float(x) for _, x, _ in dots[:3]] == pytest.approx([across(i, 3) for i in range(3)], abs=0.05)


def test_the_stage_shows_the_last_convolution_first(tmp_path: Path) -> None:
    page = rf.report([drawn.theoretical(), drawn.effective()], tmp_path / "r.html").read_text()
    found = re.search(r'id="opening-data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data = json.loads(found.group(1))
    assert [layer["name"] for layer in data["layers"]] == ["conv1", "conv2"]
    assert data["layers"][data["start"]]["name"] == "conv2"
    shown = data["layers"][1]
    assert (
        shown["words"]
        == "conv2 can see 9x7 px. Half of the gradient lies within a circle of 5.0 px (4.5 to 5.5), in 8 images."
    )
    assert f'class="inner" d="{shown["inner"]}"' in page  # without JavaScript too
    assert shown["inner"].startswith("M")


def test_a_causal_unit_of_a_sequence_is_measured_to_one_side() -> None:
    """An even stack of causal convolutions of ones: half of what reaches a unit lies in the nearest half of its window;
    the page counts samples, not pixels, and names stay as they are.
    """
    torch.manual_seed(0)
    net = nn.Sequential(OrderedDict([("3px", nn.ConstantPad1d((8, 0), 0.0)), ("conv", nn.Conv1d(1, 1, 9, bias=False))]))
    with torch.no_grad():
        net.conv.weight.fill_(1.0)  # type: ignore[union-attr,operator]
    (row,) = rf.effective(net, torch.randn(4, 1, 64), layers=["conv"]).layers
    found = effective_size(row)
    assert found is not None
    assert found[0] == pytest.approx(9 / 2, abs=0.6)
    page = content_of(from_model(net, (1, 64), {"count": 2}))
    assert "can see 9 samples" in page["opening"]["sentence"]
    assert " px" not in page["opening"]["sentence"] + page["opening"]["stage"]["shown"]["words"]
    assert '"label":"3px"' in page["graph"]["json"]


def content_of(subject: Subject) -> dict[str, Any]:
    return contents(subject, waveform_picture(8, 64), Thresholds(), Provenance(None, 0.0))


def test_a_sequences_strips_hold_their_share() -> None:
    """The samples inside the strips, counted in the map itself, hold no less than the share, and hardly more."""
    values = np.exp(-0.5 * ((np.arange(400) - 130) / 25) ** 2)
    for path, share in zip(strips(values, 10), (0.5, 0.95), strict=True):
        ends = [(int(a), int(b)) for a, b in re.findall(r"M(\d+) 0H(\d+)V10", path)]
        held = sum(values[a:b].sum() for a, b in ends) / values.sum()
        assert share <= held < share + 0.03
