"""The command line that remakes a page, as its method section shows it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rftools.reporting.subject.subject import file_name


def command_line(specs: Sequence[str], output: str, words: Mapping[str, Any]) -> str:
    """``rftools report`` with its words, file names without folders.

    A word's value is a file or a number, True for a flag, or a tuple of words; None, False and () are left out.

    >>> command_line(("/home/me/best.pt",), "/tmp/r.html", {"--images": None, "--object": ("64x48",), "--count": 8})
    'rftools report best.pt --object 64x48 --count 8 -o r.html'
    """
    found = ["rftools", "report", *map(file_name, specs)]
    for word, value in words.items():
        if value is True:
            found.append(word)
        elif isinstance(value, tuple):
            found += [part for own in value for part in (word, own)]
        elif value is not None and value is not False:
            found += [word, file_name(str(value))]
    return shlex.join([*found, "-o", file_name(output)])
