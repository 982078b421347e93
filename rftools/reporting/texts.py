"""The words that a report shows, from the one file that holds them all."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from importlib import resources
from typing import Any, Concatenate, ParamSpec, TypeVar

from rftools.plots import sequences

S = TypeVar("S")
R = TypeVar("R")
P = ParamSpec("P")

TEXTS: dict[str, dict[str, Any]] = tomllib.loads(
    resources.files("rftools.reporting").joinpath("texts.toml").read_text(encoding="utf-8")
)


_OF_SEQUENCES: ContextVar[bool] = ContextVar("of sequences", default=False)


@contextmanager
def spoken_of(sequences: bool) -> Iterator[None]:
    """Inside, all words are those of sequences where these are spoken of: samples instead of pixels.

    >>> with spoken_of(True):
    ...     say("findings.px", size=9)
    '9 samples'
    """
    token = _OF_SEQUENCES.set(sequences)
    try:
        yield
    finally:
        _OF_SEQUENCES.reset(token)


def spoken_as_given(function: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """What a function of a subject, or of several, says is of sequences where all of these are (``sequence``)."""

    @wraps(function)
    def spoken(given: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        subjects: Sequence[Any] = given if isinstance(given, Sequence) else [given]
        with spoken_of(all(subject.sequence for subject in subjects)):
            return function(given, *args, **kwargs)

    return spoken


def of_sequences() -> bool:
    """Whether what is said now is of sequences."""
    return _OF_SEQUENCES.get()


def _spoken(value: Any) -> Any:
    return in_samples(value) if _OF_SEQUENCES.get() else value


def say(key: str, **values: Any) -> str:
    """The words under ``table.key``, with ``values`` in the places that it names.

    >>> say("findings.of", part=2, all=9)
    '2 of 9'
    """
    table, _, name = key.partition(".")
    text: str = _spoken(TEXTS[table][name])
    return text.format(**values) if values else text


def text_or(table: str, name: str, otherwise: str = "") -> str:
    """The words under ``table.name``, or others where there are none: what is added elsewhere brings its own.

    >>> text_or("sections", "sparsity"), text_or("sections", "of another package", "Another")
    ('Sparsity', 'Another')
    """
    return str(_spoken(TEXTS[table].get(name, otherwise)))


def words(key: str) -> tuple[str, ...]:
    """A list of words under ``table.key``, the headings of a table say."""
    table, _, name = key.partition(".")
    return tuple(_spoken(TEXTS[table][name]))


def in_samples(value: Any) -> Any:
    """Words about a sequence in its own terms: samples, not pixels; in lists and tables of words too.

    >>> in_samples({"field": "9 px", "layer": "decode.px", "size": ["{size} pixels of the image"]})
    {'field': '9 samples', 'layer': 'decode.px', 'size': ['{size} samples of the sequence']}
    """
    if isinstance(value, str):
        return sequences.in_samples(value)
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
    one, several = _spoken(TEXTS["nouns"][noun])
    return str(one if number == 1 else several)
