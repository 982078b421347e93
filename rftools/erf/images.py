"""The pictures that gradients are taken at: files, arrays, or noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from rftools.errors import RequestError, closest
from rftools.loading import Model, Normalisation

if TYPE_CHECKING:
    from torch.utils.data import Dataset

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
NOISES = ("white", "pink")


@dataclass(frozen=True)
class Images:
    """Inputs ``(N, C, *spatial)`` as the net takes them, where they are from, and which files were skipped."""

    inputs: torch.Tensor
    source: str
    normalisation: Normalisation | None = None
    skipped: tuple[str, ...] = ()


def pictures(images: Images) -> dict[str, NDArray[np.uint8]]:
    """The ``first`` image and the ``mean`` of all as ``height x width x 3`` pixels, where they have two axes."""
    inputs = images.inputs
    if inputs.ndim != 4 or inputs.shape[1] not in (1, 3):
        return {}
    return {"first": _pixels(inputs[0], images.normalisation), "mean": _pixels(inputs.mean(0), images.normalisation)}


def _pixels(image: torch.Tensor, norm: Normalisation | None) -> NDArray[np.uint8]:
    """The normalisation undone; without one, what is within 0..1 stays and the rest is stretched to it."""
    values = image.double().numpy()
    if norm is not None:
        values = values * np.reshape(norm.std, (-1, 1, 1)) + np.reshape(norm.mean, (-1, 1, 1))
    elif values.min() < 0 or values.max() > 1:
        values = (values - values.min()) / max(float(np.ptp(values)), 1e-12)
    pixels = np.clip(values * 255, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


ImageSource = torch.Tensor | NDArray[Any] | str | Path | Sequence[str | Path] | None


def gather(given: ImageSource | Dataset[Any], model: Model, *, count: int, seed: int, strict: bool = False) -> Images:
    """Inputs from whatever was given; noise where nothing was.

    Raises:
        RequestError: no pictures, unreadable ones (with ``strict``), a wrong channel count, mixed sizes.
    """
    size = model.require_input_size()
    if given is None:
        given = "white"
    if isinstance(given, str) and given in NOISES:
        return noise(given, model, count=count, seed=seed)
    if isinstance(given, torch.Tensor):
        return Images(_fitting(given.detach().float(), size, "the images"), "tensor")
    if isinstance(given, np.ndarray):
        return Images(_fitting(torch.from_numpy(np.ascontiguousarray(given)).float(), size, "the images"), "array")
    if isinstance(given, (str, Path)):
        return _from_path(Path(given), model, count, strict, seed)
    if isinstance(given, Sequence) and all(isinstance(item, (str, Path)) for item in given):
        return _from_files([Path(item) for item in given], f"{len(given)} files", model, strict)
    return _from_dataset(given, size, count)


def noise(kind: str, model: Model, *, count: int, seed: int) -> Images:
    """White noise, or pink (power falling as 1/f^2, as in photographs): evenly spread or standardised pixels of 0..1
    put through the model's normalisation; standard normal where the model has none.
    """
    size = model.require_input_size()
    if count < 1:
        raise RequestError(f"{count} images were asked for; it takes at least one")
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


def _fitting(inputs: torch.Tensor, size: tuple[int, ...], what: str) -> torch.Tensor:
    shape = tuple(inputs.shape)
    if len(shape) != len(size) + 1:
        wanted = "N x " + " x ".join(map(str, size))
        raise RequestError(f"{what} have shape {' x '.join(map(str, shape))}; the net takes {wanted}")
    if shape[1] != size[0]:
        raise RequestError(f"{what} have {shape[1]} channels, the net takes {size[0]}")
    if shape[2:] != tuple(size[1:]):
        given, wanted = ("x".join(map(str, s)) for s in (shape[2:], size[1:]))
        raise RequestError(f"{what} are {given}, the input size is {wanted}; resize them or give --input-size")
    if shape[0] == 0:
        raise RequestError(f"{what} are none: the first dimension has length 0")
    return inputs


def _from_path(path: Path, model: Model, count: int, strict: bool, seed: int) -> Images:
    if not path.exists():
        raise RequestError(f"no such file or folder: {path}{closest(str(path), NOISES)}; noise is white or pink")
    if path.suffix.lower() in {".npy", ".npz"}:
        return Images(_fitting(_read_array(path), model.require_input_size(), path.name), path.name)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in ENDINGS)
        if not files:
            raise RequestError(f"no images in {path} ({', '.join(ENDINGS)})")
        # Files are often sorted by class: a few of many are drawn, not the first ones.
        order = np.random.default_rng(seed).permutation(len(files)) if count < len(files) else range(len(files))
        chosen = [files[i] for i in order[:count]]
        return _from_files(chosen, f"{path.name}/ ({len(chosen)} of {len(files)})", model, strict)
    return _from_files([path], path.name, model, strict=True)


def _read_array(path: Path) -> torch.Tensor:
    try:
        content = np.load(path, allow_pickle=False)
        array = content if isinstance(content, np.ndarray) else content[content.files[0]]
    except (OSError, ValueError, IndexError, EOFError) as error:
        raise RequestError(f"{path.name} is no array file that can be read without pickle: {error}") from error
    return torch.from_numpy(np.ascontiguousarray(array)).float()


def _from_files(files: Sequence[Path], source: str, model: Model, strict: bool) -> Images:
    """Pictures resized to the input (short side, then the centre) and normalised as the model says."""
    from PIL import Image, UnidentifiedImageError

    channels, *side = model.require_input_size()
    if len(side) != 2 or channels not in (1, 3):
        raise RequestError(
            f"picture files need a net that takes 1 or 3 channels of two axes; give arrays (NPY, NPZ) to {model.name}"
        )
    height, width = side
    kept, skipped = [], []
    for file in files:
        try:
            with Image.open(file) as opened:
                picture = opened.convert("RGB" if channels == 3 else "L")
        except (OSError, UnidentifiedImageError) as error:
            if strict:
                raise RequestError(f"{file.name} is no picture that can be read: {error}") from error
            skipped.append(file.name)
            continue
        scale = max(height / picture.height, width / picture.width)
        new = (max(width, round(picture.width * scale)), max(height, round(picture.height * scale)))
        picture = picture.resize(new, Image.Resampling.BILINEAR)
        left, top = (new[0] - width) // 2, (new[1] - height) // 2
        pixels = np.asarray(picture.crop((left, top, left + width, top + height)), dtype=np.float32) / 255
        kept.append(pixels.reshape(height, width, channels).transpose(2, 0, 1))
    if not kept:
        raise RequestError(f"none of {len(files)} files is a picture that can be read ({skipped[0]} and so on)")
    inputs = torch.from_numpy(np.stack(kept))
    norm = model.normalisation
    if norm is not None:
        mean, std = (torch.tensor(v).reshape(1, -1, 1, 1) for v in (norm.mean, norm.std))
        inputs = (inputs - mean) / std
    return Images(inputs, source, norm, tuple(skipped))


def _from_dataset(given: Any, size: tuple[int, ...], count: int) -> Images:
    try:
        items = [given[i] for i in range(min(count, len(given)))]
    except TypeError:
        raise RequestError(
            f"images are a tensor, an array, a path, paths, white, pink or a data set, not {type(given).__name__}"
        ) from None
    tensors = [torch.as_tensor(item[0] if isinstance(item, (tuple, list)) else item).float() for item in items]
    if not tensors:
        raise RequestError("the data set is empty")
    if len({tuple(t.shape) for t in tensors}) > 1:
        first, other = tensors[0], next(t for t in tensors if t.shape != tensors[0].shape)
        a, b = ("x".join(map(str, t.shape)) for t in (first, other))
        raise RequestError(f"images of mixed sizes: {a} and {b}; resize them to one")
    return Images(_fitting(torch.stack(tensors), size, "the data set's images"), type(given).__name__)
