"""What differs between two models' kernels, an epoch's kernels, kernels behind a rose, and lags of causal units."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import rftools as rf
from rftools.checks.sizes import effective_size, lag
from rftools.reporting.page.changes import kernel_changes
from rftools.reporting.sources.results import from_results
from rftools.weights import orientation, sparsity
from tests import drawn


def subject(keep: float, seed: int) -> object:
    generator = torch.Generator().manual_seed(seed)
    net = nn.Conv2d(3, 16, 3)
    with torch.no_grad():
        net.weight.normal_(generator=generator)
        net.weight *= torch.rand(net.weight.shape, generator=generator) < keep
    return from_results([sparsity(net), orientation(net)])


def test_bars_are_the_differences_of_shares_counted_by_hand() -> None:
    """The words of the bars, read back, against counts of the weights themselves."""
    pair = [subject(0.6, 1), subject(0.3, 2)]
    name = pair[0].sparsity[0].name  # type: ignore[attr-defined]
    rose, taps, survival = kernel_changes(name, pair)  # type: ignore[arg-type]
    said = [float(text) for text in re.findall(r"<title>\d+: ([+-][\d.]+) points", taps.markup)]
    counts = [np.bincount([k for k, n in enumerate(s.sparsity[0].taps) for _ in range(n)], minlength=10) for s in pair]  # type: ignore[attr-defined]
    wanted = 100 * (counts[1] / 48 - counts[0] / 48)
    assert said == pytest.approx(wanted, abs=0.051)
    turned = [float(text) for text in re.findall(r"°: ([+-][\d.]+) points", rose.markup)]
    assert sum(turned) == pytest.approx(0, abs=0.05 * len(turned))
    assert max(map(abs, turned)) > 1
    shown = [int(text) for text in re.findall(r">([+-]\d+)</text>", survival.markup)]
    kept = [np.asarray(s.sparsity[0].survival) for s in pair]  # type: ignore[attr-defined]
    assert shown == [round(float(value)) for value in 100 * (kept[1] - kept[0]).ravel()]


def test_what_does_not_differ_is_a_sentence() -> None:
    same = [subject(0.5, 1)] * 2
    found = kernel_changes(same[0].sparsity[0].name, same)  # type: ignore[attr-defined, arg-type]
    assert [(one.markup, one.words) for one in found] == [("", "no difference")] * 3
    assert kernel_changes("conv", [subject(0.5, 1)] * 3) == []  # type: ignore[list-item]


def test_a_lag_is_where_the_measure_finds_half() -> None:
    """Two ways: counted sample by sample, and the library's radius about the unit's own place."""
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Sequential(nn.ConstantPad1d((d, 0), 0.0), nn.Conv1d(1, 1, 2, dilation=d)) for d in (1, 2, 4))
    )
    with torch.no_grad():
        for layer in net:
            layer[1].weight.uniform_(0.2, 1)
    row = rf.effective(net, torch.rand(4, 1, 64), layers=["2.1"])[0]
    size = effective_size(row)
    assert size is not None
    half, most = lag(row, 0.5), lag(row, 0.9)
    assert half is not None
    assert most is not None
    assert abs(half - size[0]) <= 1
    assert half < most <= 8
    assert lag(drawn.effective()["conv2"], 0.5) is None


def test_a_rose_shows_kernels_on_focus() -> None:
    net = nn.Conv2d(3, 16, 3)
    with torch.no_grad():
        net.weight *= torch.rand_like(net.weight) < 0.4
    text = rf.report([replace(orientation(net, examples=12), input_size=(3, 8, 8))]).html
    panel = re.search(
        r'<div class="panel shows" tabindex="0" role="group" aria-label="([^"]*)">(.*?)</p></div>', text, re.DOTALL
    )
    assert panel is not None
    assert panel.group(1).endswith(": kernels with their angles")
    angles = [int(angle) for angle in re.findall(r'alt="(\d+)°', panel.group(2))]
    assert angles == sorted(angles)
    assert 0 < len(angles) <= 12
