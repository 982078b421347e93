"""Which rows of a result are listed, and in which order: by layers' names, by what stands in columns."""

from __future__ import annotations

import dataclasses
import fnmatch
import operator
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

from rftools.errors import RequestError, closest, one_line


class Row(Protocol):
    """A row of a result: one layer."""

    @property
    def name(self) -> str: ...


class Tabled(Protocol):
    """What results are: frozen, with rows and a table of them."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def layers(self) -> Sequence[Row]: ...

    def columns(self) -> Sequence[str]: ...

    def records(self) -> Sequence[Sequence[Any]]: ...


BRIEF = reprlib.Repr()
BRIEF.maxtuple = BRIEF.maxdict = BRIEF.maxlist = 4
BRIEF.maxother = BRIEF.maxstring = 60
BRIEF.maxlevel = 2
WIDEST = 80  # characters of a line


class ShownRow:
    """A dataclass that shows itself by a line a field, long values in short, without those that are empty.

    >>> @dataclasses.dataclass(frozen=True, repr=False)
    ... class Layer(ShownRow):
    ...     name: str
    ...     taps: tuple[int, ...] = ()
    ...     note: str | None = None
    >>> Layer("conv1", tuple(range(9)))
    <Layer conv1>
      taps: (0, 1, 2, 3, ...)
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __repr__(self) -> str:
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.repr}
        head = f"<{type(self).__name__} {given.pop('name', '')}".rstrip() + ">"
        return "\n".join([head, *_told(given)])


def _told(given: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, value in given.items():
        if isinstance(value, Mapping) and value and all(map(dataclasses.is_dataclass, value.values())):
            lines += [f"  {name}:", *(f"    {key}: {_brief(one)}" for key, one in value.items())]
        elif isinstance(value, tuple) and value and all(map(dataclasses.is_dataclass, value)):
            lines += [f"  {name}:", *(f"    {_brief(one)}" for one in value[: BRIEF.maxtuple])]
        elif value is not None and not (isinstance(value, (tuple, list, dict, str)) and not value):
            lines.append(f"  {name}: {_brief(value)}")
    return [line if len(line) <= WIDEST else f"{line[: WIDEST - 3]}..." for line in lines]


def _brief(value: Any) -> str:
    """A value in one short line."""
    if isinstance(value, str) or "__str__" in vars(type(value)):
        return str(value)
    return repr(value) if dataclasses.is_dataclass(value) else BRIEF.repr(value)


R = TypeVar("R", bound=Row)
T = TypeVar("T", bound=Tabled)

SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def only(rows: Sequence[R], patterns: Sequence[str]) -> tuple[R, ...]:
    """The rows of layers of these names or patterns, in the order of the rows; all where there is no pattern.

    Raises:
        RequestError: a pattern that no layer matches.

    >>> from types import SimpleNamespace as Layer
    >>> [row.name for row in only([Layer(name="conv1"), Layer(name="head")], ["conv?"])]
    ['conv1']
    """
    names = [row.name for row in rows]
    found: set[str] = set()
    for pattern in patterns:
        own = matching(pattern, names)
        if not own:
            raise RequestError(f"no layer matches {pattern}{closest(pattern, names)}; there are {len(names)}")
        found |= own
    return tuple(row for row in rows if row.name in found) if patterns else tuple(rows)


def matching(pattern: str, names: Iterable[str]) -> set[str]:
    """The names that a pattern means: the one that it is; those it matches with brackets as they stand in names; those
    it matches as a shell's.

    >>> sorted(matching("a[0]", ["a0", "a[0]"])), sorted(matching("a[0].*", ["a0.b", "a[0].b"]))
    (['a[0]'], ['a[0].b'])
    >>> sorted(matching("a[01]", ["a0", "a1", "a2"]))
    ['a0', 'a1']
    """
    known = set(names)
    if pattern in known:
        return {pattern}
    plain = pattern.replace("[", "[[]")
    return {n for n in known if fnmatch.fnmatchcase(n, plain)} or {n for n in known if fnmatch.fnmatchcase(n, pattern)}


def names_of(layers: Sequence[str] | str | None) -> list[str]:
    """Names or patterns of layers as a list, empty where none is given.

    Raises:
        RequestError: something else than a text or several.

    >>> names_of("conv1"), names_of(("conv1", "head")), names_of(None)
    (['conv1'], ['conv1', 'head'], [])
    """
    if layers is None or isinstance(layers, str):
        return [] if layers is None else [layers]
    names = list(layers) if isinstance(layers, Iterable) else [layers]
    for name in names:
        if not isinstance(name, str):
            raise RequestError(f"layers are named by text, a name or a pattern such as layer4.*, not by {name!r}")
    return names


def where(result: T, conditions: Sequence[str]) -> T:
    """The result with the rows whose columns hold what ``conditions`` say, such as ``size<96``.

    Raises:
        RequestError: no such column, no condition that can be read, or no row left.
    """
    columns = list(result.columns())
    pairs = list(zip(result.records(), result.layers, strict=True))
    for condition in conditions:
        column, holds = parse_condition(condition, columns)
        pairs = [pair for pair in pairs if holds(pair[0][columns.index(column)])]
    if conditions and not pairs:
        raise RequestError(f"no layer has {' and '.join(conditions)}; there are {len(result.layers)}")
    return dataclasses.replace(result, layers=tuple(row for _, row in pairs)) if conditions else result


def ordered(result: T, column: str | None) -> T:
    """The result with its rows by what stands in a column, the largest first.

    Raises:
        RequestError: no such column.
    """
    if column is None:
        return result
    columns = list(result.columns())
    if column not in columns:
        raise RequestError(f"no column {column!r}{closest(column, columns)}; there are {', '.join(columns)}")
    place = columns.index(column)
    pairs = sorted(zip(result.records(), result.layers, strict=True), key=lambda pair: _rank(pair[0][place]))
    return dataclasses.replace(result, layers=tuple(row for _, row in pairs))


def parse_condition(text: str, columns: Sequence[str]) -> tuple[str, Callable[[Any], bool]]:
    """``size<96`` as a column and a test of its value; of several numbers (``3x5``) all must hold.

    >>> column, holds = parse_condition("size<96", ["layer", "size"])
    >>> column, holds(35), holds("global"), holds(427)
    ('size', True, False, False)
    """
    match = re.fullmatch(r"\s*([a-z ]+?)\s*(<=|>=|!=|=|<|>)\s*(\S.*?)\s*", text)
    if match is None or match[1] not in columns:
        given = match[1] if match else text
        raise RequestError(
            f"--where {text!r} is not COLUMN<N, =, !=, <=, > or >={closest(given, columns)}; "
            f"columns: {', '.join(columns)}"
        )
    column, sign, value = match.groups()
    if sign not in SIGNS:
        return column, lambda found: (as_text(found) == value) is (sign == "=")
    try:
        bound = float(value)
    except ValueError:
        raise RequestError(f"--where {text!r}: {value!r} is not a number") from None

    def holds(found: Any) -> bool:
        numbers = _numbers(found)
        return bool(numbers) and all(SIGNS[sign](number, bound) for number in numbers)

    return column, holds


def as_text(value: Any) -> str:
    """A value as a table shows it.

    >>> [as_text(value) for value in (None, True, 1, 1.0, 0.25)]
    ['-', 'yes', '1', '1', '0.25']
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return one_line(str(value))  # names from files may hold anything


def _rank(value: Any) -> tuple[int, float, str]:
    """The largest first, ``global`` before all numbers, words by the alphabet, what is not known last."""
    if value is None:
        return (3, 0.0, "")
    if value == "global":
        return (0, 0.0, "")
    if isinstance(value, (bool, int, float)):
        return (1, -float(value), "")
    numbers = _numbers(value)
    return (1, -max(numbers), "") if numbers else (2, 0.0, str(value))


def _numbers(value: Any) -> list[float]:
    """The numbers of ``3x5``."""
    return [float(part) for part in str(value).split("x") if part.replace(".", "").lstrip("-").isdigit()]
