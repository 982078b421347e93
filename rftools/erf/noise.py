"""Noise images: white, or pink as photographs are."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from rftools.erf.pictures import Images
from rftools.errors import RequestError
from rftools.loading import Model
from rftools.reading import check

NOISES = ("white", "pink")


def noise(kind: str, model: Model, *, count: int, seed: int) -> Images:
    """White noise, or pink (power falling as 1/f^2, as in photographs): evenly spread or standardised pixels of 0..1
    put through the model's normalisation; standard normal where the model has none.
    """
    size = model.require_input_size()
    if count < 1:
        raise RequestError(f"{count} images were asked for; it takes at least one")
    check("images", count * math.prod(size), f"{count} images of {'x'.join(map(str, size))}")
    draw = np.random.default_rng(seed)
    values = draw.standard_normal((count, *size))
    if kind == "pink":
        values = _pink(values)
    norm = model.normalisation
    if norm is not None:
        pixels = draw.random((count, *size)) if kind == "white" else np.clip(0.5 + values / 6, 0, 1)
        shape = (1, -1, *[1] * (len(size) - 1))
        values = (pixels - np.reshape(norm.mean, shape)) / np.reshape(norm.std, shape)
    return Images(torch.from_numpy(values).float(), f"{kind} noise", norm)


def _pink(white: NDArray[np.float64]) -> NDArray[np.float64]:
    axes = tuple(range(2, white.ndim))
    shape = white.shape[2:]
    squares = np.zeros(shape)
    for axis, n in enumerate(shape):
        squares = squares + (np.fft.fftfreq(n) ** 2).reshape([-1 if a == axis else 1 for a in range(len(shape))])
    frequency = np.sqrt(squares)
    frequency.flat[0] = np.inf
    filtered = np.fft.ifftn(np.fft.fftn(white, axes=axes) / frequency, axes=axes).real
    result: NDArray[np.float64] = filtered / filtered.std(axis=axes, keepdims=True)
    return result
