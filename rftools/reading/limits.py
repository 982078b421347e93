"""How large a file may say that it is, and how much may be asked for: one table. Checked before room is made for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from rftools.errors import RequestError, closest


@dataclass(frozen=True)
class Ceiling:
    """The most of something, and why not more."""

    most: int
    unit: str
    why: str


LIMITS = {
    "pickle": Ceiling(1 << 28, "bytes of pickle", "names and shapes of a million tensors take 100 MB"),
    "entries": Ceiling(1 << 20, "entries of an archive", "a tensor is one entry"),
    "expansion": Ceiling(1 << 30, "bytes that an archive's packed entries expand to", "PyTorch's own are not packed"),
    "depth": Ceiling(64, "levels of nesting", "a module tree of known nets has at most 12"),
    "elements": Ceiling(1 << 24, "numbers that one stored number stands for", "an expanded tensor is a bias or a mask"),
    "dims": Ceiling(16, "dimensions", "a 3-D kernel has 5"),
    "input": Ceiling(1 << 28, "numbers of one input", "16,384 x 16,384 pixels"),
    "images": Ceiling(1 << 28, "numbers of all images together", "1,700 colour pictures of 224 x 224"),
    "pixels": Ceiling(1 << 27, "pixels of one picture", "11,585 x 11,585; it takes 400 MB when it is unpacked"),
    "constants": Ceiling(1 << 26, "numbers that a graph's constants unfold to", "an embedding table has less"),
    "steps": Ceiling(200_000, "operators of a graph", "the largest exported nets have 20,000"),
    "parameters": Ceiling(1 << 31, "parameters of a net", "they take 8 GB"),
    "text": Ceiling(1 << 28, "bytes of JSON or TOML", "the fields of 5,000 layers with their pixels take 100 MB"),
    "units": Ceiling(100_000, "units, channels or images of one request", "each is a row, and a pass through the net"),
}
_raised: ContextVar[Mapping[str, int] | None] = ContextVar("raised", default=None)


def most(name: str) -> int:
    """The limit of that name, as it is now."""
    return (_raised.get() or {}).get(name, LIMITS[name].most)


def check(name: str, found: int, where: str) -> None:
    """Raise where ``found`` is over the limit of that name.

    Raises:
        RequestError: it is; the line says the limit, its reason, and how to lift it.

    >>> check("depth", 3, "net.pt")
    >>> check("depth", 100, "net.pt")
    Traceback (most recent call last):
    rftools.errors.RequestError: net.pt asks for 100 levels of nesting; at most 64 are read (a module tree of ...
    """
    if found > most(name):
        limit = LIMITS[name]
        raise RequestError(
            f"{where} asks for {_short(found)} {limit.unit}; at most {most(name)} are read ({limit.why}); "
            f"--limit {name}=N reads up to N"
        )


def _short(number: int) -> str:
    """Digits, as far as a line holds them."""
    return str(number) if number.bit_length() < 100 else f"about 2^{number.bit_length() - 1}"


@contextmanager
def limits(**most: int) -> Iterator[None]:
    """Inside the block files may ask for so much: ``with rf.limits(input=2**30): ...``.

    What is asked for is then allocated; nothing else about a file is believed more.

    Raises:
        RequestError: no limit of that name; a limit that is no whole number from 1.

    >>> with limits(depth=200):
    ...     check("depth", 100, "net.pt")
    """
    for name, value in most.items():
        if name not in LIMITS:
            raise RequestError(f"no limit {name!r}{closest(name, LIMITS)}; there are {', '.join(LIMITS)}")
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise RequestError(f"limit {name}={value!r} is no whole number from 1")
    token = _raised.set({**(_raised.get() or {}), **most})
    try:
        yield
    finally:
        _raised.reset(token)
