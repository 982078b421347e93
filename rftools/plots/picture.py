"""What fields are drawn on: a neutral test picture, made by arithmetic, or one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rftools.reading import read_picture


def neutral_picture(height: int, width: int) -> NDArray[np.uint8]:
    """A grey landscape of soft hills with a few hard-edged shapes: ``height x width x 3``, uint8.

    The shapes' sizes are fixed shares of the picture, so a field drawn over them has something to be compared
    with; the greys leave room for coloured outlines. The same size gives the same picture, always.

    >>> neutral_picture(8, 12).shape
    (8, 12, 3)
    """
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    v, u = (y + 0.5) / height, (x + 0.5) / width
    tone = 0.66 - 0.22 * v
    for share, level, phase in ((0.58, 0.50, 0.3), (0.70, 0.42, 1.9), (0.84, 0.33, 4.1)):
        ridge = share + 0.05 * np.sin(7 * u + phase) + 0.02 * np.sin(19 * u + 2 * phase)
        tone = np.where(v > ridge, level - 0.06 * (v - ridge), tone)
    tone = np.where(np.hypot((u - 0.76) * width, (v - 0.24) * height) < 0.10 * min(height, width), 0.86, tone)
    house = (abs(u - 0.30) < 0.085) & (v > 0.52) & (v < 0.72)
    roof = (v > 0.40) & (v <= 0.52) & (abs(u - 0.30) < (v - 0.40) * 0.95)
    door = (abs(u - 0.30) < 0.02) & (v > 0.62) & (v < 0.72)
    tone = np.where(house, 0.74, np.where(roof, 0.27, tone))
    tone = np.where(door, 0.22, tone)
    trunk = (abs(u - 0.62) < 0.012) & (v > 0.62) & (v < 0.80)
    crown = np.hypot((u - 0.62) / 0.07, (v - 0.56) / 0.12) < 1
    tone = np.where(trunk, 0.25, np.where(crown, 0.30 + 0.06 * np.sin(40 * u) * np.sin(40 * v), tone))
    grey = np.clip(tone * 255, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def waveform_picture(height: int, width: int) -> NDArray[np.uint8]:
    """A made-up tone that swells and falls on a light ground, for what lies along a sequence; uint8.

    >>> waveform_picture(16, 64).shape
    (16, 64, 3)
    """
    t = (np.arange(width) + 0.5) / width
    swell = 0.25 + 0.75 * np.sin(3 * np.pi * t) ** 2
    wave = swell * (0.6 * np.sin(2 * np.pi * 40 * t) + 0.4 * np.sin(2 * np.pi * 17.3 * t))
    at = 0.5 * height * (1 - 0.9 * wave)
    row = np.arange(height)[:, None] + 0.5
    ends = np.stack([at, np.roll(at, 1), np.roll(at, -1)])
    line = (row >= ends.min(axis=0) - 0.02 * height - 0.5) & (row <= ends.max(axis=0) + 0.02 * height + 0.5)
    grey = np.where(line, 110, 226).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def load_picture(path: str | Path, height: int, width: int) -> NDArray[np.uint8]:
    """The image file ``path``, resized to ``height x width``.

    Raises:
        RequestError: no such file, or no image in it.
    """
    from PIL import Image

    return np.asarray(read_picture(path).resize((width, height), Image.Resampling.BILINEAR))
