"""How large a file may say that it is: one table. Checked before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass

from rftools.errors import RequestError


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
    "constants": Ceiling(1 << 26, "numbers that a graph's constants unfold to", "an embedding table has less"),
    "steps": Ceiling(200_000, "operators of a graph", "the largest exported nets have 20,000"),
}


def check(name: str, found: int, where: str) -> None:
    """Raise where ``found`` is over the limit of that name.

    Raises:
        RequestError: it is; the line says the limit and its reason.

    >>> check("depth", 3, "net.pt")
    >>> check("depth", 100, "net.pt")
    Traceback (most recent call last):
    rftools.errors.RequestError: net.pt asks for 100 levels of nesting; at most 64 are read (a module tree of ...
    """
    limit = LIMITS[name]
    if found > limit.most:
        raise RequestError(f"{where} asks for {found} {limit.unit}; at most {limit.most} are read ({limit.why})")
