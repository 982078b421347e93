"""From stand-ins to plain containers and tensors."""

from __future__ import annotations

from typing import Any

from rftools.loading.stub.inert import Array, Described, Inert
from rftools.loading.stub.modules import named_tensors
from rftools.reading.limits import check


def as_plain(value: Any, where: str, depth: int = 0, seen: dict[int, Any] | None = None) -> Any:
    """Containers with inert objects turned into what they hold: a dict of the state, otherwise the arguments.

    Raises:
        RequestError: nested deeper than the limit.
    """
    check("depth", depth, where)
    seen = {} if seen is None else seen
    if not isinstance(value, (dict, list, tuple, Inert)):
        return value
    if id(value) in seen:
        return seen[id(value)]
    seen[id(value)] = None  # what holds itself is cut
    inner = _held(value)
    if isinstance(inner, dict):
        made: Any = {key: as_plain(item, where, depth + 1, seen) for key, item in inner.items()}
    elif isinstance(inner, (list, tuple)):
        made = type(inner)([as_plain(item, where, depth + 1, seen) for item in inner])
    else:
        made = inner
    seen[id(value)] = made
    return made


def _held(value: Any) -> Any:
    """What an object stands for: a container of what is in it."""
    if isinstance(value, (Array, Described)):
        return value.made()
    if not isinstance(value, Inert):
        return value
    tensors = named_tensors(value)
    if tensors is not None:
        return tensors
    return value.state or (value.args[0] if len(value.args) == 1 else value.args)
