"""Safetensors: a header of names, types and shapes, then the numbers (https://huggingface.co/docs/safetensors)."""

from __future__ import annotations

from pathlib import Path

from rftools.errors import RequestError
from rftools.loading.formats import Contents, reader

DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool", "C64": "complex64",
}  # fmt: skip


@reader(".safetensors")
def read_safetensors(path: Path) -> Contents:
    """A state dict."""
    from safetensors.torch import load_file

    try:
        return Contents(dict(load_file(path)), "safetensors file")
    except Exception as error:  # safetensors raises a class of its own for every kind of damage
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RequestError(f"{path.name} is not a whole safetensors file: {reason}") from error


def read_header(path: Path) -> Contents:
    """The same state dict on the meta device: names, types and shapes, none of the numbers."""
    import torch
    from safetensors import safe_open

    found = {}
    try:
        with safe_open(path, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118 (it is no mapping)
                part = opened.get_slice(name)
                dtype = DTYPES.get(part.get_dtype(), "uint8")
                found[name] = torch.empty(part.get_shape(), dtype=getattr(torch, dtype), device="meta")
    except Exception as error:  # safetensors raises a class of its own for every kind of damage
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RequestError(f"{path.name} is not a whole safetensors file: {reason}") from error
    return Contents(found, "safetensors file")
