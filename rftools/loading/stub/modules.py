"""The tensors of a module that was pickled whole, or of a TorchScript object, by the names of its state dict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rftools.loading.stub.inert import Described, Inert
from rftools.reading.limits import LIMITS

SCRIPTED = "__torch__."


def named_tensors(value: Inert) -> dict[str, Any] | None:
    """``{"layer1.0.conv1.weight": tensor, ...}``; None for what is no module."""
    if not _is_module(value):
        return None
    return dict(_walk(value, "", 0))


def _is_module(value: Any) -> bool:
    if not isinstance(value, Inert):
        return False
    return value.name.startswith(SCRIPTED) or {"_parameters", "_buffers", "_modules"} <= set(value.state)


def _walk(value: Inert, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > LIMITS["depth"].most:
        return
    for name, member in _members(value).items():
        if isinstance(member, Described):
            yield prefix + str(name), member
        elif _is_module(member):
            yield from _walk(member, f"{prefix}{name}.", depth + 1)


def _members(value: Inert) -> dict[Any, Any]:
    if value.name.startswith(SCRIPTED):
        return value.state
    parts = [value.state[part] for part in ("_parameters", "_buffers", "_modules")]
    passing = value.state.get("_non_persistent_buffers_set") or ()
    found = {name: member for part in parts if isinstance(part, dict) for name, member in part.items()}
    return {name: member for name, member in found.items() if name not in passing}
