"""Pictures from outside as eight-bit grey or RGB: each kind is read as viewers show it, or refused by its name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rftools.errors import RequestError
from rftools.reading.door import door, regular
from rftools.reading.limits import check

if TYPE_CHECKING:
    from PIL.Image import Image

EIGHT_BITS = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr"})
#: Kinds that have no agreed way to eight bits of RGB.
REFUSED = {
    "CMYK": "is of CMYK (for print), whose colours depend on a profile",
    "LAB": "is of CIELAB colours",
    "HSV": "is of HSV colours",
}
WAY_OUT = "save it as RGB, or give arrays (NPY, NPZ)"


def read_picture(path: str | Path, channels: int = 3) -> Image:
    """A picture file as RGB, or as grey for one channel; see `plain_picture`.

    Raises:
        RequestError: no such file, no picture, a kind that is not read, more pixels than the limit.
    """
    from PIL import Image

    file = regular(path)
    silent = _libtiff_silent(file)
    with door(file.name, "is no picture that can be read"), _pixels_by_our_limit(), silent, Image.open(file) as opened:
        return plain_picture(opened, channels, file.name)


@contextmanager
def _libtiff_silent(file: Path) -> Iterator[None]:
    """libtiff writes lines of its own on standard error, of harmless tags too; what is wrong is said in ours."""
    with file.open("rb") as stream:
        tiff = stream.read(2) in (b"II", b"MM")
    try:
        kept = os.dup(2) if tiff else None
    except OSError:  # standard error is closed
        kept = None
    if kept is None:
        yield
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nothing)
        os.close(kept)


@contextmanager
def _pixels_by_our_limit() -> Iterator[None]:
    """Pillow's own limit warns at first, and can't be lifted by ``--limit``."""
    from PIL import Image

    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def plain_picture(picture: Image, channels: int, where: str) -> Image:
    """A picture as viewers show it, in ``RGB`` or (one channel) ``L``.

    It is turned as its EXIF data say; what is transparent is white; 16 bits are scaled to eight; numbers with a
    fraction have to be within 0 and 1.

    Raises:
        RequestError: several frames, CMYK and other kinds that are not read, more pixels than the limit.
    """
    from PIL import ImageOps

    check("pixels", picture.width * picture.height, where)
    if picture.format != "MPO" and _has_a_second(picture):  # a camera's MPO begins with the picture itself
        raise RequestError(f"{where} has several frames; save the one that is meant as a picture of its own")
    sixteen = picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format in ("PNG", "PPM"))
    turned = ImageOps.exif_transpose(picture)
    return _eight_bits(turned, where, sixteen).convert("RGB" if channels == 3 else "L")


def _has_a_second(picture: Image) -> bool:
    try:
        picture.seek(1)
    except EOFError:
        return False
    finally:
        picture.seek(0)
    return True


def _eight_bits(picture: Image, where: str, sixteen: bool) -> Image:
    """The picture with eight bits a channel and nothing transparent."""
    from PIL import Image

    clear = picture.has_transparency_data
    if picture.mode in EIGHT_BITS:
        if not clear:
            return picture
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
    if sixteen and not clear:
        return Image.fromarray(_of_sixteen(np.asarray(picture)))
    if picture.mode == "F" and not clear:
        return Image.fromarray(_of_fractions(np.asarray(picture), where))
    what = REFUSED.get(picture.mode, f"is of a kind that is not read ({picture.mode})")
    raise RequestError(f"{where} {what}; {WAY_OUT}")


def _of_sixteen(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """0 to 65,535 as 0 to 255."""
    return np.round(values.astype(np.float32) / np.float32(257)).astype(np.uint8)


def _of_fractions(values: NDArray[np.generic], where: str) -> NDArray[np.uint8]:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # also where one is NaN
        raise RequestError(f"{where} holds numbers from {low:g} to {high:g}; fractions are read from 0 to 1: {WAY_OUT}")
    return np.round(values.astype(np.float32) * 255).astype(np.uint8)
