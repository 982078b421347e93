"""Numbers of classes and channels and the image's side, read off the shapes of the tensors that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt
from typing import Any

from rftools.loading.recognition.names import WORDS
from rftools.loading.recognition.prints import Shapes


def counts(spec: str, entry: Mapping[str, Any], shapes: Shapes) -> dict[str, int] | None:
    """The builder's arguments; None where a shape is none that the net can have.

    >>> entry = {"flexible": {"fc.weight": ["n", 8], "pos": [1, "s", 4]}, "sizes": {"pos": [2, 16, 1]}}
    >>> counts("timm:net", entry, {"fc.weight": (5, 8), "pos": (1, 197, 4)})
    {'num_classes': 5, 'img_size': 224}
    >>> counts("timm:net", entry, {"fc.weight": (5, 9)}) is None
    True
    """
    found: dict[str, int] = {}
    words = dict(zip("ncs", WORDS[spec.partition(":")[0]], strict=True))
    for name, wanted in entry["flexible"].items():
        given = shapes.get(name)
        if given is None:
            continue
        if len(given) != len(wanted):
            return None
        for have, want in zip(given, wanted, strict=True):
            if isinstance(want, int):
                if want != have:
                    return None
                continue
            value = _side(have, entry["sizes"][name]) if want == "s" else _count(have, want)
            if value is None or found.setdefault(words[want[0]], value) != value:
                return None
    return {name: found[name] for name in words.values() if name in found}


def _count(have: int, want: str) -> int | None:
    """The classes where there are so many rows: as many, or ``n*4``, four each."""
    factor = int(want.partition("*")[2] or 1)
    return have // factor if have and have % factor == 0 else None


def _side(have: int, rule: list[int]) -> int | None:
    """The image's side where an embedding has so many places: ``(side / patch) ** power + more`` of them."""
    power, patch, more = rule
    grid = isqrt(max(0, have - more)) if power == 2 else have - more
    return grid * patch if grid > 0 and grid**power + more == have else None
