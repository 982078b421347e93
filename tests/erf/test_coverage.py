"""Intervals hold the truth as often as they say, on one net; benchmarks/coverage_intervals.py does it at length."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from rftools.erf.chosen import Window
from rftools.erf.intervals import measure_all
from rftools.erf.measured import effective_maps
from rftools.erf.measures.registry import REGISTRY
from rftools.erf.precision import PrecisionGoal, grown
from rftools.erf.request import Request

SMOOTH = ("radius_50", "relative_size", "ellipse_major", "ellipse_minor", "gaussian_sigma_x")
WITHOUT = ("area_side_50", "gaussian_r2", "hole_energy")


@pytest.fixture(scope="module")
def pool() -> tuple[NDArray[np.float32], Window]:
    """The maps of 4,000 images, which are all the images there are: their mean is the truth."""
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
    )
    found = effective_maps(
        net, "white", Request("4", input_size=(3, 12, 12), count=4000, batch_size=256, measures=["radius_50"])
    )
    place = found.windows["4"]
    return found.sample.maps["4"][(slice(None), *place.box)], place


def test_intervals_hold_the_truth(pool: tuple[NDArray[np.float32], Window]) -> None:
    """Within three standard errors of the 93 to 97 % that 1,000 repeats show; some measures have no interval."""
    maps, place = pool
    definitions = {name: REGISTRY[name] for name in (*SMOOTH, *WITHOUT)}
    truth = measure_all(maps.mean(0, keepdims=True), place.frame, definitions, seed=0)
    draw, hits, repeats = np.random.default_rng(0), dict.fromkeys(definitions, 0), 200
    for repeat in range(repeats):
        sample = maps[draw.integers(len(maps), size=50)]
        for name, found in measure_all(sample, place.frame, definitions, seed=repeat).items():
            value = truth[name].value
            assert value is not None
            if name in WITHOUT:
                assert (found.low, found.high) == (None, None)
                continue
            assert found.low is not None
            assert found.high is not None
            hits[name] += found.low <= value <= found.high
    for name in SMOOTH:
        assert 0.93 - 0.045 <= hits[name] / repeats <= 0.97 + 0.03, hits


def test_precision_keeps_its_promise(pool: tuple[NDArray[np.float32], Window]) -> None:
    maps, place = pool
    definitions = {name: REGISTRY[name] for name in ("radius_50", "ellipse_major")}
    promise = PrecisionGoal(0.02, 1000, {"layer": place}, definitions)
    truth = measure_all(maps.mean(0, keepdims=True), place.frame, definitions, seed=0)
    draw, kept = np.random.default_rng(1), 0
    for repeat in range(60):
        order = draw.integers(len(maps), size=1000)
        found, wide = grown(promise, lambda a, b, order=order: {"layer": maps[order[a:b]]}, 1000, repeat)
        assert not wide
        values = measure_all(found["layer"].mean(0, keepdims=True), place.frame, definitions, seed=0)
        kept += all(abs((values[n].value or 0) / (truth[n].value or 1) - 1) <= 0.02 for n in definitions)
    assert kept >= 54  # both at once; each alone in 93 or more


@pytest.mark.parametrize("images", [2, 5, 20])
def test_intervals_end_where_values_do(pool: tuple[NDArray[np.float32], Window], images: int) -> None:
    """A share is no more than one, a size and an anisotropy not below zero, whatever so few images would have."""
    maps, place = pool
    chosen = {name: d for name, d in REGISTRY.items() if not d.no_interval and d.unit != "degrees" and 2 in d.ranks}
    reached = set()
    for start in range(0, 40 * images, images):
        found = measure_all(maps[start : start + images], place.frame, chosen, seed=start)
        for name, own in found.items():
            assert own.low is None or own.high is None or chosen[name].within[0] <= own.low <= own.high
            assert own.high is None or own.high <= chosen[name].within[1]
            reached |= {name} if own.low == chosen[name].within[0] else set()
    assert images != 5 or "ellipse_anisotropy" in reached  # of a map that is nearly round
