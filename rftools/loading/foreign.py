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
    (b"<?xml", "is XML (of OpenVINO?), which is not read; convert the net to ONNX or safetensors"),
    (b"\x1f\x8b", "is packed by gzip; unpack it first"),
    (b"ustar", "is a tar archive; unpack it first"),
)
ENDINGS = (
    (".pb", "is a TensorFlow graph, which is not read; convert it to ONNX"),
    (".tflite", "is a TensorFlow Lite file, which is not read; convert the net to ONNX"),
    (".msgpack", "holds Flax weights, which are not read; save them as safetensors"),
)
ADDRESSES = ("http:", "https:", "ftp:", "s3:", "gs:", "hf:", "hf-hub:")
TABLE = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"  # that ends the index of a TensorFlow checkpoint
TENSORFLOW = "is a part of a TensorFlow checkpoint, which is not read; convert the net to ONNX or safetensors"


def refuse_foreign(path: Path) -> None:
    """Raise where a file's first bytes are those of another kind of file.

    Raises:
        RequestError: no such file, a pipe or a device, or one of the kinds of `FOREIGN`.
    """
    text = path.as_posix()
    if text.startswith(ADDRESSES):
        address = text.replace(":/", "://", 1) if "://" not in text else text
        raise RequestError(f"{address} is an address, and nothing is fetched; download the file and name that")
    if not path.exists() and path.with_name(f"{path.name}.index").is_file():
        raise RequestError(f"{path.name} {TENSORFLOW}")
    with door(path, "cannot be read"), regular(path).open("rb") as stream:
        head = stream.read(512)
        stream.seek(max(0, path.stat().st_size - len(TABLE)))
        tail = stream.read(len(TABLE))
    start = head.lstrip()[:32]
    for magic, words in FOREIGN:
        if start.lower().startswith(magic.lower()) or (magic == b"ustar" and head[257:262] == magic):
            raise RequestError(f"{path.name} {words}")
    if tail == TABLE or ".data-0000" in path.name:
        raise RequestError(f"{path.name} {TENSORFLOW}")
    for ending, words in ENDINGS:
        if path.name.lower().endswith(ending) or (ending == ".tflite" and head[4:8] == b"TFL3"):
            raise RequestError(f"{path.name} {words}")
