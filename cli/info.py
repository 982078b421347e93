"""``rftools info``: what a file is."""

from __future__ import annotations

import click

from rftools.cli.formats import Files, files, write
from rftools.cli.talk import talk_options
from rftools.errors import one_line

COLUMNS = ("what", "value")
KEYS = ("tensor", "shape")


@click.command("info", short_help="What a file is: format, net, classes, masks.")
@click.argument("spec")
@click.option("--keys", is_flag=True, help="List the tensors with their shapes instead.")
@files
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
        for name, value in rows:
            click.echo(one_line(f"{name.ljust(width)}  {value}"))
