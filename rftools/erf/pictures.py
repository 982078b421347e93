"""Pictures as inputs of a net, and inputs as pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.loading import Model, Normalisation
from rftools.reading import check, plain_picture, read_picture

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")


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


def from_pictures(pictures: Iterable[Image], source: str, model: Model, skipped: Sequence[str] = ()) -> Images:
    """Pictures resized to the input (short side, then the centre) and normalised as the model says.

    Raises:
        RequestError: a net that does not take pictures.
    """
    channels, *side = model.require_input_size()
    require_pictures(model)
    inputs = torch.from_numpy(np.stack([_fitted(picture, channels, *side) for picture in pictures]))
    norm = model.normalisation
    if norm is not None:
        mean, std = (torch.tensor(v).reshape(1, -1, 1, 1) for v in (norm.mean, norm.std))
        inputs = (inputs - mean) / std
    return Images(inputs, source, norm, tuple(skipped))


def require_pictures(model: Model) -> None:
    """Raise `RequestError` where the model's input is no picture."""
    channels, *side = model.require_input_size()
    if len(side) != 2 or channels not in (1, 3):
        raise RequestError(
            f"picture files need a net that takes 1 or 3 channels of two axes; give arrays (NPY, NPZ) to {model.name}"
        )


def _fitted(picture: Image, channels: int, height: int, width: int) -> NDArray[np.float32]:
    """``(channels, height, width)`` in 0..1."""
    from PIL import Image

    picture = plain_picture(picture, channels, "a picture")
    scale = max(height / picture.height, width / picture.width)
    new = (max(width, round(picture.width * scale)), max(height, round(picture.height * scale)))
    check("pixels", new[0] * new[1], f"a picture of {picture.width}x{picture.height}, fitted to {width}x{height},")
    picture = picture.resize(new, Image.Resampling.BILINEAR)
    left, top = (new[0] - width) // 2, (new[1] - height) // 2
    pixels = np.asarray(picture.crop((left, top, left + width, top + height))).astype(np.float32) / np.float32(255)
    found: NDArray[np.float32] = pixels.reshape(height, width, channels).transpose(2, 0, 1)
    return found


def from_files(files: Sequence[Path], source: str, model: Model, strict: bool) -> Images:
    """Picture files; those that can't be read are left out, unless ``strict``."""
    require_pictures(model)
    check("images", len(files) * math.prod(model.require_input_size()), f"{len(files)} pictures")
    kept, skipped, why = [], [], None
    for file in files:
        try:
            kept.append(read_picture(file, model.require_input_size()[0]))
        except RequestError as refusal:
            if strict:
                raise
            skipped.append(file.name)
            why = why or refusal
    if not kept:
        raise RequestError(f"none of {len(files)} files is a picture that can be read ({why}, and so on)")
    return from_pictures(kept, source, model, skipped)
