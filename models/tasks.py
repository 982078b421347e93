"""Tasks made by rule, for which it is known how far a net must see: marks apart, discs around a mark, recall."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

IGNORED = -100  # a place that has no label, as torch's cross entropy has it


@dataclass(frozen=True)
class LearningTask:
    """How pictures and labels of a split are made: ``make(count, seed)`` gives uint8 ``(N, C, *spatial)`` and int64
    ``(N,)`` or ``(N, *spatial)``. ``needs`` says, for each label, how many pixels (samples) wide a view must be that
    can tell it, by the pixels alone; 0 where it is not known or there is no label.
    """

    about: str
    classes: tuple[str, ...]
    make: Callable[[int, int], tuple[NDArray[np.uint8], NDArray[np.int64]]]
    needs: Callable[[NDArray[np.uint8], NDArray[np.int64]], NDArray[np.int64]]
    counts: tuple[int, int] = (3200, 800)  # to learn from, held out
    unit: str = "px"  # of what is looked at


SIDE = 32
MARK = 3  # a mark's side, pixels
FARTHEST = 28  # the farthest that the middles of two marks lie apart
GREY, NOISE = 128, 24  # of the background, and its standard deviation


def marked(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    apart: NDArray[np.int64],
    draw: np.random.Generator,
    side: int = SIDE,
) -> NDArray[np.uint8]:
    """Pictures ``(N, 3, side, side)`` with two marks of 3 x 3 beside each other, their centres ``apart`` pixels away.

    A mark of kind 0 is red, of kind 1 blue. The same generator gives the same places and noise, whatever the kinds.
    """
    n = len(apart)
    noise = draw.normal(GREY, NOISE, (n, 3, side, side))
    rows = draw.integers(1, side - 1, n)
    columns = 1 + (draw.random(n) * (side - 2 - apart)).astype(np.int64)
    upright = draw.random(n) < 0.5
    for k in range(n):
        own = noise[k].transpose(0, 2, 1) if upright[k] else noise[k]
        for kind, column in ((first[k], columns[k]), (second[k], columns[k] + apart[k])):
            patch = own[:, rows[k] - 1 : rows[k] + 2, column - 1 : column + 2]
            patch[:] = np.array([40, 40, 40])[:, None, None]
            patch[2 if kind else 0] = 230
    return noise.clip(0, 255).astype(np.uint8)


def _marks(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    draw = np.random.default_rng((1, seed))
    apart = draw.integers(MARK, FARTHEST + 1, count)
    first, second = draw.integers(0, 2, (2, count))
    return marked(first, second, apart, draw), (first == second).astype(np.int64)


def _span_of_marks(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """From the near edge of one mark to that of the other, both included: what touches both is as wide."""
    low, high = images.min(1) <= 45, images.max(1) >= 225
    found = np.zeros(len(images), np.int64)
    for k, mark in enumerate(low & high):
        places = np.argwhere(mark)
        extent = np.ptp(places, axis=0).max() + 1  # both marks and what lies between
        found[k] = extent - 2 * MARK + 2
    return found


RADIUS = 12  # of the largest disc


def _discs(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A disc of one texture on another; its class is the colour of the mark in its middle, at most 12 pixels away."""
    draw = np.random.default_rng((2, seed))
    textures = _textures()
    images = np.empty((count, 3, SIDE, SIDE), np.uint8)
    labels = np.zeros((count, SIDE, SIDE), np.int64)
    y, x = np.mgrid[:SIDE, :SIDE]
    for k in range(count):
        radius = int(draw.integers(6, RADIUS + 1))
        top, left = draw.integers(RADIUS - 4, SIDE - RADIUS + 4, 2)
        kind = int(draw.integers(1, 4))
        ground, disc = (_crop(textures[i], draw) for i in draw.permutation(len(textures))[:2])
        inside = (y - top) ** 2 + (x - left) ** 2 <= radius**2
        images[k] = np.where(inside, disc, ground)
        labels[k][inside] = kind
        images[k, :, top - 1 : top + 2, left - 1 : left + 2] = 0
        images[k, kind - 1, top - 1 : top + 2, left - 1 : left + 2] = 255
    return images, labels


def _view_of_discs(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Inside a disc the side of the square about a pixel that touches the mark; 0 outside, where there is none."""
    found = np.zeros(labels.shape, np.int64)
    y, x = np.mgrid[: labels.shape[1], : labels.shape[2]]
    for k, (image, label) in enumerate(zip(images, labels, strict=True)):
        kind = label.max()
        others = np.delete(image, kind - 1, axis=0)
        top, left = np.argwhere((image[kind - 1] == 255) & (others == 0).all(0)).mean(0)
        away = np.maximum(abs(y - top), abs(x - left)) - MARK // 2
        found[k] = np.where(label > 0, 2 * np.maximum(away, 0) + 1, 0)
    return found


def _textures() -> list[NDArray[np.float64]]:
    """Grey photographs of surfaces, each with the same mean and contrast, so that no texture gives a class away."""
    from skimage import data

    pictures = [np.asarray(getattr(data, name)(), float) for name in ("brick", "grass", "gravel")]
    return [GREY + 40 * (p - p.mean()) / p.std() for p in pictures]


def _crop(picture: NDArray[np.float64], draw: np.random.Generator) -> NDArray[np.uint8]:
    row, column = (int(draw.integers(0, side - SIDE)) for side in picture.shape)
    return picture[row : row + SIDE, column : column + SIDE].clip(0, 255).astype(np.uint8)[None]


LENGTH = 128
FIRST = 32  # the cue lies among so many samples
CUE = 8  # samples that it lasts


def _recall(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A cue in one of two channels among the first samples; from its end on that channel is to be told."""
    draw = np.random.default_rng((3, seed))
    images = draw.normal(20, 8, (count, 2, LENGTH)).clip(0, 255).astype(np.uint8)
    first = draw.integers(0, FIRST - CUE + 1, count)
    kinds = draw.integers(0, 2, count)
    images[np.arange(count)[:, None], kinds[:, None], first[:, None] + np.arange(CUE)] = 255
    labels = np.where(np.arange(LENGTH) >= first[:, None] + CUE - 1, kinds[:, None], IGNORED)
    return images, labels.astype(np.int64)


def _lag_of_recall(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Samples from the cue's last one to the place asked, both included."""
    last = (labels != IGNORED).argmax(1)
    lag = np.arange(labels.shape[1]) - last[:, None] + 1
    return np.where(labels == IGNORED, 0, lag).astype(np.int64)


TASKS: dict[str, LearningTask] = {
    "marks": LearningTask(
        "two marks, alike or not, 3 to 28 pixels apart", ("different", "alike"), _marks, _span_of_marks
    ),
    "discs": LearningTask(
        "each pixel's class is told by a mark in the middle of its disc, up to 12 pixels away",
        ("ground", "red", "green", "blue"),
        _discs,
        _view_of_discs,
        counts=(1600, 400),
    ),
    "recall": LearningTask(
        "which of two channels had the cue, up to 120 samples ago",
        ("first", "second"),
        _recall,
        _lag_of_recall,
        unit="samples",
    ),
}
