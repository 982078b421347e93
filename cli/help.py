"""``rftools help``: what ``rftools --help`` and ``rftools VERB --help`` say."""

from __future__ import annotations

import click


@click.command("help", short_help="Help of a command, or of the program.")
@click.argument("verb", required=False)
@click.pass_context
def command(ctx: click.Context, verb: str | None) -> None:
    """Show what `rftools VERB --help` shows; without VERB what `rftools --help` does.

    \b
    Example:
      rftools help trf
    """
    parent = ctx.find_root()
    if verb is None:
        click.echo(parent.get_help())
        return
    group = parent.command
    assert isinstance(group, click.Group)  # the program is one
    _, found, _ = group.resolve_command(parent, [verb])
    assert found is not None  # a name that is not there was refused
    click.echo(found.get_help(click.Context(found, parent=parent, info_name=verb)))
