"""Docstrings keep their doctests bare; the reference shows them as sections of their own."""

from __future__ import annotations

import re
from typing import Any

import griffe

DOCTEST = re.compile(r"^>>> .*(?:\n(?!\n).+)*", re.MULTILINE)


def as_section(text: str) -> str:
    """Put every bare doctest of a docstring under ``Examples:``, so that it is set as code."""
    return DOCTEST.sub(lambda found: "Examples:\n    " + found.group().replace("\n", "\n    "), text)


class Doctests(griffe.Extension):
    """Apply `as_section` to every docstring."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = as_section(obj.docstring.value)
