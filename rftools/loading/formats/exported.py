"""Exported programs (``.pt2``): the weights in the archive, read as data. The program itself is not run.

Layouts: ``data/weights/model_weights_config.json`` beside raw bytes (torch 2.9 up), or ``serialized_state_dict.pt``.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rftools.errors import RequestError
from rftools.loading.formats import Contents, reader
from rftools.loading.stub.archive import read_stub_bytes
from rftools.loading.stub.tensors import Storage, tensor
from rftools.reading import bytes_of, check, check_archive, door

KIND = "exported program"
CONFIG = "data/weights/model_weights_config.json"
OLD = ("serialized_state_dict.pt", "serialized_state_dict.json")
DTYPES = {  # numbers of torch._export.serde.schema.ScalarType
    1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64, 6: torch.float16, 7: torch.float32,
    8: torch.float64, 12: torch.bool, 13: torch.bfloat16,
}  # fmt: skip


def read_exported_header(path: Path) -> Contents:
    """Names, types and shapes."""
    return _read(path, values=False)


@reader(".pt2", header=read_exported_header)
def read_exported(path: Path) -> Contents:
    """The state dict of the program."""
    return _read(path, values=True)


def _read(path: Path, *, values: bool) -> Contents:
    with door(path.name, "is truncated or damaged"), zipfile.ZipFile(path) as archive:
        check_archive(archive, path.name)
        names = {name.partition("/")[2] if "/" in name else name: name for name in archive.namelist()}
        whole = {**names, **{name: name for name in archive.namelist()}}
        if CONFIG in whole:
            return Contents(_weights(archive, whole[CONFIG], path.name, values), KIND)
        for old in OLD:
            if old in whole:
                check("expansion", archive.getinfo(whole[old]).file_size, path.name)
                found = read_stub_bytes(archive.read(whole[old]), path.name, values=values)
                return Contents(found.content, KIND, found.names)
    raise RequestError(f"{path.name} is no exported program of torch.export.save: no weights are in it")


def _weights(archive: zipfile.ZipFile, config: str, where: str, values: bool) -> dict[str, torch.Tensor]:
    check("text", archive.getinfo(config).file_size, where)
    folder = config.rpartition("/")[0]
    entries = json.loads(archive.read(config))["config"]
    check("entries", len(entries), where)
    read: dict[str, torch.Tensor] = {}
    return {str(name): _tensor(archive, folder, entry, (where, values, read)) for name, entry in entries.items()}


def _tensor(
    archive: zipfile.ZipFile, folder: str, entry: Mapping[str, Any], how: tuple[str, bool, dict[str, torch.Tensor]]
) -> torch.Tensor:
    where, values, read = how
    meta, member = entry["tensor_meta"], f"{folder}/{entry['path_name']}"
    dtype = DTYPES.get(meta["dtype"])
    if entry.get("use_pickle") or dtype is None:
        raise RequestError(f"{where} keeps {str(entry['path_name'])[:64]} in a way that is not read")
    size = archive.getinfo(member).file_size

    def numbers() -> torch.Tensor:
        if member not in read:
            with archive.open(member) as stream:
                read[member] = torch.frombuffer(bytes_of(stream, size), dtype=dtype)
        return read[member]

    storage = Storage(dtype, size // dtype.itemsize, numbers if values and size else None)
    shape, stride = ([part["as_int"] for part in meta[name]] for name in ("sizes", "strides"))
    return tensor(storage, meta["storage_offset"]["as_int"], shape, stride, where)
