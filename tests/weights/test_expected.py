"""The lattice's own histogram of directions, against masks that are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from rftools.weights.statistics.expected import expected_histogram
from rftools.weights.statistics.null import Null
from rftools.weights.statistics.shapes import coordinates, inertia

EDGES = tuple(-7.5 + 15.0 * i for i in range(13))


def counted(masks: np.ndarray) -> np.ndarray:
    """How many of the masks lie in each bin, by comparing every angle with every bin."""
    shapes = inertia(masks.astype(float), coordinates((3, 3), (1.0, 1.0)))
    degrees = np.degrees(shapes.angle[~np.isnan(shapes.angle)])
    low, high = np.array(EDGES[:-1])[:, None], np.array(EDGES[1:])[:, None]
    turned = [degrees - 180, degrees, degrees + 180]
    return np.asarray(sum(((t >= low) & (t < high)).sum(1) for t in turned))


@pytest.mark.parametrize("kernels", [np.array([20, 30]), np.array([800, 900])])  # by convolution, and as normal
def test_drawn_masks_lie_as_expected(kernels: np.ndarray) -> None:
    draw, taps = np.random.default_rng(0), np.array([2, 4])
    found = expected_histogram(Null((3, 3), (1.0, 1.0)), taps, kernels, EDGES)
    rounds = []
    for _ in range(400):
        ranks = draw.random((int(kernels.sum()), 9)).argsort(1).argsort(1)
        rounds.append(counted(ranks < np.repeat(taps, kernels)[:, None]))
    drawn = np.array(rounds)
    assert drawn.mean(0) == pytest.approx(found.mean, abs=4 * float(drawn.std(0).max()) / np.sqrt(400))
    inside = ((drawn >= found.low) & (drawn <= found.high)).mean(0)
    assert (inside > 0.92).all()  # 95 % and, of few kernels, the steps of whole numbers
    assert inside[np.array(found.mean) > 100].max(initial=0.95) < 0.98


def test_two_taps_lie_as_the_36_masks_do() -> None:
    found = expected_histogram(Null((3, 3), (1.0, 1.0)), np.array([2]), np.array([36]), EDGES)
    assert found.mean == pytest.approx((9, 0, 2, 5, 2, 0, 9, 0, 2, 5, 2, 0))
