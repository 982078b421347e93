"""The command line: parse, one library call, print. Commands are imported when they are named."""

from __future__ import annotations

import contextlib
import importlib
import signal
import sys
import threading
from collections.abc import Iterator

import click

from rftools._version import __version__
from rftools.cli import streams
from rftools.errors import LONGEST, RequestError, closest, one_line, reason, system_reason

# name: (the line that `rftools --help` shows, the module that defines `command`)
COMMANDS = {
    "trf": "Theoretical receptive field of every layer.",
    "erf": "Effective receptive field of layers, from gradients.",
    "sparsity": "What pruning left: zeros, taps, shapes of kernels.",
    "orientation": "Which way the surviving taps of each kernel point.",
    "tuning": "Orientation tuning of filters, from gratings.",
    "probe": "The field that a trained net uses, by what it tells right.",
    "report": "One self-contained HTML page about a checkpoint.",
    "check": "Exit 1 when a net breaks a limit: for continuous integration.",
    "train": "Train a net and leave checkpoints.",
    "prune": "Prune a trained net and write what is left.",
    "study": "A grid of runs, its tables and its page.",
    "info": "What a file is: format, net, classes, masks.",
    "models": "List the nets that come with rftools.",
    "demo": "Train a small net, analyse it, write its report.",
    "help": "Help of a command, or of the program.",
    "completion": "Completion of commands and options for bash, zsh or fish.",
}


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own, imported when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"rftools.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS and not ctx.resilient_parsing:
            raise RequestError(
                f"no command {args[0]!r}{closest(args[0], COMMANDS)}; the commands are {', '.join(COMMANDS)}"
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="rftools %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def group(debug: bool) -> None:
    """Receptive fields of convolutional nets: what a unit can see, what it does see, what pruning left.

    A model SPEC is a checkpoint file, rftools:NAME, torchvision:NAME, timm:NAME, package.module:factory or
    file.py:factory.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; no words at all are ``--help``.

    Exit status: 0 done, 1 a check failed, 2 a wrong request, 130 interrupted.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"] or ["--help"]
    streams.prepare()
    if any("\0" in argument for argument in arguments):
        _fail("an argument holds a NUL character, which no name has; leave it out")
    try:
        with _ending_interrupts():
            group.main(args=arguments, prog_name="rftools", standalone_mode=False)
            sys.stdout.flush()
    except (click.exceptions.Abort, KeyboardInterrupt):
        sys.exit(130)
    except click.ClickException as error:
        _fail(error.format_message())
    except BrokenPipeError:
        streams.drop()
        sys.exit(0)
    except Exception as error:
        if debug:
            raise
        _fail(_line(error))


def _line(error: Exception) -> str:
    """What is said of an exception: our own say it themselves."""
    if isinstance(error, RequestError):
        return str(error)
    if isinstance(error, OSError) and error.filename is None:
        streams.drop()
        return f"cannot write the answer: {reason(error)}"
    if isinstance(error, OSError):
        return f"cannot use {str(error.filename)[:LONGEST]}: {system_reason(error)}"
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):  # torch raises a RuntimeError
        return "what was asked takes more memory than there is; ask for less, or for fewer at a time"
    return (
        f"unexpected {type(error).__name__}: {reason(error)}; this is a fault of rftools, or of the net's own code: "
        "rftools --debug shows where"
    )


@contextlib.contextmanager
def _ending_interrupts() -> Iterator[None]:
    """Inside the block being ended (SIGTERM) is being interrupted: what is done is left too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _fail(message: str) -> None:
    print(f"rftools: error: {one_line(' '.join(message.split()))}", file=sys.stderr)
    sys.exit(2)
