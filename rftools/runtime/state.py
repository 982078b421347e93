"""A module is left as it was found: attributes, hooks, the containers and objects that it holds, values of buffers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from rftools.runtime.caches import Caches

PLAIN = (bool, int, float, str, torch.Size, torch.device)
MOST_OBJECTS = 20_000  # that a module's attributes lead to
Change = Callable[[], bool]


@dataclass
class Restored:
    """Whether the block changed anything that was put back; known after it."""

    changed: bool = False


@contextlib.contextmanager
def unchanged(module: nn.Module) -> Iterator[Restored]:
    """What a forward pass keeps in its modules (anchors for the last shape, hooks of the first call, counters, caches)
    is not kept beyond the block; torch's random state is put back too. Caches of functions that were used are emptied:
    what a pass without values put there would serve later ones.
    """
    kept, caches, left = _Kept(module), Caches(module), Restored()
    try:
        with torch.random.fork_rng(devices=[]):
            yield left
    finally:
        left.changed = kept.put_back()
        caches.clear_used()


def held_tensors(module: nn.Module) -> frozenset[int]:
    """The numbers (``id``) of the tensors that a module holds, in whatever containers and objects."""
    return frozenset(number for number, value in _Kept(module).seen.items() if isinstance(value, torch.Tensor))


class _Kept:
    """What modules, and the containers and objects in their attributes, hold."""

    def __init__(self, module: nn.Module) -> None:
        self.changes: list[Change] = []
        self.seen: dict[int, Any] = {}  # what is held keeps its number
        for child in module.modules():
            self._keep_attributes(child)

    def put_back(self) -> bool:
        """Whether there was anything to put back."""
        made = [change() for change in self.changes]
        return any(made)

    def _keep(self, value: Any) -> None:
        if id(value) in self.seen or len(self.seen) > MOST_OBJECTS:
            return
        if isinstance(value, torch.Tensor):
            self.seen[id(value)] = value
            self._keep_values(value)
        elif isinstance(value, (dict, list, set)):
            self.seen[id(value)] = value
            self._keep_content(value)
        elif isinstance(value, tuple):
            for item in value:
                self._keep(item)
        elif _has_state(value):
            self._keep_attributes(value)

    def _keep_attributes(self, owner: Any) -> None:
        if id(owner) not in self.seen:
            self.seen[id(owner)] = owner
            self._keep_content(owner.__dict__)

    def _keep_content(self, container: Any) -> None:
        content = container.copy()
        self.changes.append(lambda: _refill(container, content))
        for item in list(content.values() if isinstance(content, dict) else content):
            self._keep(item)

    def _keep_values(self, tensor: torch.Tensor) -> None:
        if isinstance(tensor, nn.Parameter) or tensor.is_meta or tensor.is_inference():
            return
        version, value = tensor._version, tensor.detach().clone()
        self.changes.append(lambda: _rewrite(tensor, version, value))


#: whose objects serve all of a process, or hold no state of a net
NOT_LOOKED_INTO = frozenset(
    ("builtins", "logging", "threading", "types", "typing", "torch", "numpy", "enum", "pathlib")
)


def _has_state(value: Any) -> bool:
    """Whether a value is an object of someone's class, with attributes that a forward pass may set."""
    if isinstance(value, nn.Module):  # in a plain list, say
        return True
    home = type(value).__module__.partition(".")[0]
    return hasattr(value, "__dict__") and not isinstance(value, type) and home not in NOT_LOOKED_INTO


def _refill(container: Any, content: Any) -> bool:
    """The same members in the same order; what holds them already is not touched. Whether it was."""
    if _holds(container, content):
        return False
    container.clear()
    if isinstance(container, list):
        container.extend(content)
    else:
        container.update(content)
    return True


def _holds(container: Any, content: Any) -> bool:
    if isinstance(container, set):
        return bool(container == content)
    if isinstance(container, dict) and list(container) != list(content):
        return False
    members = [list(one.values() if isinstance(one, dict) else one) for one in (container, content)]
    return len(members[0]) == len(members[1]) and all(map(_same, *members))


def _same(one: Any, other: Any) -> bool:
    """Whether two values are one object, or numbers, texts or shapes that are equal."""
    return one is other or (type(one) is type(other) and isinstance(one, PLAIN) and bool(one == other))


def _rewrite(tensor: torch.Tensor, version: int, value: torch.Tensor) -> bool:
    if tensor._version == version:
        return False
    with torch.no_grad():
        tensor.copy_(value)
    return True
