"""PyTorch's own files: state dicts, checkpoints that hold one, whole modules, TorchScript; none of it is run."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from rftools.errors import RequestError
from rftools.loading.formats import Contents, reader
from rftools.loading.stub import Found, read_stub
from rftools.reading import check_archive, door


def read_torch_header(path: Path) -> Contents:
    """Names, types and shapes; of the numbers none is read."""
    check_readable(path)
    found = read_stub(path, values=False)
    if not isinstance(found.content, dict):
        raise RequestError(f"{path.name} holds a {type(found.content).__name__}, not a state dict or a checkpoint")
    return Contents(found.content, found.kind, found.names)


@reader(".pt", ".pth", ".ckpt", ".bin", ".jit", ".ts", ".torchscript", header=read_torch_header)
def read_torch(path: Path) -> Contents:
    """Tensors and plain containers as PyTorch reads them; what it refuses is read with stand-ins for its classes."""
    _check_sizes(path)
    plain, refused = _as_pytorch_reads(path)
    found = Found(plain, (), "PyTorch file") if refused is None else read_stub(path)
    if refused is not None and not holds_tensors(found.content):
        raise RequestError(refused)
    if not isinstance(found.content, dict):
        raise RequestError(f"{path.name} holds a {type(found.content).__name__}, not a state dict or a checkpoint")
    return Contents(found.content, found.kind, found.names)


def _as_pytorch_reads(path: Path) -> tuple[Any, str | None]:
    """What PyTorch makes of tensors and plain containers; of more than that nothing, and the line that refuses it.

    The line alone: the error would keep the tensors that were read before it.
    """
    from rftools.models import read_torch_file
    from rftools.models.checkpoint import MoreThanTensors

    try:
        return read_torch_file(path), None
    except MoreThanTensors as refusal:
        return None, str(refusal)


def _check_sizes(path: Path) -> None:
    """An archive's limits, before PyTorch makes room for what it says."""
    with door(path.name, "is truncated or damaged"):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                check_archive(archive, path.name)


def check_readable(path: Path) -> None:
    """The first looks at a file, before anything is read in earnest.

    Raises:
        RequestError: it is empty, cut off, foreign, or over a limit.
    """
    from rftools.models.checkpoint import check_begin

    check_begin(path)
    _check_sizes(path)


def holds_tensors(content: Any) -> bool:
    """Whether there is a tensor in it, or in what it holds."""
    import torch

    if isinstance(content, torch.Tensor):
        return True
    if isinstance(content, dict):
        return any(holds_tensors(value) for value in content.values())
    return isinstance(content, (list, tuple)) and any(holds_tensors(value) for value in content)
