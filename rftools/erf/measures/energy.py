"""Sums of squares of mixed maps, by the maps' coordinates in the space that they span."""

from __future__ import annotations

import numpy as np

from rftools.erf.measures.registry import Maps


def coordinates(flat: Maps) -> Maps:
    """Rows ``(n, k)`` whose scalar products are those of the rows of ``flat`` ``(n, pixels)``, k being at most n.

    They are linear in the rows: a mix of rows has the mix of their coordinates, whose squares add up to its own.

    >>> rows = np.random.default_rng(0).random((3, 100))
    >>> mixed = np.array([0.2, 0.5, 0.3])
    >>> bool(np.isclose(((mixed @ coordinates(rows)) ** 2).sum(), ((mixed @ rows) ** 2).sum()))
    True
    """
    if len(flat) >= flat.shape[1]:
        return flat
    values, vectors = np.linalg.eigh(flat @ flat.T)
    found: Maps = vectors * np.sqrt(np.maximum(values, 0))
    return found


def energy(mixed: Maps) -> Maps:
    """The sum of squares of each row."""
    found: Maps = np.einsum("rk,rk->r", mixed, mixed)
    return found
