"""Tensors from what a pickle says of them and a storage's bytes, with every number checked before it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from rftools.errors import RequestError
from rftools.loading.stub.inert import Described, Inert
from rftools.reading.limits import check

STORAGES = {
    "Float": torch.float32, "Double": torch.float64, "Half": torch.float16, "BFloat16": torch.bfloat16,
    "Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8,
    "Bool": torch.bool, "ComplexFloat": torch.complex64, "ComplexDouble": torch.complex128, "Untyped": torch.uint8,
}  # fmt: skip


@dataclass(frozen=True)
class Storage:
    """Where a tensor's numbers lie: their type, how many there are, and what reads them (None: they are not read)."""

    dtype: torch.dtype
    count: int
    read: Callable[[], torch.Tensor] | None

    def __setstate__(self, state: Any) -> None:
        """Nothing in a pickle changes one."""


def rebuild(where: str) -> Callable[..., Any]:
    """``torch._utils._rebuild_tensor_v2`` that checks what it is told."""

    def rebuilt(storage: Any = None, offset: Any = 0, size: Any = (), stride: Any = (), *_: Any) -> Any:
        if not isinstance(storage, Storage):
            return Inert(storage, offset, size, stride)
        return Described(lambda: tensor(storage, offset, size, stride, where))

    return rebuilt


def tensor(storage: Storage, offset: Any, size: Any, stride: Any, where: str) -> torch.Tensor:
    """A view of the storage; on the meta device where its numbers are not read.

    Raises:
        RequestError: it reaches out of its storage, or is no shape at all.
    """
    _check_shape(storage, offset, size, stride, where)
    if storage.read is None:
        return torch.empty_strided(size, stride, dtype=storage.dtype, device="meta")
    if prod(size) == 0:
        return torch.empty(size, dtype=storage.dtype)
    return storage.read().as_strided(size, stride, offset)


def _check_shape(storage: Storage, offset: Any, size: Any, stride: Any, where: str) -> None:
    if not _counts([offset]) or not _counts(size) or not _counts(stride) or len(size) != len(stride):
        raise RequestError(f"{where} is damaged: a tensor in it has no valid shape")
    check("dims", len(size), where)
    elements = prod(size)
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) if elements else 0
    if elements and last >= storage.count:
        raise RequestError(f"{where} is damaged: a tensor in it reaches out of its {storage.count} numbers")
    if elements > storage.count:
        check("elements", elements, where)


def _counts(given: Any) -> bool:
    if not isinstance(given, Sequence) or isinstance(given, (str, bytes)):
        return False
    return all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 1 << 62 for n in given)


def storage_type(name: str) -> torch.dtype | None:
    """The type of numbers of ``FloatStorage`` and its like; None for a storage that is not read (quantised ones)."""
    return STORAGES.get(name.removesuffix("Storage"))
