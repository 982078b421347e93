"""Effective maps of many units as the page keeps them: cropped, 8 bits on a log scale, deflated."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rftools.checks.sizes import effective_size
from rftools.reporting.drawing.pictures import ellipse
from rftools.reporting.texts import counted, say

DECADES = 4.0  # below a map's largest value that a byte reaches down to; what is less is the smallest
CENTRAL, OTHERS = 112, 48  # blocks a side that the map of a layer's central unit keeps, and those of other units


def stored(central: Iterable[Any], others: Iterable[Any] = ()) -> dict[str, dict[str, Any]]:
    """Layer -> ``{units, data}``: what is known of each measured unit, the central one first, and their maps' bytes.

    A unit is ``{unit, box, shape, size, words, images, ellipse}``: its map's ``shape`` in blocks lies over ``box``
    (left, top, width, height in pixels of the input), row by row in the deflated bytes, one map after the other.
    """
    found: dict[str, list[Any]] = {}
    for row in central:
        if _drawable(row):
            found.setdefault(row.name, []).append(row)
    for row in others:
        if _drawable(row) and row.name in found and all(row.unit != own.unit for own in found[row.name]):
            found[row.name].append(row)
    return {name: _layer(rows) for name, rows in found.items()}


def _drawable(row: Any) -> bool:
    return row.channel is None and row.images > 0 and bool(row.map.size) and bool(row.map.any())


def _layer(rows: Sequence[Any]) -> dict[str, Any]:
    units, content = [], []
    for place, row in enumerate(rows):
        blocks, box = cropped(row.map, OTHERS if place else CENTRAL)
        content.append(coded(blocks).tobytes())
        size = effective_size(row)
        units.append(
            {
                "unit": list(row.unit),
                "box": box,
                "shape": list(blocks.shape),
                "size": None if size is None else size[0],
                "words": _words(size, row.images),
                "ellipse": None if place else ellipse(row),
            }
        )
    return {"units": units, "data": base64.b64encode(zlib.compress(b"".join(content), 9)).decode("ascii")}


def _words(size: tuple[float, float | None, float | None] | None, images: int) -> str:
    if size is None:
        return say("figures.undefined")
    value, low, high = size
    spread = "" if low is None or high is None else say("figures.spread", low=low, high=high)
    return say("figures.effective_of", size=value, spread=spread, images=counted(images, "image"))


def cropped(values: NDArray[np.float64], most: int) -> tuple[NDArray[np.float64], list[int]]:
    """A map's magnitudes where they are not zero, as sums over square blocks, at most ``most`` a side, and the box that
    these cover: left, top, width, height in pixels. A sequence is a map of one row; further axes are summed.

    >>> blocks, box = cropped(np.pad(np.ones((4, 2)), 3), 2)
    >>> blocks.tolist(), box
    ([[4.0], [4.0]], [3, 3, 2, 4])
    """
    flat = np.abs(np.atleast_2d(values))
    while flat.ndim > 2:
        flat = flat.sum(axis=0)
    rows, columns = (np.flatnonzero(flat.any(axis)) for axis in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    hull = flat[top : rows[-1] + 1, left : columns[-1] + 1]
    step = -(-max(hull.shape) // most)
    steps = [min(step, side) for side in hull.shape]
    count = [-(-side // own) for side, own in zip(hull.shape, steps, strict=True)]
    padded = np.zeros([n * own for n, own in zip(count, steps, strict=True)])
    padded[: hull.shape[0], : hull.shape[1]] = hull
    blocks: NDArray[np.float64] = padded.reshape(count[0], steps[0], count[1], steps[1]).sum(axis=(1, 3))
    return blocks, [left, top, count[1] * steps[1], count[0] * steps[0]]


def coded(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Values as bytes: 0 is zero, 1 to 255 are `DECADES` decades up to the largest, evenly in the logarithm.

    ``255 + 254 log10(value / largest) / DECADES``, rounded: a value is kept to 1.8 %.

    >>> coded(np.array([0.0, 1e-9, 0.01, 1.0])).tolist()
    [0, 1, 128, 255]
    """
    top = values.max()
    with np.errstate(divide="ignore"):
        logarithm = np.log10(np.where(values > 0, values / top, 1.0))
    code = np.clip(np.round(255 + 254 * logarithm / DECADES), 1, 255)
    return np.where(values > 0, code, 0).astype(np.uint8)


def decoded(code: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What `coded` kept, as shares of the largest value: the page does the same.

    >>> decoded(np.array([0, 128, 255], dtype=np.uint8)).round(4).tolist()
    [0.0, 0.01, 1.0]
    """
    return np.where(code > 0, 10.0 ** (DECADES * (code.astype(np.float64) - 255) / 254), 0.0)
