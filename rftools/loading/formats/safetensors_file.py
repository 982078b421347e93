"""Safetensors: a header of names, types and shapes, then the numbers (https://huggingface.co/docs/safetensors)."""

from __future__ import annotations

from pathlib import Path

from rftools.errors import RequestError
from rftools.loading.formats import Contents, reader


@reader(".safetensors")
def read_safetensors(path: Path) -> Contents:
    """A state dict."""
    from safetensors.torch import load_file

    try:
        return Contents(dict(load_file(path)), "safetensors file")
    except Exception as error:  # safetensors raises a class of its own for every kind of damage
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RequestError(f"{path.name} is not a whole safetensors file: {reason}") from error
