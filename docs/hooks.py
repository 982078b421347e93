"""What the documentation's pages take from the program itself: help texts can't drift."""

from __future__ import annotations

import re
from typing import Any

HELP = re.compile(r"^<!-- help: ?([a-z]*) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace ``<!-- help: trf -->`` with that command's help, and ``<!-- rules -->`` with the rules of findings."""
    shown = HELP.sub(lambda found: f"```text\n{help_text(found.group(1))}\n```", markdown)
    return shown.replace("<!-- rules -->", rules_table()) if "<!-- rules -->" in shown else shown


def rules_table() -> str:
    """The rules behind a report's findings, as they state themselves."""
    from rftools.reporting import RULES

    lines = [f"| {rule.name} | {rule.asks.replace('|', chr(92) + '|')} |" for rule in RULES]
    return "\n".join(["| rule | says |", "| --- | --- |", *lines])


def help_text(name: str) -> str:
    """The help of a command, or of the program where ``name`` is empty."""
    import click

    from rftools.cli import group

    parent = click.Context(group, info_name="rftools")
    if not name:
        return group.get_help(parent)
    command = group.get_command(parent, name)
    if command is None:
        raise ValueError(f"no command {name!r}")
    return command.get_help(click.Context(command, parent=parent, info_name=name))
