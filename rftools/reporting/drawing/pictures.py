"""Pictures that lie on the explorer's stage: the input, effective maps, and what pruning left of fields."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rftools.plots.effective.blocks import covered, smaller
from rftools.plots.theme import COLOURMAP, DIVERGING, THEMES

if TYPE_CHECKING:
    from PIL.Image import Image

    from rftools.erf.result import EffectiveLayer
    from rftools.trf.layer_field import LayerField
    from rftools.trf.result import TheoreticalResult

SMALL = 112  # pixels a side that an effective map keeps
LARGEST = 512  # pixels a side of the embedded picture


def picture_url(pixels: NDArray[np.uint8]) -> str:
    """The picture as a data URL, PNG, as large as a screen needs."""
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((LARGEST, LARGEST))
    return data_url(image)


def data_url(image: Image) -> str:
    """An image as a data URL, PNG."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def ellipse(row: EffectiveLayer) -> dict[str, float] | None:
    """One standard deviation about the map's mean, in the picture's coordinates, whose pixel 0 spans 0 to 1."""
    values = [getattr(row.measures.get(f"ellipse_{name}"), "value", None) for name in ("major", "minor", "angle")]
    if row.map.ndim != 2 or any(value is None for value in values):
        return None
    weights = np.abs(row.map)
    y, x = (float((weights * index).sum() / weights.sum()) + 0.5 for index in np.indices(weights.shape))
    rounded = {name: round(float(value or 0), 3) for name, value in zip(("rx", "ry", "angle"), values, strict=True)}
    return {"cx": round(x, 3), "cy": round(y, 3), **rounded}


def map_url(values: NDArray[np.float64]) -> str:
    """A map as a PNG of at most `SMALL` pixels a side, summed over all but its last two axes."""
    flat = shrunk(values)
    return coloured(np.sqrt(flat / flat.max()))


def shrunk(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A map's magnitudes at most `SMALL` pixels a side, summed over all but its last two axes."""
    flat = np.abs(values)
    while flat.ndim > 2:
        flat = flat.sum(axis=0)
    return smaller(flat, SMALL)


def extent_of(shape: Sequence[int]) -> dict[str, float]:
    """How far a shrunk map reaches on the picture, whose pixel ``i`` spans ``i`` to ``i + 1``."""
    _, right, _, bottom = covered(tuple(shape[-2:]), SMALL)
    return {"width": right + 0.5, "height": bottom + 0.5}


def coloured(shares: NDArray[np.float64], *, diverging: bool = False) -> str:
    """Values from 0 to 1 as a PNG in the page's colours; diverging ones have their middle at 0.5."""
    from matplotlib import colormaps
    from PIL import Image

    image = Image.fromarray((255 * np.clip(shares, 0, 1)).astype(np.uint8), mode="L").convert("P")
    chosen = colormaps[DIVERGING if diverging else COLOURMAP](np.arange(256))
    image.putpalette((255 * chosen[:, :3]).astype(np.uint8).tobytes())
    return data_url(image)


def colours(steps: int = 17, *, diverging: bool = False) -> list[str]:
    """The page's map of colours, from its lowest to its highest, as hexadecimal numbers.

    >>> colours(2)
    ['#00224e', '#fee838']
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colour) for colour in colormaps[DIVERGING if diverging else COLOURMAP](np.linspace(0, 1, steps))]


def surviving_masks(result: TheoreticalResult) -> dict[str, dict[str, Any]]:
    """What pruning left of each layer's field, by layer: ``{unit, url, x, y, width, height, pixels, share, movable}``.

    The picture holds one pixel for each input pixel of the support's hull and is clear where nothing is left. It is
    ``movable`` where the unit's whole window lies inside the image and each axis has one phase: then other units'
    supports are this one, moved by the layer's stride and cut by the border.
    """
    return {
        row.name: _surviving(row)
        for row in result
        if row.surviving is not None and row.surviving.support is not None and row.unit is not None
    }


def _surviving(row: LayerField) -> dict[str, Any]:
    assert row.surviving is not None
    support = row.surviving.support
    assert support is not None
    flat: NDArray[np.bool_] = np.atleast_2d(support)
    while flat.ndim > 2:
        flat = np.asarray(flat.any(axis=0))
    (top, bottom), (left, right) = _ends(np.asarray(flat.any(1))), _ends(np.asarray(flat.any(0)))
    return {
        "unit": list(row.unit or ()),
        "url": _mask_url(flat[top:bottom, left:right]),
        "x": left,
        "y": top,
        "width": right - left,
        "height": bottom - top,
        "pixels": int(support.sum()),
        "share": row.surviving.share,
        "movable": all(
            axis.phases is not None and len(axis.phases) == 1 and axis.window == axis.clipped for axis in row.axes
        ),
    }


def _ends(seen: NDArray[np.bool_]) -> tuple[int, int]:
    """Where the true entries begin, and the index after where they end."""
    places = np.flatnonzero(seen)
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)


def _mask_url(mask: NDArray[np.bool_]) -> str | None:
    """The mask as a PNG of two colours, clear and opaque; None where nothing is in it."""
    from PIL import Image

    if not mask.any():
        return None
    image = Image.fromarray(mask.astype(np.uint8), mode="P")
    image.putpalette([0, 0, 0, *bytes.fromhex(THEMES["light"].colour("series-1")[1:])])
    image.info["transparency"] = 0
    return data_url(image)


def plane(input_size: Sequence[int]) -> tuple[int, int]:
    """Height and width of the picture that an input is drawn as: 1-D a strip, 3-D its last two axes.

    >>> plane((3, 224, 160)), plane((1, 4096))
    ((224, 160), (512, 4096))
    """
    sides = list(input_size)[1:]
    return (max(1, sides[-1] // 8), sides[-1]) if len(sides) == 1 else (sides[-2], sides[-1])
