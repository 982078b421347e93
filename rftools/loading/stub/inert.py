"""What stands in for the classes and functions that a pickle names.

A pickle is a program that calls what it names. Here a name is looked up in one table of our own functions; any other
becomes a class that keeps what it is given and does nothing.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


class Inert:
    """An object of a class that is not imported: the arguments that it was made with, and its state."""

    name = "?"

    def __new__(cls, *args: Any, **kwargs: Any) -> Inert:
        made = object.__new__(cls)
        object.__setattr__(made, "args", args)
        object.__setattr__(made, "state", dict(kwargs))
        return made

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args: tuple[Any, ...]
        self.state: dict[Any, Any]

    def __setstate__(self, state: Any) -> None:
        parts = state if isinstance(state, tuple) else (state,)
        for part in parts:  # a pair where the class has slots
            if isinstance(part, Mapping):
                self.state.update(part)
        if not any(isinstance(part, Mapping) for part in parts):
            object.__setattr__(self, "args", (*self.args, state))

    def __call__(self, *args: Any, **kwargs: Any) -> Inert:
        return Inert(*args, **kwargs)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.state[key] = value

    def append(self, value: Any) -> None:
        object.__setattr__(self, "args", (*self.args[-1000:], value))

    def extend(self, values: Any) -> None:
        for value in values:
            self.append(value)

    add = append


def stand_in(module: str, name: str) -> type[Inert]:
    """A class of its own for a name."""
    return type("Inert", (Inert,), {"name": f"{module}.{name}"})


class Array(Inert):
    """A NumPy array of numbers, once its state is known."""

    value: np.ndarray[Any, Any] | None = None

    def made(self) -> Any:
        """A tensor of the machine's byte order; None for an array of anything but numbers."""
        import torch

        return (
            None if self.value is None else torch.from_numpy(np.array(self.value, self.value.dtype.newbyteorder("=")))
        )

    def __setstate__(self, state: Any) -> None:
        try:
            _, shape, dtype, fortran, raw = state
            flat = np.frombuffer(raw, _dtype(dtype))
            object.__setattr__(self, "value", flat.reshape(shape, order="F" if fortran else "C"))
        except (TypeError, ValueError):
            super().__setstate__(state)


class Described(Inert):
    """A tensor that is not made before the whole pickle is read: `make` says how."""

    def made(self) -> Any:
        return self.args[0]()


def _from_buffer(raw: Any = b"", dtype: Any = None, shape: Any = (), order: Any = "C") -> Array:
    """How arrays are pickled by protocol 5."""
    made = Array()
    made.__setstate__((1, shape, dtype, order == "F", raw))
    return made


def _dtype(given: Any) -> np.dtype[Any]:
    """The type that an inert ``numpy.dtype('f8', ...)`` names, with its byte order; numbers only."""
    code = given.args[0] if isinstance(given, Inert) and given.args else None
    if not isinstance(code, str) or len(code) > 4 or code.lstrip("<>=|")[:1] not in {*"biufc"}:
        raise ValueError("no type of numbers")
    order = next((part[1] for part in given.args if isinstance(part, tuple) and len(part) > 1), "=")
    return np.dtype(code).newbyteorder(">" if order == ">" else "=" if code[0] not in "<>" else code[0])  # type: ignore[arg-type]


def _scalar(dtype: Any = None, raw: Any = b"") -> Any:
    try:
        return np.frombuffer(raw, _dtype(dtype)).tolist()[0]
    except (TypeError, ValueError, IndexError):
        return Inert(dtype, raw)


def _encoded(text: Any = "", how: Any = "latin1") -> Any:
    if isinstance(text, str) and how in {"latin1", "utf-8", "ascii"}:
        return codecs.encode(text, how)
    return Inert(text, how)


def _reconstructor(cls: Any = None, *_: Any) -> Any:
    return cls() if isinstance(cls, type) and issubclass(cls, Inert) else Inert(cls)


class Plain(dict[Any, Any]):
    """A dict that takes no attributes: an OrderedDict, a defaultdict, a Counter."""

    def __setstate__(self, state: Any) -> None: ...


def _dict(*args: Any) -> Plain:
    """What it holds is set afterwards, or is given as pairs."""
    given = args[-1] if args and isinstance(args[-1], (dict, list, tuple)) else ()
    try:
        return Plain(given)
    except (TypeError, ValueError):
        return Plain()


class Function:
    """A function of the table as a pickle sees it: it can be called, and nothing of it can be set."""

    __slots__ = ("_call",)
    _call: Callable[..., Any]

    def __init__(self, call: Callable[..., Any]) -> None:
        object.__setattr__(self, "_call", call)

    def __call__(self, *args: Any) -> Any:
        return self._call(*args)

    def __setstate__(self, state: Any) -> None: ...

    def __setattr__(self, name: str, value: Any) -> None: ...


def _list(given: Any = (), *_: Any) -> list[Any]:
    return list(given) if isinstance(given, (list, tuple, set, frozenset)) else []


def _same(value: Any = None, *_: Any) -> Any:
    return value


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _dict,
    "collections.defaultdict": _dict,
    "collections.Counter": _dict,
    "collections.deque": _list,
    "builtins.dict": _dict,
    "builtins.list": _list,
    "builtins.set": _list,
    "builtins.frozenset": lambda given=(), *_: tuple(_list(given)),
    "builtins.tuple": lambda given=(), *_: tuple(_list(given)),
    "__builtin__.set": _list,
    "_codecs.encode": _encoded,
    "copyreg._reconstructor": _reconstructor,
    "copy_reg._reconstructor": _reconstructor,
    "torch.Size": lambda given=(), *_: tuple(_list(given)),
    "torch.jit._pickle.build_intlist": _list,
    "torch.jit._pickle.build_boollist": _list,
    "torch.jit._pickle.build_doublelist": _list,
    "torch.jit._pickle.build_tensorlist": _list,
    "torch.jit._pickle.restore_type_tag": _same,
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray._reconstruct": Array for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _from_buffer for core in ("core", "_core")},
}
