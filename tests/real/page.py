"""The table of real nets in the documentation, a line a net."""

from __future__ import annotations

from pathlib import Path

from tests.real.base import NETS, Found


def line(name: str, found: Found) -> str:
    """``| net | of | rows | exact or unit | bound | unknown | judged | wrong | why |``"""
    counts = [found.count("exact") + found.count("unit"), found.count("bound"), found.count("unknown")]
    judged = sum(found.judged.statuses.values())
    why = "; ".join(
        f"{cause}, `{row.name or 'the output'}`" if row.status == "bound" else cause for cause, row, _ in found.unsure()
    )
    cells = [name, NETS[name].package, len(found.rows), *counts, judged, len(found.wrong), why]
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells).rstrip() + " |"


def keep(page: Path, new: str) -> None:
    """Put a net's line into the page's table, instead of its old one, in the order in which the nets are listed."""
    text = page.read_text(encoding="utf-8").splitlines()
    (head,) = (number for number, old in enumerate(text) if old.startswith("| --- |"))
    lines = {old.split(" | ")[0]: old for old in [*text[head + 1 :], new] if old.startswith("| ")}
    table = [lines[key] for name in NETS if (key := f"| {name}") in lines]
    after = [old for old in text[head + 1 :] if not old.startswith("| ")]
    page.write_text("\n".join([*text[: head + 1], *table, *after]) + "\n", encoding="utf-8")
