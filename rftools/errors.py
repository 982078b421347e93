"""The one error that a wrong request raises, and the hint that goes with a mistyped name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Iterable, Sequence

NAMED = 3  # of the layers that there are, where none has a name like the one asked for

SHORTEST = 3  # characters of a part of a name
LONGEST = 300  # characters of a foreign reason


class RequestError(ValueError):
    """A request that cannot be answered as asked.

    The message is one line that says what was given, what is allowed, and the way out. The command line prints
    it on standard error and exits with status 2. Names out of files may hold anything: line breaks become spaces,
    control characters (a terminal's escapes) are written out.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(_bounded(one_line(str(message))))


def _bounded(text: str, most: int = 2000) -> str:
    """A line that a screen holds: what was given may be of any length, and the way out stands at the end."""
    return text if len(text) <= most else f"{text[: most * 3 // 4]} ... {text[-most // 4 :]}"


def one_line(text: str) -> str:
    """``text`` without line breaks and control characters.

    >>> one_line("a" + chr(10) + "b" + chr(27) + "[2J")
    'a b\\\\x1b[2J'
    """
    return "".join(
        c if c.isprintable() else " " if c in "\n\r\t" else c.encode("unicode_escape").decode() for c in text
    )


def shown(value: object, most: int = 60) -> str:
    """A value from outside as a message has it: its repr, no longer than ``most``, whatever it is.

    >>> shown("a" * 100, 12), shown(16 ** 5000)
    ("'aaaaaaaa...", 'a int')
    """
    try:
        text = repr(value)
    except Exception:  # a number of more digits than Python writes, an object whose repr fails
        return f"a {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def reason(error: BaseException) -> str:
    """The first line of what an exception says, with its class where that alone says nothing.

    >>> reason(ValueError("too short\\nand more")), reason(KeyError("a")), reason(EOFError())
    ('too short', "KeyError: 'a'", 'EOFError')
    """
    name = type(error).__name__
    try:
        text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    except Exception:  # an exception of foreign code may fail to say what it is
        text = ""
    if isinstance(error, (KeyError, IndexError, AttributeError, AssertionError)) or not text:
        text = f"{name}: {text}" if text else name
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def system_reason(error: OSError | ValueError) -> str:
    """Why the system, or Python for a name that no file can have, refuses a file.

    >>> system_reason(FileNotFoundError(2, "No such file")), system_reason(ValueError("embedded null byte"))
    ('no such file', 'embedded null byte')
    """
    return (getattr(error, "strerror", None) or str(error)).lower()


def closest(name: str, candidates: Iterable[str], *, most: int = 3) -> str:
    """The hint that ends a line about an unknown name: `` (closest: a, b)``, or nothing.

    >>> closest("vgg-dilatd", ["vgg-dilated", "resnet-strided", "wavenet"])
    ' (closest: vgg-dilated)'
    >>> closest("block4", ["features.block3.conv", "features.block4.conv"])  # a part of a name counts too
    ' (closest: features.block4.conv)'
    >>> closest("xyzzy", ["vgg-dilated"])
    ''
    """
    known = list(dict.fromkeys(candidates))
    matches = difflib.get_close_matches(name, known, n=most, cutoff=0.6) or _with_part(name, known)[:most]
    return f" (closest: {', '.join(matches)})" if matches else ""


def _with_part(name: str, candidates: Sequence[str]) -> list[str]:
    """Names that hold ``name`` (or, of a pattern, its longest part), where that is long enough to say anything."""
    part = max(re.split(r"[*?\[\]]", name.lower()), key=len)
    return [each for each in candidates if part in each.lower()] if len(part) >= SHORTEST else []


def no_layer(name: str, names: Sequence[str], modules: Container[str] = ()) -> RequestError:
    """What is answered to a layer's name that there is not; ``modules`` are those of the net, run or not.

    >>> str(no_layer("conv2", ["conv1", "head"]))
    "no layer 'conv2' (closest: conv1); there are 2 layers"
    >>> str(no_layer("stem", ["conv1", "head"]))
    "no layer 'stem'; there are 2 layers: conv1, head"
    >>> str(no_layer("aux", ["conv1", "head"], ["conv1", "aux", "head"]))
    "module 'aux' is not run by the forward pass on this input; ask for one of the 2 layers that are: conv1, head"
    """
    named = [each for each in names if each]
    near = closest(name, names)
    some = f": {', '.join(named[:NAMED])}{', ...' * (len(named) > NAMED)}"
    if name in modules:
        return RequestError(
            f"module {name!r} is not run by the forward pass on this input; ask for one of the {len(names)} layers that"
            f" are{some}"
        )
    some = "" if near or not named else some
    return RequestError(f"no layer {name!r}{near}; there are {len(names)} layers{some}")


def missing_package(package: str, extra: str, purpose: str) -> RequestError:
    """What is answered where an optional package is not installed.

    >>> str(missing_package("timm", "timm", "timm: models"))
    "timm: models need the package timm, which is not installed: pip install 'rftools[timm]'"
    """
    return RequestError(f"{purpose} need the package {package}, which is not installed: pip install 'rftools[{extra}]'")
