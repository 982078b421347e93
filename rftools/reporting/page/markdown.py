"""The page's contents as Markdown: findings, tables and method, for a pull request or a lab book."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rftools.reporting.findings.registry import NO_THRESHOLD
from rftools.reporting.texts import say

if TYPE_CHECKING:
    from rftools.reporting.findings import Finding
    from rftools.reporting.page.tables import PageTable

SPECIAL = re.compile(r"([\\`*_\[\]<>|~$&])")


def plain_text(text: str) -> str:
    """Text that Markdown shows as it is: names from a checkpoint are data.

    >>> plain_text("a_b <script>|")
    'a\\\\_b \\\\<script\\\\>\\\\|'
    """
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return SPECIAL.sub(r"\\\1", shown)


def markdown(content: Mapping[str, Any]) -> str:
    """The contents of a page (`rftools.reporting.page.contents.contents`) without its drawings."""
    parts = [f"# {content['kind']}: {plain_text(content['heading'])}", f"## {say('page.findings')}"]
    parts[1:1] = [f"> {plain_text(banner)}" for banner in content["banners"]]
    parts.append("\n".join(_finding(item) for item in content["findings"]))
    parts.append(f"## {say('page.models') if content['models'] else say('page.network')}")
    parts.append(_table(content["models"]) if content["models"] else _facts(content["summary"]))
    for section in content["sections"]:
        parts += [f"## {section['heading']}", plain_text(section["lead"])]
        if section["missing"]:
            parts.append(f"*{plain_text(section['missing'])}* {plain_text(section['remedy'])}")
        parts += [f"*{plain_text(note)}*" for note in section["notes"]]
        parts += [_table(table) for table in section["tables"]]
    parts += [f"## {say('page.method')}", _facts(content["method"])]
    return "\n\n".join(part for part in parts if part) + "\n"


def _finding(item: Finding) -> str:
    basis = f"{plain_text(item.rule)}: {plain_text(item.figure)}"
    if item.threshold != NO_THRESHOLD:
        basis += f", {say('page.threshold')} {plain_text(item.threshold)}"
    return f"- **{item.level}**: {plain_text(item.sentence)} ({basis})"


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"- {plain_text(name)}: {plain_text(value)}" for name, value in facts)


def _table(table: PageTable) -> str:
    marks = ("---" if i in table.left or not i else "---:" for i in range(len(table.columns)))
    rows = [[plain_text(text) for text, _ in row] for row in table.rows]
    lines = [[plain_text(column) for column in table.columns], list(marks), *rows]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    cut = table.total - len(table.rows)
    return text + ("\n\n" + plain_text(say("missing.rows", shown=len(table.rows), total=table.total)) if cut else "")
