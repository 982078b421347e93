"""What the documentation's pages take from the program itself: help texts can't drift."""

from __future__ import annotations

import re
from typing import Any

HELP = re.compile(r"^<!-- help: ?([a-z]*) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace ``<!-- help: trf -->`` with what ``rftools trf --help`` prints."""
    return HELP.sub(lambda found: f"```text\n{help_text(found.group(1))}\n```", markdown)


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
