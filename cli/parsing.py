"""Words of the command line as values: sizes, units, lists of numbers, shares."""

from __future__ import annotations

from collections.abc import Sequence

from rftools.errors import RequestError


def parse_size(text: str) -> tuple[int, ...]:
    """``3x224x224`` as ``(3, 224, 224)``.

    >>> parse_size("3x224x224")
    (3, 224, 224)
    """
    try:
        size = tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        size = ()
    if not 2 <= len(size) <= 4 or min(size, default=0) < 1:
        raise RequestError(f"input size {text!r} is not CxL, CxHxW or CxDxHxW with positive whole numbers")
    return size


def parse_unit(text: str) -> tuple[int, ...] | str:
    """``3,4`` as ``(3, 4)``; ``class``, the class token, as it is.

    >>> parse_unit("3,4"), parse_unit("class")
    ((3, 4), 'class')
    """
    if text.strip().lower() == "class":
        return "class"
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise RequestError(f"unit {text!r} is not i,j: one whole number an axis, separated by commas") from None


def parse_numbers(text: str, what: str) -> list[int]:
    """``0,5-9`` as ``[0, 5, 6, 7, 8, 9]``.

    >>> parse_numbers("0,5-9", "channel")
    [0, 5, 6, 7, 8, 9]
    """
    found: list[int] = []
    for part in text.split(","):
        ends = part.strip().split("-")
        if not 1 <= len(ends) <= 2 or not all(end.strip().isdecimal() for end in ends):
            raise RequestError(f"{what} {text!r} is no list of whole numbers such as 3 or 0,5-9")
        low, high = int(ends[0]), int(ends[-1])
        if high < low:
            raise RequestError(f"{what} {text!r}: {part.strip()} runs backwards")
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
        raise RequestError(f"precision {text!r} is not a share between 0 and 1, such as 5% or 0.05")
    return value


def parse_grid(text: str) -> tuple[int, ...]:
    """``3x5`` as ``(3, 5)``.

    >>> parse_grid("3x5"), parse_grid("7")
    ((3, 5), (7,))
    """
    parts = text.lower().split("x")
    if not 1 <= len(parts) <= 3 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise RequestError(f"grid {text!r} is not one whole number from 1 on for each axis, such as 3x3")
    return tuple(map(int, parts))


def parse_object(text: str) -> tuple[int, int]:
    """``64x48`` as ``(64, 48)``, width first.

    >>> parse_object("64x48")
    (64, 48)
    """
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise RequestError(f"object {text!r} is not WxH with positive whole numbers of pixels, such as 64x48")
    return int(parts[0]), int(parts[1])


def parse_objects(texts: Sequence[str], axes: int) -> tuple[int, ...] | None:
    """``WxH`` in the order of the axes (rows first); of several objects what holds them all, of none None.

    >>> parse_objects(["64x48", "32x60"], 2)
    (60, 64)
    """
    found = []
    for text in texts:
        parts = text.lower().split("x")
        if len(parts) != axes or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
            signs = "x".join("WHD"[:axes])
            raise RequestError(f"--objects {text} is not {signs}: {axes} positive whole numbers of pixels")
        found.append([int(part) for part in reversed(parts)])
    return tuple(max(sides) for sides in zip(*found, strict=True)) if found else None


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
        raise RequestError(f"frequencies {text!r} are not numbers separated by commas, such as 0.1,0.2") from None
