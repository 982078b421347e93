"""JSON and TOML from outside."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from rftools.errors import RequestError
from rftools.reading.door import door, regular
from rftools.reading.limits import check


def _text(path: str | Path, words: str) -> str:
    file = regular(path)
    with door(path, words):
        check("text", file.stat().st_size, file.name)
        return file.read_text(encoding="utf-8-sig")  # a mark at the beginning, as Windows' editors write it


def read_json(path: str | Path, words: str = "is no whole JSON file", way_out: str = "") -> Any:
    """What a JSON file holds.

    Raises:
        RequestError: no such file; ``path words (damaged or cut off at line N); way_out``.
    """
    text = _text(path, words)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" (damaged or cut off at line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise RequestError(f"{path} {words}{where}{f'; {way_out}' if way_out else ''}") from None


def read_toml(path: str | Path) -> dict[str, Any]:
    """What a TOML file holds.

    Raises:
        RequestError: no such file, or no TOML.
    """
    words = "is no TOML file that can be read"
    text = _text(path, words)
    with door(path, words):
        return tomllib.loads(text)
