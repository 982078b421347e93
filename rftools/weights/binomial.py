"""What chance alone would leave of a kernel's taps."""

from __future__ import annotations

import math

LARGE = 512  # taps of a kernel from which numbers of combinations leave what a float holds


def binomial_taps(size: int, density: float, kernels: int) -> tuple[float, ...]:
    """How many of ``kernels`` would have 0, 1, ... ``size`` survivors if each weight survived by chance alone.

    >>> binomial_taps(2, 0.5, 8), round(sum(binomial_taps(1024, 0.3, 100)), 9)
    ((2.0, 4.0, 2.0), 100.0)
    """
    missing = 1 - density
    if size < LARGE:
        return tuple(kernels * math.comb(size, n) * density**n * missing ** (size - n) for n in range(size + 1))
    if density in (0.0, 1.0):
        return tuple(float(kernels * (n == size * density)) for n in range(size + 1))
    whole, up, down = math.lgamma(size + 1), math.log(density), math.log(missing)
    logs = (
        whole - math.lgamma(n + 1) - math.lgamma(size - n + 1) + n * up + (size - n) * down for n in range(size + 1)
    )
    return tuple(kernels * math.exp(each) for each in logs)
