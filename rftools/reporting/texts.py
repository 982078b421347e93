"""The words that a report shows, from the one file that holds them all."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from typing import Any

TEXTS: dict[str, dict[str, Any]] = tomllib.loads(
    resources.files("rftools.reporting").joinpath("texts.toml").read_text(encoding="utf-8")
)


def say(key: str, **values: Any) -> str:
    """The words under ``table.key``, with ``values`` in the places that it names.

    >>> say("findings.of", part=2, all=9)
    '2 of 9'
    """
    table, _, name = key.partition(".")
    text: str = TEXTS[table][name]
    return text.format(**values) if values else text


def text_or(table: str, name: str, otherwise: str = "") -> str:
    """The words under ``table.name``, or others where there are none: what is added elsewhere brings its own.

    >>> text_or("sections", "sparsity"), text_or("sections", "of another package", "Another")
    ('Sparsity', 'Another')
    """
    return str(TEXTS[table].get(name, otherwise))


def words(key: str) -> tuple[str, ...]:
    """A list of words under ``table.key``, the headings of a table say."""
    table, _, name = key.partition(".")
    return tuple(TEXTS[table][name])


def in_samples(value: Any) -> Any:
    """Words about a sequence: its places are samples, not pixels; in lists and tables of words too.

    Only what follows a number or its place in the text is a unit: names stay as they are.

    >>> in_samples({"field": "9 px", "layer": "decode.px", "size": "{size} pixels"})
    {'field': '9 samples', 'layer': 'decode.px', 'size': '{size} samples'}
    """
    if isinstance(value, str):
        return re.sub(r"(?<=[\d}] )(?:px|pixels)\b", TEXTS["nouns"]["sample"][1], value)
    if isinstance(value, dict):
        return {key: in_samples(each) for key, each in value.items()}
    return [in_samples(each) for each in value] if isinstance(value, list) else value


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "layer"), counted(3, "layer")
    ('1 layer', '3 layers')
    """
    return f"{number} {plural(number, noun)}"


def plural(number: int, noun: str) -> str:
    """A noun or verb as it goes with a number.

    >>> plural(1, "is"), plural(0, "is")
    ('is', 'are')
    """
    one, several = TEXTS["nouns"][noun]
    return str(one if number == 1 else several)
