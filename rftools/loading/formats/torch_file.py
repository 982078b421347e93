"""PyTorch's own files: state dicts, and checkpoints that hold one."""

from __future__ import annotations

from pathlib import Path

from rftools.errors import RequestError
from rftools.loading.formats import Contents, reader


@reader(".pt", ".pth", ".ckpt", ".bin")
def read_torch(path: Path) -> Contents:
    """Tensors and plain containers; nothing in the file is ever run."""
    from rftools.models import read_torch_file

    content = read_torch_file(path)
    if not isinstance(content, dict):
        raise RequestError(f"{path.name} holds a {type(content).__name__}, not a state dict or a checkpoint")
    return Contents(content, "PyTorch file")


@reader(".pt2")
def read_exported(path: Path) -> Contents:
    """Exported programs hold code; they are refused by name."""
    raise RequestError(
        f"{path.name}: exported programs can't be read; give an ONNX file, or a state dict and --model SPEC"
    )
