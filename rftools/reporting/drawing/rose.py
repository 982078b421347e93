"""A half rose: a layer's axial angles as area-true sectors, from 0 to 180 degrees."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def density(row: Any) -> NDArray[np.float64]:
    """Kernels by direction over those of an even spread: 1 where directions are even."""
    edges = np.asarray(row.histogram.edges, dtype=np.float64)
    counts = np.asarray(row.histogram.counts, dtype=np.float64)
    found: NDArray[np.float64] = counts / max(1.0, counts.sum()) / np.diff(edges) * 180.0
    return found


def sectors(row: Any, outer: float) -> str:
    """The sectors as an SVG path about the origin, y downwards; ``outer`` is the density that reaches radius 1.

    A sector's radius is the square root of its density, so that areas are true.

    >>> from types import SimpleNamespace
    >>> half = SimpleNamespace(histogram=SimpleNamespace(edges=(0, 90, 180), counts=(3, 1)))
    >>> sectors(half, 1.5)
    'M0 0L1 0A1 1 0 0 0 0 -1ZM0 0L0 -0.577A0.577 0.577 0 0 0 -0.577 0Z'
    """
    edges = np.radians(np.asarray(row.histogram.edges, dtype=np.float64))
    radii = np.sqrt(density(row) / outer)
    return "".join(_sector(r, a, b) for r, a, b in zip(radii, edges, edges[1:], strict=False) if r > 0)


def _sector(radius: float, begin: float, end: float) -> str:
    (x, y), (u, v) = ((radius * np.cos(angle), -radius * np.sin(angle)) for angle in (begin, end))
    return f"M0 0L{_short(x)} {_short(y)}A{_short(radius)} {_short(radius)} 0 0 0 {_short(u)} {_short(v)}Z"


def _short(value: float) -> str:
    return f"{round(float(value), 3) + 0.0:g}"
