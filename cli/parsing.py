"""Words of the command line as values: sizes, units, lists of numbers, shares."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from rftools.errors import RequestError, shown

MOST = 2**31 - 1  # of whole numbers that are counted with


def _whole(text: str, least: int = 1) -> int | None:
    """Digits as a number within ``least`` and `MOST`; None for anything else.

    >>> _whole("12"), _whole("0"), _whole("-1", -5), _whole("9" * 5000), _whole("²")
    (12, None, -1, None, None)
    """
    found = re.fullmatch(r"\s*([+-]?[0-9]{1,10})\s*", text)
    value = int(found[1]) if found else None
    return value if value is not None and least <= value <= MOST else None


def _check(name: str, asked: int, what: str) -> None:
    """`rftools.reading.check`, imported when something is checked: the door's arrays would cost ``--help`` its time."""
    from rftools.reading.limits import check

    check(name, asked, what)


def _wholes(parts: Sequence[str], least: int = 1) -> tuple[int, ...] | None:
    """All of them; None where one is none."""
    numbers = [_whole(part, least) for part in parts]
    found = tuple(number for number in numbers if number is not None)
    return found if len(found) == len(numbers) else None


def parse_limits(texts: Sequence[str]) -> dict[str, int]:
    """``["input=4000"]`` as ``{"input": 4000}``.

    >>> parse_limits(["input=4000", "depth=1e3"])
    {'input': 4000, 'depth': 1000}
    """
    found = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            found[name.strip()] = int(float(number))
        except (ValueError, OverflowError):
            raise RequestError(f"--limit {shown(text)} is not NAME=N with a whole number, such as input=1e9") from None
    return found


def parse_size(text: str) -> tuple[int, ...]:
    """``3x224x224`` as ``(3, 224, 224)``.

    >>> parse_size("3x224x224")
    (3, 224, 224)
    """
    size = _wholes(text.lower().split("x"))
    if size is None or not 2 <= len(size) <= 4:
        raise RequestError(f"input size {shown(text)} is not CxL, CxHxW or CxDxHxW with positive whole numbers")
    _check("input", math.prod(size), f"input size {text}")
    return size


def parse_unit(text: str) -> tuple[int, ...] | str:
    """``3,4`` as ``(3, 4)``; ``class``, the class token, as it is.

    >>> parse_unit("3,4"), parse_unit("class")
    ((3, 4), 'class')
    """
    if text.strip().lower() == "class":
        return "class"
    unit = _wholes(text.split(","), -MOST)
    if unit is None:
        raise RequestError(f"unit {shown(text)} is not i,j: one whole number an axis, separated by commas")
    return unit


def parse_numbers(text: str, what: str) -> list[int]:
    """``0,5-9`` as ``[0, 5, 6, 7, 8, 9]``.

    >>> parse_numbers("0,5-9", "channel")
    [0, 5, 6, 7, 8, 9]
    """
    found: list[int] = []
    for part in text.split(","):
        ends = _wholes(part.split("-"), 0)
        if ends is None or not 1 <= len(ends) <= 2:
            raise RequestError(f"{what} {shown(text)} is no list of whole numbers such as 3 or 0,5-9")
        low, high = ends[0], ends[-1]
        if high < low:
            raise RequestError(f"{what} {shown(text)}: {part.strip()} runs backwards")
        _check("units", len(found) + high - low + 1, f"{what} {shown(text)}")
        found += range(low, high + 1)
    return found


def parse_share(text: str) -> float:
    """``5%`` and ``0.05`` alike as 0.05.

    >>> parse_share("5%"), parse_share("0.05")
    (0.05, 0.05)
    """
    try:
        value = float(text.rstrip(" %")) / (100 if text.rstrip().endswith("%") else 1)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise RequestError(f"precision {shown(text)} is not a share between 0 and 1, such as 5% or 0.05")
    return value


def parse_grid(text: str) -> tuple[int, ...]:
    """``3x5`` as ``(3, 5)``.

    >>> parse_grid("3x5"), parse_grid("7")
    ((3, 5), (7,))
    """
    grid = _wholes(text.lower().split("x"))
    if grid is None or not 1 <= len(grid) <= 3:
        raise RequestError(f"grid {shown(text)} is not one whole number from 1 on for each axis, such as 3x3")
    return grid


def parse_object(text: str) -> tuple[int, int]:
    """``64x48`` as ``(64, 48)``, width first.

    >>> parse_object("64x48")
    (64, 48)
    """
    width, height = _sides(text, 2)
    return width, height


def parse_objects(texts: Sequence[str], axes: int) -> tuple[int, ...] | None:
    """``WxH`` in the order of the axes (rows first); of several objects what holds them all, of none None.

    >>> parse_objects(["64x48", "32x60"], 2)
    (60, 64)
    """
    found = [_sides(text, axes)[::-1] for text in texts]
    return tuple(max(sides) for sides in zip(*found, strict=True)) if found else None


def _sides(text: str, axes: int) -> tuple[int, ...]:
    """An object's sides in pixels, one for each axis."""
    sides = _wholes(text.lower().split("x"))
    if sides is None or len(sides) != axes:
        signs, such = "x".join("WHD"[:axes]), "x".join(("64", "48", "16")[:axes])
        raise RequestError(f"object {shown(text)} is not {signs} with positive whole numbers of pixels, such as {such}")
    return sides


def parse_frequencies(text: str | None) -> tuple[float, ...] | None:
    """``0.1,0.2`` as ``(0.1, 0.2)``.

    >>> parse_frequencies("0.1,0.2")
    (0.1, 0.2)
    """
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise RequestError(f"frequencies {shown(text)} are not numbers separated by commas, such as 0.1,0.2") from None
