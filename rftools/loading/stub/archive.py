"""PyTorch's files as data: the zip archive of today, TorchScript's, the stream of pickles of old, a plain pickle."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from rftools.errors import RequestError
from rftools.loading.stub.inert import FUNCTIONS, Function, Inert, stand_in
from rftools.loading.stub.plain import as_plain
from rftools.loading.stub.scan import scan
from rftools.loading.stub.tensors import Storage, rebuild, storage_type
from rftools.reading import bytes_of, check, check_archive, door

MAGIC = 0x1950A86A20F9469CFC6C  # of the stream of pickles (torch.serialization)


@dataclass(frozen=True)
class Found:
    """What a file holds, the names in its pickle, and which kind of file it is."""

    content: Any
    names: tuple[str, ...]
    kind: str


def read_stub(path: Path, *, values: bool = True) -> Found:
    """What lies in a PyTorch file; nothing is imported or run.

    Without ``values`` tensors are on the meta device: only what describes them is read.

    Raises:
        RequestError: damaged, or over a limit.
    """
    with door(path.name, "is truncated or damaged"):
        with path.open("rb") as stream:
            zipped = stream.read(2) == b"PK"
        return _from_archive(path, path.name, values) if zipped else _from_stream(path, values)


def read_stub_bytes(data: bytes, where: str, *, values: bool = True) -> Found:
    """As `read_stub`, of a file that lies in another."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise RequestError(f"{where} is damaged: the weights in it are no PyTorch archive")
    return _from_archive(io.BytesIO(data), where, values)


class _Unpickler(pickle.Unpickler):
    """Finds every name in our own table, or makes a stand-in of it."""

    def __init__(self, data: bytes, where: str, storage: Callable[[Any], Any]) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8", errors="replace")
        self.storage = storage
        made = rebuild(where)
        functions = {
            **FUNCTIONS,
            "torch._utils._rebuild_tensor_v2": made,
            "torch._utils._rebuild_tensor": made,
            "torch._utils._rebuild_parameter": _first,
            "torch._utils._rebuild_parameter_with_state": _first,
            "torch._tensor._rebuild_from_type_v2": _of_type,
        }
        self.table: dict[str, Any] = {name: Function(call) for name, call in functions.items()}

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full not in self.table:
            self.table[full] = stand_in(module, name)
        return self.table[full]

    def persistent_load(self, given: Any) -> Any:
        if isinstance(given, tuple) and len(given) > 1 and given[0] == "module":  # a class and its source, of old
            return given[1]
        return self.storage(given)


def _first(value: Any = None, *_: Any) -> Any:
    return value


def _of_type(function: Any = None, _: Any = None, arguments: Any = (), *__: Any) -> Any:
    known = isinstance(function, Function) and isinstance(arguments, tuple)
    return function(*arguments) if known else Inert(function, arguments)


def _read(stream: IO[bytes], where: str, storage: Callable[[Any], Any]) -> tuple[Any, tuple[str, ...]]:
    """The pickle that begins here, and the names in it; the stream stands at its end then."""
    begin = stream.tell()
    found = scan(stream, where)
    stream.seek(begin)
    return _Unpickler(stream.read(found.length), where, storage).load(), found.names


def _parts(given: Any) -> tuple[str, str, int] | None:
    """The storage's type, its key and its length, of a persistent id ``("storage", type, key, place, length)``."""
    if not isinstance(given, tuple) or len(given) < 5 or given[0] != "storage" or not isinstance(given[4], int):
        return None
    kind = getattr(given[1], "name", "")
    return str(kind).rpartition(".")[2], str(given[2]), given[4]


def _from_archive(file: Path | io.BytesIO, where: str, values: bool) -> Found:
    with zipfile.ZipFile(file) as archive:
        check_archive(archive, where)
        pickles = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise RequestError(f"{where} is a zip archive that PyTorch did not write (no data.pkl)")
        check("pickle", archive.getinfo(pickles[0]).file_size, where)
        folder = pickles[0].rpartition("/")[0]
        storage = _Stored(archive, f"{folder}/data/", where, values)
        value, names = _read(io.BytesIO(archive.read(pickles[0])), where, storage)
        scripted = f"{folder}/constants.pkl" in archive.namelist()
        return Found(as_plain(value, where), names, "TorchScript archive" if scripted else "PyTorch archive")


class _Stored:
    """The storages of an archive, each read once, when it is first asked for."""

    def __init__(self, archive: zipfile.ZipFile, folder: str, where: str, values: bool) -> None:
        self.archive, self.folder, self.where, self.values = archive, folder, where, values
        self.read: dict[str, torch.Tensor] = {}

    def __call__(self, given: Any) -> Any:
        parts = _parts(given)
        dtype = storage_type(parts[0]) if parts else None
        if parts is None or dtype is None:
            return Inert(given)
        try:
            size = self.archive.getinfo(self.folder + parts[1]).file_size
        except KeyError:
            raise RequestError(f"{self.where} is damaged: the numbers of a tensor are missing") from None
        count = size // dtype.itemsize
        return Storage(dtype, count, (lambda: self._numbers(parts[1], size, dtype)) if self.values else None)

    def _numbers(self, key: str, size: int, dtype: torch.dtype) -> torch.Tensor:
        if key not in self.read:
            with self.archive.open(self.folder + key) as stream:
                self.read[key] = torch.frombuffer(bytes_of(stream, size), dtype=torch.uint8)
        return self.read[key][: size // dtype.itemsize * dtype.itemsize].view(dtype)


def _from_stream(path: Path, values: bool) -> Found:
    """The stream of old: a number, a version, the machine, the object, the storages' keys, the storages."""
    where = path.name
    with path.open("rb") as stream:
        first, names = _read(stream, where, Inert)
        if first != MAGIC:
            return Found(as_plain(first, where), names, "pickle")
        for _ in range(2):
            scan(stream, where)
        begin = stream.tell()
        scan(stream, where)
        keys, _names = _read(stream, where, Inert)
        places, place = {}, stream.tell()
        sizes = _sizes(stream, begin, where)
        for key in keys if isinstance(keys, list) else []:
            places[str(key)] = place + 8
            place += 8 + sizes.get(str(key), 0)
        stream.seek(begin)
        value, names = _read(stream, where, _InStream(stream, places, where, values))
        return Found(as_plain(value, where), names, "PyTorch file of before 1.6")


def _sizes(stream: IO[bytes], begin: int, where: str) -> dict[str, int]:
    """The bytes of each storage that the object asks for."""
    found: dict[str, int] = {}

    def note(given: Any) -> Any:
        parts = _parts(given)
        dtype = storage_type(parts[0]) if parts else None
        if parts and dtype:
            found[parts[1]] = max(0, parts[2]) * dtype.itemsize
        return Inert(given)

    stream.seek(begin)
    _read(stream, where, note)
    return found


class _InStream:
    """The storages of a stream, by where each begins; each is read once, when it is first asked for."""

    def __init__(self, stream: IO[bytes], places: dict[str, int], where: str, values: bool) -> None:
        self.stream, self.places, self.where, self.values = stream, places, where, values
        self.size = os.fstat(stream.fileno()).st_size
        self.read: dict[str, torch.Tensor] = {}

    def __call__(self, given: Any) -> Any:
        parts = _parts(given)
        dtype = storage_type(parts[0]) if parts else None
        if parts is None or dtype is None:
            return Inert(given)
        place, count = self.places.get(parts[1]), parts[2]
        if place is None or count < 0 or place + count * dtype.itemsize > self.size:
            raise RequestError(f"{self.where} is truncated: the numbers of a tensor are missing")
        read = lambda: self._numbers(parts[1], count * dtype.itemsize).view(dtype)  # noqa: E731
        return Storage(dtype, count, read if self.values and count else None)

    def _numbers(self, key: str, size: int) -> torch.Tensor:
        if key not in self.read or len(self.read[key]) != size:
            self.stream.seek(self.places[key])
            self.read[key] = torch.frombuffer(bytes_of(self.stream, size), dtype=torch.uint8)
        return self.read[key]
