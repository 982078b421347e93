"""Checkpoints: one file that ``torch.load(weights_only=True)`` opens, written whole or not at all."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rftools._version import __version__
from rftools.errors import RequestError
from rftools.files import atomic_write

LARGE = 1e30  # no pixel's mean or deviation comes near; also false of NaN
FORMAT, VERSION = "rftools.checkpoint", 1
REQUIRED = ("arch", "state_dict", "epoch", "classes", "input_size")


class MoreThanTensors(RequestError):
    """A file whose reading by PyTorch would run code from it."""


def read_torch_file(path: str | Path) -> Any:
    """What a ``.pt`` file holds: tensors and plain containers. Nothing in the file is ever run.

    Raises:
        RequestError: no such file; an empty, truncated or foreign one; one that holds code.
    """
    import torch

    file = Path(path)
    if check_begin(file) and any(name.endswith("/constants.pkl") for name in _members(file)):
        raise MoreThanTensors(
            f"{file.name} is a TorchScript archive, which can't be read; give an ONNX file or its state dict"
        )
    try:
        with warnings.catch_warnings():  # of how an older torch wrote the file, which its reader can't change
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise _refusal(file, error) from error


def check_begin(file: Path) -> bool:
    """Whether a file is a zip archive, as PyTorch's are today; a pickle otherwise.

    Raises:
        RequestError: no such file; an empty, truncated or foreign one.
    """
    if not file.exists():
        raise RequestError(f"no such file: {file}")
    if file.is_dir():
        raise RequestError(f"{file} is a folder; name a checkpoint in it")
    try:
        with open(file, "rb") as stream:
            head = stream.read(64)
    except OSError as error:
        raise RequestError(f"cannot read {file}: {(error.strerror or str(error)).lower()}") from error
    if not head:
        raise RequestError(f"{file.name} is empty; its writing was cut off or it never was a checkpoint")
    if head.startswith(b"PK") and not _is_archive(file):
        raise RequestError(f"{file.name} is truncated: it begins as a checkpoint but its end is missing")
    if not head.startswith(b"PK") and not head.startswith(b"\x80"):
        raise RequestError(f"{file.name} is no PyTorch file (it begins with {head[:12]!r})")
    return head.startswith(b"PK")


def _is_archive(file: Path) -> bool:
    try:
        return zipfile.is_zipfile(file)
    except zipfile.BadZipFile:  # of one part of several
        return False


def _members(file: Path) -> list[str]:
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise RequestError(f"{file.name} is truncated or damaged: {error}") from error


def _refusal(file: Path, error: Exception) -> RequestError:
    text = str(error)
    way_out = (
        "loading that would run code from the file; save the state dict instead: torch.save(model.state_dict(), ...)"
    )
    for marker in ("Unsupported global: GLOBAL ", "GLOBAL ", "global "):
        if marker in text:
            name = (text.split(marker, 1)[1].split() or ["?"])[0].rstrip(".,")
            return MoreThanTensors(f"{file.name} holds more than tensors ({name}), and {way_out}")
    if "Weights only" in text or "weights_only" in text:
        return MoreThanTensors(f"{file.name} holds more than tensors, and {way_out}")
    return RequestError(f"{file.name} is truncated or damaged: {(text.splitlines() or [type(error).__name__])[0]}")


def is_checkpoint(content: Any) -> bool:
    """Whether a file's content is a checkpoint of ours (and not some other dict of tensors)."""
    return isinstance(content, dict) and content.get("format") == FORMAT


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """A checkpoint that `save_checkpoint` wrote.

    Raises:
        RequestError: the file is something else, of a newer version, or lacks a part.
    """
    content = read_torch_file(path)
    name = Path(path).name
    if not is_checkpoint(content):
        raise RequestError(f"{name} is no checkpoint of `rftools train`; a plain state dict needs --model SPEC")
    check_checkpoint(content, name)
    return dict(content)


def check_checkpoint(content: Mapping[str, Any], name: str) -> None:
    """Whether every part of a checkpoint of ours is there and is what it should be.

    Raises:
        RequestError: it is of a newer version, or a part is missing or of another kind.
    """
    if not isinstance(content.get("version"), int) or content["version"] > VERSION:
        raise RequestError(
            f"{name} has checkpoint version {content.get('version')}, this rftools reads up to {VERSION}: upgrade"
        )
    missing = [key for key in REQUIRED if key not in content]
    if missing:
        raise RequestError(f"{name} lacks {', '.join(missing)}; it is damaged or was not written by `rftools train`")
    if not isinstance(content["arch"], dict) or "name" not in content["arch"]:
        raise RequestError(f"{name} does not say which net it holds; it was not written by `rftools train`")
    wrong = [key for key, right in PARTS.items() if key in content and not right(content[key])]
    if wrong:
        raise RequestError(f"{name} is damaged: its {wrong[0]} is not what `rftools train` writes")


def _is_state(value: Any) -> bool:
    import torch

    return isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in value.items()
    )


def _is_count(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_list(value: Any, each: Callable[[Any], bool]) -> bool:
    return isinstance(value, (list, tuple)) and all(each(item) for item in value)


def _is_normalisation(value: Any) -> bool:
    def numbers(part: Any) -> bool:
        return _is_list(part, lambda n: isinstance(n, (int, float)) and abs(n) < LARGE)

    return value is None or (
        isinstance(value, Mapping)
        and numbers(value.get("mean"))
        and numbers(value.get("std"))
        and len(value["mean"]) == len(value["std"])
        and all(value["std"])
    )


def _is_entry(value: Any) -> bool:
    """An epoch's figures by their names."""
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and (figure is None or isinstance(figure, (int, float))) for name, figure in value.items()
    )


PARTS: dict[str, Callable[[Any], bool]] = {
    "arch": lambda value: isinstance(value.get("name"), str) and isinstance(value.get("arguments", {}), Mapping),
    "state_dict": _is_state,
    "epoch": _is_count,
    "classes": lambda value: _is_list(value, lambda name: isinstance(name, str)),
    "input_size": lambda value: (
        2 <= len(value) <= 4 and _is_list(value, lambda n: _is_count(n, 1))
        if isinstance(value, (list, tuple))
        else False
    ),
    "normalisation": _is_normalisation,
    "history": lambda value: _is_list(value, _is_entry),
    "data": lambda value: value is None or isinstance(value, str),
    **dict.fromkeys(
        ("versions", "options", "optimizer", "schedule", "random"), lambda value: isinstance(value, Mapping)
    ),
}


def save_checkpoint(path: str | Path, content: dict[str, Any]) -> None:
    """Write a checkpoint; the file appears whole under its name, or not at all."""
    import torch

    whole = {"format": FORMAT, "version": VERSION, "versions": versions(), **content}
    buffer = io.BytesIO()
    torch.save(whole, buffer)
    with atomic_write(path) as stream:
        stream.write(buffer.getbuffer())


def versions() -> dict[str, str]:
    """What wrote a file."""
    import platform

    import numpy as np
    import torch

    return {
        "rftools": __version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
