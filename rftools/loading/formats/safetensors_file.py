"""Safetensors: a header of names, types and shapes, then the numbers (https://huggingface.co/docs/safetensors)."""

from __future__ import annotations

from pathlib import Path

from rftools.loading.formats import Contents, reader
from rftools.reading import door

DAMAGED = "is not a whole safetensors file"
DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool", "C64": "complex64",
}  # fmt: skip


def read_header(path: Path) -> Contents:
    """The same state dict on the meta device: names, types and shapes, none of the numbers."""
    import torch
    from safetensors import safe_open

    found = {}
    with door(path.name, DAMAGED), safe_open(path, framework="pt") as opened:
        for name in opened.keys():  # noqa: SIM118 (it is no mapping)
            part = opened.get_slice(name)
            dtype = DTYPES.get(part.get_dtype(), "uint8")
            found[name] = torch.empty(part.get_shape(), dtype=getattr(torch, dtype), device="meta")
    return Contents(found, "safetensors file")


@reader(".safetensors", header=read_header)
def read_safetensors(path: Path) -> Contents:
    """A state dict."""
    from safetensors.torch import load_file

    with door(path.name, DAMAGED):
        return Contents(dict(load_file(path)), "safetensors file")
