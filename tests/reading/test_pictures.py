"""Pictures of every kind: read as viewers show them, or refused by name."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rftools.errors import RequestError
from rftools.reading import limits, plain_picture, read_picture

RAMP = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOURS = np.stack([RAMP, 255 - RAMP, RAMP // 2], -1)


def pixels(path: Path, channels: int = 3) -> np.ndarray:
    return np.asarray(read_picture(path, channels))


def test_sixteen_bits_are_scaled_and_do_not_saturate(tmp_path: Path) -> None:
    deep = RAMP.astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "a.png")
    Image.fromarray(deep).save(tmp_path / "a.tif")
    for name in ("a.png", "a.tif"):
        assert (pixels(tmp_path / name, 1) == RAMP).all()
        assert (pixels(tmp_path / name) == RAMP[..., None]).all()


def test_fractions_are_read_from_0_to_1_and_refused_elsewhere(tmp_path: Path) -> None:
    Image.fromarray((RAMP / 255).astype(np.float32)).save(tmp_path / "a.tif")
    assert (pixels(tmp_path / "a.tif", 1) == RAMP).all()
    for bad in (np.nan, np.inf, 2.0, -0.1):
        values = (RAMP / 255).astype(np.float32)
        values[1, 1] = bad
        Image.fromarray(values).save(tmp_path / "b.tif")
        with pytest.raises(RequestError, match=r"b\.tif holds numbers from .* fractions are read from 0 to 1"):
            read_picture(tmp_path / "b.tif")


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_a_picture_is_turned_as_its_exif_says(tmp_path: Path, ending: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    wide = np.zeros((16, 32, 3), np.uint8)
    wide[:, :16] = 255
    Image.fromarray(wide).save(tmp_path / f"a.{ending}", exif=exif)
    found = pixels(tmp_path / f"a.{ending}")
    assert found.shape == (32, 16, 3)
    assert found[:12].min() > 200
    assert found[20:].max() < 50


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    alpha = np.full((3, 4), 255, np.uint8)
    alpha[0] = 0
    Image.fromarray(np.dstack([COLOURS, alpha])).save(tmp_path / "a.png")
    Image.fromarray(np.dstack([RAMP, alpha])).save(tmp_path / "b.png")
    found = pixels(tmp_path / "a.png")
    assert (found[0] == 255).all()
    assert (found[1:] == COLOURS[1:]).all()
    assert (pixels(tmp_path / "b.png", 1)[0] == 255).all()


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    made = Image.fromarray(COLOURS).quantize(12)
    made.save(tmp_path / "a.png")
    wanted = np.asarray(made.convert("RGB"))
    assert (pixels(tmp_path / "a.png") == wanted).all()
    made.save(tmp_path / "b.gif", transparency=int(np.asarray(made)[0, 0]))
    assert (pixels(tmp_path / "b.gif")[0, 0] == 255).all()


def cmyk(path: Path) -> None:
    Image.new("CMYK", (4, 4)).save(path, "JPEG")


def moving(path: Path) -> None:
    frames = [Image.new("L", (4, 4), shade) for shade in (0, 100, 200)]
    frames[0].save(path, "GIF", save_all=True, append_images=frames[1:])


def moving_png(path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), (shade, 0, 0)) for shade in (0, 100)]
    frames[0].save(path, "PNG", save_all=True, append_images=frames[1:])


def pages(path: Path) -> None:
    Image.new("L", (4, 4)).save(path, "TIFF", save_all=True, append_images=[Image.new("L", (4, 4))])


def whole_numbers(path: Path) -> None:
    Image.fromarray(np.full((4, 4), 70_000, np.int32)).save(path, "TIFF")


def lab(path: Path) -> None:
    Image.new("LAB", (4, 4)).save(path, "TIFF")


def text(path: Path) -> None:
    path.write_text("no picture")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    Image.effect_noise((64, 64), 90).save(path, "PNG")
    path.write_bytes(path.read_bytes()[:900])


REFUSED: dict[Callable[[Path], None], str] = {
    cmyk: "is of CMYK",
    moving: "has several frames",
    moving_png: "has several frames",
    pages: "has several frames",
    whole_numbers: r"is of a kind that is not read \(I\)",
    lab: "is of CIELAB colours",
    text: "is no picture that can be read: cannot identify",
    empty: "is no picture that can be read: cannot identify",
    cut: "is no picture that can be read: ",
}


@pytest.mark.parametrize("write", REFUSED, ids=lambda write: write.__name__)
def test_other_kinds_are_refused_by_name(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "a.png")
    with pytest.raises(RequestError, match=rf"^a\.png {REFUSED[write]}"):
        read_picture(tmp_path / "a.png")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    line = r"a\.png asks for 3600000000 pixels of one picture; at most 134217728 .* --limit pixels=N"
    with pytest.raises(RequestError, match=line):
        read_picture(tmp_path / "a.png")
    Image.new("1", (12_000, 12_000)).save(tmp_path / "b.png")
    with pytest.raises(RequestError, match="144000000 pixels"):
        read_picture(tmp_path / "b.png")
    with limits(pixels=150_000_000):
        assert read_picture(tmp_path / "b.png", 1).size == (12_000, 12_000)


def test_a_strip_does_not_unfold_when_it_is_fitted(tmp_path: Path) -> None:
    from rftools.erf.images import gather
    from rftools.loading import load

    Image.new("L", (1, 60_000)).save(tmp_path / "a.png")
    with pytest.raises(RequestError, match=r"a picture of 1x60000, fitted to 224x224, asks for 3010560000 pixels"):
        gather(tmp_path / "a.png", load("torchvision:resnet18"))


@pytest.mark.skipif(os.name != "posix", reason="pipes as POSIX has them")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(RequestError, match=r"a\.png is no regular file; name a file"):
        read_picture(tmp_path / "a.png")
    with pytest.raises(RequestError, match=r"is a folder; name a file in it"):
        read_picture(tmp_path)


def test_pictures_in_memory_are_read_alike() -> None:
    deep = Image.fromarray(RAMP.astype(np.uint16) * 257)
    assert (np.asarray(plain_picture(deep, 1, "a picture")) == RAMP).all()
    with pytest.raises(RequestError, match="a picture is of CMYK"):
        plain_picture(Image.new("CMYK", (4, 4)), 3, "a picture")


def test_libtiffs_own_lines_do_not_reach_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Damaged in the packed numbers: one line of ours; standard error is as before afterwards."""
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.tif", compression="tiff_lzw")
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[2000:3000] = b"\xff" * 1000
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(RequestError, match=r"^a\.tif is no picture that can be read"):
        read_picture(tmp_path / "a.tif")
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"
