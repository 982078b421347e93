"""``rftools completion``: what a shell reads to complete commands, options and files."""

from __future__ import annotations

import click

from rftools.errors import RequestError, closest

SHELLS = ("bash", "zsh", "fish")


@click.command("completion", short_help="Completion of commands and options for bash, zsh or fish.")
@click.argument("shell")
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print what SHELL (bash, zsh or fish) reads to complete commands, options and file names.

    \b
    bash: eval "$(rftools completion bash)" in ~/.bashrc
    zsh:  eval "$(rftools completion zsh)" in ~/.zshrc, after compinit
    fish: rftools completion fish > ~/.config/fish/completions/rftools.fish

    \b
    Example:
      rftools completion bash
    """
    from click.shell_completion import ShellComplete, get_completion_class

    kind = get_completion_class(shell) if shell in SHELLS else None
    if kind is None:
        raise RequestError(f"no completion for {shell!r}{closest(shell, SHELLS)}; there is one for {', '.join(SHELLS)}")
    script = kind(ctx.find_root().command, {}, "rftools", "_RFTOOLS_COMPLETE")
    click.echo(ShellComplete.source(script))  # the class's own would run the shell to ask for its version
