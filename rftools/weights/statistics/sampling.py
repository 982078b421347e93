"""Random masks, added up as they are drawn: what their directions are on average, and how far that may be off."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
KEPT = 2_000  # directions that layers are drawn from


@dataclass
class MaskSample:
    """``number`` masks so far, the first directions among them, and sums of (values, controls) and of their products.

    ``values`` are what is to be known on average; ``controls`` have mean 0, and go with the values.
    """

    draw: np.random.Generator
    number: int = 0
    first: Any = None
    sums: Floats = field(default_factory=lambda: np.zeros(0))
    products: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    def add(self, directions: Any, values: Floats, controls: Floats) -> None:
        if self.first is None:
            width = values.shape[1] + controls.shape[1]
            self.first, self.sums, self.products = directions[:KEPT].copy(), np.zeros(width), np.zeros((width, width))
        both = np.concatenate([values, controls], axis=1)
        self.sums += both.sum(axis=0)
        self.products += both.T @ both
        self.number += len(both)

    def estimate(self, values: int) -> tuple[Floats, Floats]:
        """The means of so many values and the covariance of these means: what values have in common with the controls
        is taken off (regression on control variates).

        >>> sample, draw = MaskSample(np.random.default_rng(0)), np.random.default_rng(1)
        >>> noise = draw.standard_normal((1000, 1))
        >>> sample.add(noise, 0.5 + noise, noise)
        >>> mean, covariance = sample.estimate(1)
        >>> round(float(mean[0]), 9), abs(round(float(covariance[0, 0]), 9))
        (0.5, 0.0)
        """
        mean = self.sums / self.number
        covariance = self.products / self.number - np.multiply.outer(mean, mean)
        scale = np.sqrt(np.maximum(covariance.diagonal()[values:], 1e-300))
        own = covariance[values:, values:] / np.multiply.outer(scale, scale)
        across = covariance[values:, :values] / scale[:, None]
        slope = np.linalg.pinv(own, rcond=1e-10, hermitian=True) @ across
        rest = covariance[:values, :values] - across.T @ slope
        size, axes = np.linalg.eigh(rest / self.number)  # rounding may leave less than nothing
        return mean[:values] - (mean[values:] / scale) @ slope, (axes * np.maximum(size, 0)) @ axes.T
