"""A module is left as it was found: attributes, hooks, containers and the values of its buffers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

Container = dict[Any, Any] | list[Any] | set[Any]


@contextlib.contextmanager
def unchanged(module: nn.Module) -> Iterator[None]:
    """What a forward pass keeps in its modules (anchors for the last shape, hooks of the first call, counters) is not
    kept beyond the block; the random state is put back too.
    """
    kept = [_Kept(child) for child in module.modules()]
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        for one in kept:
            one.put_back()


class _Kept:
    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.attributes = dict(module.__dict__)
        own = self.attributes.values()
        self.containers = [(value, value.copy()) for value in own if isinstance(value, (dict, list, set))]
        tensors = [*module._buffers.values(), *own]
        self.tensors = [(t, t._version, t.detach().clone()) for t in tensors if _has_values(t)]

    def put_back(self) -> None:
        self.module.__dict__.clear()
        self.module.__dict__.update(self.attributes)
        for container, content in self.containers:
            _refill(container, content)
        for tensor, version, value in self.tensors:
            if tensor._version != version:
                with torch.no_grad():
                    tensor.copy_(value)


def _has_values(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and not value.is_meta and not value.is_inference()


def _refill(container: Container, content: Any) -> None:
    container.clear()
    if isinstance(container, list):
        container.extend(content)
    else:
        container.update(content)
