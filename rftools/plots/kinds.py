"""Which drawings there are: each registers itself, and modules in the folders of drawings are found by their place.

A new drawing is one file in the folder of its subject (or of a new one): a function that takes a result and options
and gives a scene, under `kind`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

from rftools.errors import RequestError

Build = Callable[..., Any]  # of a result and options, giving a Scene or a Film
F = TypeVar("F", bound=Build)

#: Where drawings lie, by what they show.
SUBJECTS = ("theoretical", "effective", "sparsity", "orientation", "tuning", "probing", "training")
LAST = 1000


@dataclass(frozen=True)
class Drawing:
    """A registered drawing, and its place among those of its schema."""

    build: Build
    place: int


REGISTRY: dict[str, dict[str, Drawing]] = {}


def kind(schema: str, name: str, *, place: int = LAST) -> Callable[[F], F]:
    """Register the function that follows as the drawing ``name`` of results of ``schema``.

    Args:
        schema: a result's schema (``"rftools.erf"``), ``"SCHEMA, several"`` of lists of such results, ``"history"``.
        name: what ``kind=`` and ``--kind`` call it.
        place: 1 is the default drawing; drawings without a place come last, by name.

    Raises:
        RequestError: that schema has a drawing of that name.

    >>> @kind("rftools.erf", "toy")
    ... def toy(result):
    ...     raise NotImplementedError
    >>> REGISTRY["rftools.erf"].pop("toy").place
    1000
    """

    def register(build: F) -> F:
        own = REGISTRY.setdefault(schema, {})
        if name in own:
            raise RequestError(f"there is a drawing {name!r} of {schema} already; give yours another name")
        own[name] = Drawing(build, place)
        return build

    return register


def kinds(result: Any) -> tuple[str, ...]:
    """The drawings of a result, or of a schema, by name; the first is drawn where nothing else is asked for.

    >>> kinds("rftools.sparsity")
    ('taps', 'layers', 'survival')

    Raises:
        RequestError: nothing of that schema can be drawn.
    """
    return tuple(drawings(result if isinstance(result, str) else schema_of(result)))


def drawings(schema: str) -> Mapping[str, Build]:
    """Name to function, in order, of what can be drawn of a schema."""
    found = table()
    if schema not in found:
        raise RequestError(f"nothing of {schema!r} can be drawn; drawn are {', '.join(found)}")
    return found[schema]


def table() -> Mapping[str, Mapping[str, Build]]:
    """All drawings: schema to name to function."""
    _discover()
    return MappingProxyType({schema: MappingProxyType(_ordered(own)) for schema, own in REGISTRY.items()})


def _ordered(own: Mapping[str, Drawing]) -> dict[str, Build]:
    return {name: own[name].build for name in sorted(own, key=lambda name: (own[name].place, name))}


@cache
def _discover() -> None:
    """Import every module of the folders of drawings, which registers what is in them."""
    for subject in SUBJECTS:
        package = importlib.import_module(f"rftools.plots.{subject}")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")


def schema_of(result: Any) -> str:
    """The schema that a result's drawings are registered under.

    >>> schema_of([{"epoch": 1, "loss": 2.0}])
    'history'

    Raises:
        RequestError: it is nothing that can be drawn.
    """
    known = table()
    name = getattr(type(result), "SCHEMA", (None,))[0]
    if name in known:
        return str(name)
    several = f"{getattr(type(result[0]), 'SCHEMA', ('',))[0]}, several" if _is_list(result) else ""
    if several in known and len({type(entry) for entry in result}) == 1:
        return several
    if isinstance(result, Sequence) and all(isinstance(entry, Mapping) for entry in result):
        return "history"
    raise RequestError(
        f"a {type(result).__name__} cannot be drawn; plot takes what an analysis returned, or a training history"
    )


def _is_list(result: Any) -> bool:
    return isinstance(result, (list, tuple)) and len(result) > 0
