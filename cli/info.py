"""``rftools info``: what a file is."""

from __future__ import annotations

import shutil
import sys
import textwrap

import click

from rftools.cli.formats import Files, files, write
from rftools.cli.options import limit
from rftools.cli.talk import talk_options
from rftools.errors import one_line

COLUMNS = ("what", "value")
KEYS = ("tensor", "shape")


@click.command("info", short_help="What a file is: format, net, classes, masks.")
@click.argument("spec")
@click.option("--keys", is_flag=True, help="List the tensors with their shapes instead.")
@files
@limit
@talk_options
def command(spec: str, keys: bool, outputs: Files) -> None:
    """What a file is: its format, the net and how that is known, parameters, classes, input, masks, the names in its
    pickle. Nothing in the file is run; of PyTorch's files and safetensors only the header is read.

    \b
    Example:
      rftools info runs/dilated
      rftools info weights.pt --keys
    """
    outputs.check([spec])
    from rftools.loading import info

    found = info(spec)
    shapes = [(name, "x".join(map(str, shape)) or "number") for name, shape in found.tensors.items()]
    columns, rows = (KEYS, shapes) if keys else (COLUMNS, found.rows())
    if write(columns, rows, found.to_json, outputs):
        width = max((len(name) for name, _ in rows), default=0)
        room = None if outputs.wide or not sys.stdout.isatty() else shutil.get_terminal_size().columns - width - 2
        for name, value in rows:
            for k, line in enumerate(folded(one_line(str(value)), room)):
                click.echo(f"{'' if k else one_line(name):{width}}  {line}".rstrip())


def folded(text: str, room: int | None) -> list[str]:
    """A value in lines of at most ``room`` characters, at least 16; in one where there is no limit.

    Words stay whole, so that a hash can be copied.

    >>> folded("32 tensors of float32 in 3 files", 20)
    ['32 tensors of', 'float32 in 3 files']
    """
    return [text] if room is None else textwrap.wrap(text, max(room, 16), break_long_words=False) or [""]
