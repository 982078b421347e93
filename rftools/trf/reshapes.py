"""Which dimensions a reshape leaves whole, and arrays that stay small under it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

S = TypeVar("S", bound=np.generic)


def reshape_lazily(array: NDArray[S], old: Sequence[int], new: Sequence[int]) -> NDArray[S]:
    """``array``, which broadcasts to ``old``, as one that broadcasts to ``new``; only what must grows to full size."""
    shape_in: list[int] = []
    full: list[int] = []
    shape_out: list[int] = []
    for dims_old, dims_new in segments(old, new):
        part = [array.shape[d] for d in dims_old]
        if all(n == 1 for n in part):
            full.extend([1] * len(dims_old))
            shape_out.extend([1] * len(dims_new))
        else:
            full.extend(old[d] for d in dims_old)
            shape_out.extend(new[d] for d in dims_new)
        shape_in.extend(part)
    return np.broadcast_to(array.reshape(shape_in), full).reshape(shape_out)


def segments(old: Sequence[int], new: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """The smallest groups of neighbouring dimensions that a reshape maps onto each other.

    >>> segments((1, 6, 4, 4), (1, 2, 3, 16))
    [([0], [0]), ([1], [1, 2]), ([2, 3], [3])]
    """
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(old) or j < len(new):
        left: list[int] = []
        right: list[int] = []
        if i < len(old):
            left.append(i)
            i += 1
        if j < len(new):
            right.append(j)
            j += 1
        while (a := math.prod(old[d] for d in left)) != (b := math.prod(new[d] for d in right)):
            if a < b:
                left.append(i)
                i += 1
            else:
                right.append(j)
                j += 1
        groups.append((left, right))
    return groups


def kept_dims(old: Sequence[int], new: Sequence[int]) -> dict[int, int]:
    """Where a reshape leaves a dimension whole."""
    kept = {}
    for left, right in segments(old, new):
        big_left = [d for d in left if old[d] > 1]
        big_right = [d for d in right if new[d] > 1]
        if len(big_left) == 1 and len(big_right) == 1:
            kept[big_left[0]] = big_right[0]
        elif not big_left and len(left) == len(right):
            kept.update(zip(left, right, strict=True))
    return kept
