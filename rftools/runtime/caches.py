"""Caches of functions (``functools.lru_cache``) that a net's classes and their library keep beside its modules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import _lru_cache_wrapper, lru_cache
from types import FunctionType
from typing import TYPE_CHECKING, Any

from torch import nn

OURS_OR_TORCHS = frozenset(("builtins", "torch", "rftools"))
if TYPE_CHECKING:
    Cached = _lru_cache_wrapper[Any]


class Caches:
    """The caches of methods of a module's classes, and of functions in the packages that these come from."""

    def __init__(self, module: nn.Module) -> None:
        kinds = frozenset(base for child in module.modules() for base in type(child).__mro__)
        self.misses = [(cache, cache.cache_info().misses) for cache in _caches(kinds, len(sys.modules))]

    def clear_used(self) -> None:
        """Empty those that something was put into since."""
        for cache, misses in self.misses:
            if cache.cache_info().misses != misses:
                cache.cache_clear()


@lru_cache(maxsize=8)
def _caches(kinds: frozenset[type], _: int) -> tuple[Cached, ...]:
    """Looked for anew when more files were imported."""
    roots = {kind.__module__.partition(".")[0] for kind in kinds} - OURS_OR_TORCHS
    files = [file for name, file in list(sys.modules.items()) if name.partition(".")[0] in roots and file is not None]
    found: dict[int, Cached] = {}
    for place in (*(kind for kind in kinds if kind.__module__.partition(".")[0] in roots), *files):
        for value in list(getattr(place, "__dict__", {}).values()):
            found |= {id(one): one for one in _within(value)}
    return tuple(found.values())


def _within(value: Any) -> Iterator[Cached]:
    """A cache, or those that a decorated function holds."""
    function = getattr(value, "__func__", value)  # of a class method
    if isinstance(function, _lru_cache_wrapper):
        yield function
    for cell in (isinstance(function, FunctionType) and function.__closure__) or ():
        try:
            content = cell.cell_contents
        except ValueError:  # not filled yet
            continue
        if isinstance(content, _lru_cache_wrapper):
            yield content
