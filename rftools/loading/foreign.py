"""Files that are something else than their ending says, by their first bytes, with the way out."""

from __future__ import annotations

from pathlib import Path

from rftools.errors import RequestError
from rftools.reading import door, regular

FOREIGN = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the file itself; fetch it with git lfs pull"),
    (b"<!doctype", "is a web page, not weights; the download gave a page, try the file's raw address"),
    (b"<html", "is a web page, not weights; the download gave a page, try the file's raw address"),
    (b"GGUF", "is a GGUF file of a quantised language model, which is not read"),
    (b"\x89HDF", "is an HDF5 file (Keras?), which is not read; convert it to ONNX or safetensors"),
    (b"\x1f\x8b", "is packed by gzip; unpack it first"),
    (b"ustar", "is a tar archive; unpack it first"),
)


def refuse_foreign(path: Path) -> None:
    """Raise where a file's first bytes are those of another kind of file.

    Raises:
        RequestError: no such file, a pipe or a device, or one of the kinds of `FOREIGN`.
    """
    with door(path, "cannot be read"), regular(path).open("rb") as stream:
        head = stream.read(512)
    start = head.lstrip()[:32]
    for magic, words in FOREIGN:
        if start.lower().startswith(magic.lower()) or (magic == b"ustar" and head[257:262] == magic):
            raise RequestError(f"{path.name} {words}")
