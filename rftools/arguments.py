"""The door of public functions: arguments of another type than is stated, and options that there are not."""

from __future__ import annotations

import ast
import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from types import UnionType
from typing import Any, ParamSpec, TypeVar, Union, get_args, get_origin, is_typeddict

from rftools.errors import RequestError, closest, shown

P = ParamSpec("P")
R = TypeVar("R")
Stated = tuple[ast.expr, Mapping[str, Any]]  # an annotation, and what its names stand for

MOST = 2**63 - 1  # what a 64-bit integer holds
#: The least of whole numbers that mean the same everywhere.
LEAST = {"seed": 0, "count": 1, "batch_size": 1, "examples": 0, "resamples": 1, "epochs": 1, "of": 0}


def _is_whole(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral) and abs(int(value)) <= MOST


SEVERAL = {"int": "several whole numbers", "float": "several numbers", "str": "several texts"}
KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "int": (
        lambda value: _is_whole(value),
        "a whole number",
    ),
    "float": (lambda value: isinstance(value, Real) and bool(value == value), "a number"),
    "bool": (lambda value: isinstance(value, (bool, Integral)) or type(value).__name__ == "bool", "True or False"),
    "str": (lambda value: isinstance(value, str), "text"),
    "Path": (lambda value: isinstance(value, (str, os.PathLike)), "a path"),
}


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """The same function, which refuses arguments that are not of the types stated, and options that it does not take.

    Only plain types are looked at: numbers, text, truth, several of them; what else is stated, the function itself
    reads. Options are the keys of the ``TypedDict`` that ``**options: Unpack[...]`` names.

    >>> @checked
    ... def draw(seed: int, layers: Sequence[str] | None = None) -> int:
    ...     return seed
    >>> draw("three")
    Traceback (most recent call last):
    rftools.errors.RequestError: draw: seed is a whole number, not 'three'
    >>> draw(3, layers=[1.5])
    Traceback (most recent call last):
    rftools.errors.RequestError: draw: layers is several texts or None, not [1.5]
    """
    parameters = inspect.signature(function).parameters
    places = [name for name, one in parameters.items() if one.kind is one.POSITIONAL_OR_KEYWORD]
    own = function.__globals__
    stated = {name: (_read(one.annotation), own) for name, one in parameters.items() if one.kind is not one.VAR_KEYWORD}
    further = next((_read(one.annotation) for one in parameters.values() if one.kind is one.VAR_KEYWORD), None)

    @functools.wraps(function)
    def answered(*args: P.args, **kwargs: P.kwargs) -> R:
        hints = stated | _options(function, further)
        for name, value in (*zip(places, args, strict=False), *kwargs.items()):
            if name not in hints and further is not None:
                raise _no_option(function.__name__, name, [each for each in hints if each not in places])
            if name in hints:
                _check(function.__name__, name, value, hints[name])
        return function(*args, **kwargs)

    return answered


def _options(function: Callable[..., Any], further: ast.expr | None) -> dict[str, Stated]:
    """What ``**options`` may hold: the fields of the typed dict that ``Unpack[...]`` names."""
    if not isinstance(further, ast.Subscript) or not isinstance(further.slice, ast.Name):
        return {}
    kind = function.__globals__[further.slice.id]
    names = vars(sys.modules[kind.__module__])
    return {name: (_read(hint), names) for name, hint in kind.__annotations__.items()}


@functools.cache
def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _read(annotation: Any) -> ast.expr:
    """An annotation as it was written."""
    text = getattr(annotation, "__forward_arg__", annotation)
    if isinstance(text, type) and text.__name__ in KINDS:
        text = text.__name__
    return _parsed(text) if isinstance(text, str) else ast.Constant(...)


def _check(function: str, name: str, value: Any, stated: Stated) -> None:
    if not _fits(value, *stated):
        raise RequestError(f"{function}: {name} is {_choice(_words(*stated))}, not {_short(value)}")
    least = LEAST.get(name)
    if least is not None and isinstance(value, Integral) and int(value) < least:
        raise RequestError(f"{function}: {name} is a whole number from {least}, not {value}")


def _fits(value: Any, hint: ast.expr, names: Mapping[str, Any]) -> bool:
    match hint:
        case ast.BinOp(left=one, op=ast.BitOr(), right=other):
            return _fits(value, one, names) or _fits(value, other, names)
        case ast.Constant(value=None):
            return value is None
        case ast.Name(id=kind) if kind in KINDS:
            return KINDS[kind][0](value)
        case ast.Name(id=kind):
            return _is_of(value, names.get(kind))
        case ast.Subscript(value=ast.Name(id="Mapping" | "dict")):
            return isinstance(value, Mapping)
        case ast.Subscript(value=ast.Name(id="Callable")):
            return callable(value)
        case ast.Subscript(value=ast.Name(id="Sequence" | "tuple" | "list" | "Iterable"), slice=within):
            return _each_fits(value, within, names)
    return True


def _is_of(value: Any, kind: Any) -> bool:
    """Whether a value is of what a name stands for; true where that is none of what is looked at here."""
    origin = get_origin(kind)
    if getattr(kind, "__name__", None) in KINDS:
        return KINDS[kind.__name__][0](value)
    if origin in (Union, UnionType):
        return any(_is_of(value, each) for each in get_args(kind))
    if origin in (Sequence, tuple, list):
        return isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping))
    if origin in (Mapping, Callable):
        return isinstance(value, origin)
    plain = isinstance(kind, type) and kind is not Any and not getattr(kind, "_is_protocol", False)
    return isinstance(value, kind) if plain and not is_typeddict(kind) else True


def _each_fits(value: Any, within: ast.expr, names: Mapping[str, Any]) -> bool:
    """Whether all of several fit; one whole number stands for a size that is the same along all axes."""
    kind = _first(within)
    if isinstance(kind, ast.Name) and kind.id == "int" and _fits(value, kind, names):
        return True
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return False
    return not hasattr(value, "__len__") or all(_fits(one, kind, names) for one in value)


def _first(within: ast.expr) -> ast.expr:
    """What ``tuple[int, ...]`` and ``Sequence[int]`` are of."""
    return within.elts[0] if isinstance(within, ast.Tuple) else within


def _choice(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _words(hint: ast.expr, names: Mapping[str, Any]) -> list[str]:
    """What may be given, in words."""
    match hint:
        case ast.BinOp(left=one, op=ast.BitOr(), right=other):
            return [*_words(one, names), *_words(other, names)]
        case ast.Constant(value=None):
            return ["None"]
        case ast.Name(id=kind) if kind in KINDS:
            return [KINDS[kind][1]]
        case ast.Name(id=kind):
            return _said(names.get(kind, kind))
        case ast.Subscript(value=ast.Name(id="Mapping" | "dict")):
            return ["a mapping"]
        case ast.Subscript(value=ast.Name(id="Callable")):
            return ["a function"]
        case ast.Subscript(slice=within):
            kind = ast.unparse(_first(within))
            return [SEVERAL.get(kind, f"several of {kind}")]
    return [ast.unparse(hint)]


def _said(kind: Any) -> list[str]:
    """As `_words`, of what a name stands for."""
    origin, name = get_origin(kind), getattr(kind, "__name__", str(kind))
    if origin in (Union, UnionType):
        return [word for each in get_args(kind) for word in _said(each)]
    if origin is not None:
        named = {Mapping: "a mapping", Callable: "a function"}
        within = getattr(get_args(kind)[0], "__name__", "")
        return [named.get(origin, SEVERAL.get(within, f"several of {within}" if within else "several"))]
    return [KINDS[name][1] if name in KINDS else name]


def _no_option(function: str, name: str, known: list[str]) -> RequestError:
    return RequestError(f"{function} takes no option {name!r}{closest(name, known)}; it takes {', '.join(known)}")


def _short(value: Any) -> str:
    """A value as it is shown in a line."""
    plain = value is None or isinstance(value, (str, bytes, Real, list, tuple, dict))
    return shown(value) if plain else type(value).__name__
