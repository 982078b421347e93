"""Plain JSON as typed records: the dataclasses' own annotations say what fits."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rftools.reading import check

LARGEST = 1 << 62  # of whole numbers


class Unfit(Exception):
    """A value that does not fit where the schema has it."""


def build(kind: Any, value: Any, place: str = "") -> Any:
    """``value`` of a JSON document as ``kind``: a dataclass, a union with None, a tuple, a mapping or a plain value.

    ``place`` names it in what is raised. Keys that ``kind`` does not have are passed over: they may be added.

    Raises:
        Unfit: a value of another kind, or none where there must be one.

    >>> build(tuple[float, ...] | None, [1, 2.5])
    (1.0, 2.5)
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    origin = typing.get_origin(getattr(origin, "__value__", None)) or origin  # of an alias (NDArray of numpy 2.5)
    if kind is Any:
        return value
    if origin in (types.UnionType, typing.Union):
        return None if value is None else build(next(each for each in inner if each is not type(None)), value, place)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _record(kind, value, place)
    if origin is tuple:
        return _tuple(inner, value, place)
    if origin is np.ndarray:
        return np.asarray(value, dtype=np.float64)
    if origin is not None:
        return _container(origin, inner, value, place)
    return _plain(kind, value, place)


def _record(kind: type[Any], value: Any, place: str) -> Any:
    if not isinstance(value, Mapping):
        raise Unfit(f"{place or 'it'} is no object")
    hints = _hints(kind)
    given = {}
    for item in dataclasses.fields(kind):
        key = item.name.rstrip("_")
        if key in value:
            given[item.name] = build(hints[item.name], value[key], f"{place}.{key}".lstrip("."))
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise Unfit(f"{place or 'it'} has no {key!r}")
    return _supported(kind(**given), value) if "support" in value else kind(**given)


def _supported(record: Any, value: Mapping[str, Any]) -> Any:
    """An axis whose pixels were listed (``rftools trf --support``) with them as it holds them: a bit mask."""
    listed = value["support"]
    if not listed or not hasattr(record, "bits") or not all(isinstance(index, int) for index in listed):
        return record
    check("input", max(listed) - min(listed) + 1, "the support of an axis")
    return dataclasses.replace(record, bits=(listed[0], sum(1 << (index - listed[0]) for index in listed)))


def _hints(kind: type[Any]) -> dict[str, Any]:
    """The fields' types; of a generic base's variable, what the class puts in its place."""
    hints = typing.get_type_hints(kind)
    for base in getattr(kind, "__orig_bases__", ()):
        variables = getattr(typing.get_origin(base), "__parameters__", ())
        given = dict(zip(variables, typing.get_args(base), strict=False))
        hints = {name: _put(hint, given) for name, hint in hints.items()}
    return hints


def _put(hint: Any, given: Mapping[Any, Any]) -> Any:
    inner = typing.get_args(hint)
    return types.GenericAlias(tuple, (given[inner[0]], ...)) if inner and inner[0] in given else hint


def _tuple(inner: Sequence[Any], value: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise Unfit(f"{place} is no list")
    kinds = [inner[0]] * len(value) if inner[1:] == (...,) else list(inner)
    if len(kinds) != len(value):
        raise Unfit(f"{place} has {len(value)} entries, not {len(kinds)}")
    return tuple(build(kind, item, f"{place}[{i}]") for i, (kind, item) in enumerate(zip(kinds, value, strict=True)))


def _container(origin: Any, inner: Sequence[Any], value: Any, place: str) -> Any:
    if issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise Unfit(f"{place} is no object")
        return {key: build(inner[1], item, f"{place}.{key}") for key, item in value.items()}
    if not isinstance(value, list):
        raise Unfit(f"{place} is no list")
    return [build(inner[0], item, f"{place}[{i}]") for i, item in enumerate(value)]


def _plain(kind: Any, value: Any, place: str) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST:
        raise Unfit(f"{place} is a number of more digits than any result has")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind in (int, float) and isinstance(value, bool)):
        raise Unfit(f"{place} is {type(value).__name__}, not {kind.__name__}")
    return value
