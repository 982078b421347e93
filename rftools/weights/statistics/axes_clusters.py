"""Filters as what is independent in 3-D layers: the test, and intervals of what their axes are summed to."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from rftools.weights.statistics.clusters import DRAWN_BELOW, FEWEST, FEWEST_LOPSIDED
from rftools.weights.statistics.lattice import LEVEL, SMALLEST, LatticeTest, high_end, trusted
from rftools.weights.statistics.resampling import BOOTSTRAPS, NORMAL_FROM, RARE, ends
from rftools.weights.statistics.sphere import fractional_anisotropy, symmetric
from rftools.weights.statistics.tail import Cumulants
from rftools.weights.statistics.tail_axes import axes_quantile, axes_tail

Floats = NDArray[np.float64]
MIRRORS = np.array([[1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]])  # what they do to xy, xz, yz
TURNS = (  # what the orders of the three axes do to xx, yy, zz, xy, xz, yz
    (0, 1, 2, 3, 4, 5),
    (0, 2, 1, 4, 3, 5),
    (1, 0, 2, 3, 5, 4),
    (1, 2, 0, 5, 3, 4),
    (2, 0, 1, 4, 5, 3),
    (2, 1, 0, 5, 4, 3),
)
BLOCK_DRAWS = 500


def as_vectors(sums: Floats) -> Floats:
    """The six entries of matrices, those that stand twice times sqrt 2: their lengths are Frobenius norms."""
    return sums * np.array([1.0, 1.0, 1.0, *[math.sqrt(2)] * 3])


def filter_axes_test(
    sums: Floats, expected: Floats, cube: bool, order: float, draws: int = 9999, seed: int = 0
) -> LatticeTest | None:
    """Are axes more ordered than by chance, filters (not kernels) being independent?

    ``sums`` ``(filters, 6)`` are of ``u u^T``, ``expected`` what chance makes them. Under the null a filter's deviation
    is as likely as its images: turned and mirrored on a cube, elsewhere mirrored, its diagonal with either sign.
    p as in `clusters.filter_test`. None of fewer than five filters on a cube, thirty elsewhere.
    """
    if (sums[:, :3].sum(axis=1) > 0.5).sum() < (FEWEST if cube else FEWEST_LOPSIDED):
        return None
    images = _images(sums - expected, cube)
    layer = _summed(images, expected.sum(axis=0))
    if len(sums) >= DRAWN_BELOW:
        p, last = axes_tail(layer, order)
        if trusted(p, last):
            return LatticeTest(max(p, SMALLEST), last, axes_quantile(layer, LEVEL), True, "filters")
    draw, blocks, each = np.random.default_rng((seed, 11)), [], np.arange(len(sums))
    for first in range(0, draws, BLOCK_DRAWS):
        which = draw.integers(0, len(images), (min(BLOCK_DRAWS, draws - first), len(sums)))
        blocks.append(orders_of(layer.mean + images[which, each].sum(axis=1)))
    found = np.concatenate(blocks)
    p = (1 + float((found >= order - 1e-9).sum())) / (1 + draws)
    return LatticeTest(max(p, SMALLEST), math.sqrt(p * (1 - p) / draws), high_end(found), True, "filters")


def orders_of(sums: Floats) -> Floats:
    """``(3 l1 - 1) / 2`` of sums of ``u u^T``, ``(n, 6)``."""
    number = np.maximum(sums[:, :3].sum(axis=1), 1e-300)
    return np.asarray((3 * np.linalg.eigvalsh(symmetric(sums / number[:, None]))[:, 2] - 1) / 2)


def _images(deviations: Floats, cube: bool) -> Floats:
    """``(images, filters, 6)``."""
    found = []
    for mirror in MIRRORS:
        for diagonal, turn in itertools.product((1,), TURNS) if cube else itertools.product((1, -1), TURNS[:1]):
            signs = np.array([diagonal] * 3 + mirror.tolist())
            found.append(deviations[:, turn] * signs)
    return np.stack(found)


def _summed(images: Floats, mean: Floats) -> Cumulants:
    """The cumulants of the sum of one image of each filter, drawn at random: their means are 0."""
    number, flat = len(images), images.reshape(-1, 6)
    each = np.einsum("gfi,gfj->fij", images, images, optimize=True) / number
    pairs = (flat[:, :, None] * flat[:, None]).reshape(-1, 36)
    third = (pairs.T @ flat / number).reshape(6, 6, 6)
    fourth = (pairs.T @ pairs / number).reshape((6,) * 4)
    both = np.einsum("fij,fkl->ijkl", each, each, optimize=True)
    fourth = fourth - both - both.swapaxes(1, 2) - both.swapaxes(1, 3)
    return Cumulants(mean, each.sum(axis=0), third, fourth)


def resampled_axes(parts: Floats, counts: NDArray[np.int64], order: float, draw: np.random.Generator) -> Floats:
    """Sums of ``parts`` ``(rows, 15)``, each ``counts`` times, in 1000 resamples, as `resampling.resampled_sums`:
    random weights, and one more row that is like one of them but points anywhere; or, of many rows that are not nearly
    all alike (``order`` near 1), the normal distribution. Of the fifteen numbers the first six are ``u u^T``, the next
    six the inertia.
    """
    number = int(counts.sum())
    if number >= NORMAL_FROM and number * (1 - order) >= RARE:
        mean = counts @ parts / number
        values, vectors = np.linalg.eigh((counts[:, None] * (parts - mean)).T @ (parts - mean))
        root = vectors * np.sqrt(np.maximum(values, 0))
        return np.asarray(number * mean + draw.standard_normal((BOOTSTRAPS, len(root))) @ root.T)
    weights = draw.standard_gamma(counts.astype(np.float64), size=(BOOTSTRAPS, len(counts)))
    found = parts[draw.choice(len(counts), BOOTSTRAPS, p=counts / counts.sum())].copy()
    turns = np.linalg.qr(draw.standard_normal((BOOTSTRAPS, 3, 3)))[0]
    for first in (0, 6):
        turned = turns @ symmetric(found[:, first : first + 6]) @ turns.swapaxes(1, 2)
        found[:, first : first + 6] = inertia_parts(turned)
    return np.asarray(weights @ parts + found * draw.standard_exponential(BOOTSTRAPS)[:, None])


def order_interval(orders: Floats, found: float) -> tuple[float, float]:
    """The 95 % interval of an order (or an anisotropy) in [0, 1] from resampled ones: noise lengthens it, and what it
    adds to the squares on average is taken off, at the upper end only as far as the order is not near 1.
    """
    squares = np.maximum(orders, 0.0) ** 2
    added = max(float(squares.mean()) - found**2, 0.0)
    low, high = ends(squares)
    low, high = low - added, high - (1 - found**2) * added
    return min(math.sqrt(max(low, 0.0)), found), max(math.sqrt(min(max(high, 0.0), 1.0)), found)


def pooled_anisotropies(sums: Floats) -> Floats:
    """Fractional anisotropies of summed inertias, ``(n, 6)``."""
    return fractional_anisotropy(np.maximum(np.linalg.eigvalsh(symmetric(sums)), 0.0))


def inertia_parts(inertia: Floats) -> Floats:
    """The six entries of ``(n, 3, 3)``, in the order of `sphere.products`."""
    return inertia[:, (0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2)]
