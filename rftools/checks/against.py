"""Fields as they were: what differs from an earlier result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rftools.errors import RequestError
from rftools.reading import read_json
from rftools.trf.result import TheoreticalResult


def against(result: TheoreticalResult, base: str | Path) -> list[str]:
    """What differs from an earlier ``rftools trf --json``: one line a layer whose field is not what it was."""
    then = _read(base)
    now = {row["name"]: row for row in result.to_dict()["layers"]}
    lines = []
    for row in then:
        name = str(row["name"])
        if name not in now:
            lines.append(f"against: {name or '(model)'}: the layer is gone")
            continue
        for number, (old, new) in enumerate(zip(row["axes"], now[name]["axes"], strict=False)):
            for key in ("size", "stride", "start", "global"):
                if old.get(key) != new[key]:
                    lines.append(
                        f"against: {name or '(model)'}: {key} of axis {number} was {old.get(key)}, is {new[key]}"
                    )
    return lines


def _read(path: str | Path) -> list[dict[str, Any]]:
    words = "is no whole result of `rftools trf --json`"
    content = read_json(path, words)
    schema = content.get("schema") if isinstance(content, dict) else None
    if not isinstance(schema, dict):
        raise RequestError(f"{path} {words}")
    if (schema.get("name"), schema.get("version")) != TheoreticalResult.SCHEMA:
        given = f"{schema.get('name')} version {schema.get('version')}"
        raise RequestError(f"{path} holds {given}; --against takes rftools.trf version {TheoreticalResult.SCHEMA[1]}")
    rows = content.get("layers")
    if not isinstance(rows, list) or not all(map(_is_row, rows)):
        raise RequestError(f"{path} {words}")
    return rows


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and isinstance(row.get("name"), str)
        and isinstance(row.get("axes"), list)
        and all(isinstance(axis, dict) for axis in row["axes"])
    )
