"""Large maps in fewer pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rftools.plots.scene import Extent

SMALL = 96  # pixels a side that a map on the sheet keeps


def smaller(values: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """The map in at most ``most`` blocks a side, each the largest of its pixels.

    >>> import numpy as np
    >>> smaller(np.arange(16.0).reshape(4, 4), 2).tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    step = -(-max(values.shape) // most)
    height, width = (-(-side // step) for side in values.shape)
    padded = np.zeros((height * step, width * step))
    padded[: values.shape[0], : values.shape[1]] = values
    blocks: NDArray[np.float64] = padded.reshape(height, step, width, step).max(axis=(1, 3))
    return blocks


def covered(shape: tuple[int, ...], most: int) -> Extent:
    """What the blocks of `smaller` cover, in pixels: the last ones may reach over the map's edge.

    >>> covered((5, 8), 4)
    (-0.5, 7.5, -0.5, 5.5)
    """
    step = -(-max(shape) // most)
    height, width = (-(-side // step) * step for side in shape)
    return (-0.5, width - 0.5, -0.5, height - 0.5)
