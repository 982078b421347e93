"""``rftools models``: the nets that come with rftools."""

from __future__ import annotations

import json

import click

from rftools.cli.formats import Files, files, write
from rftools.cli.tables import print_rows
from rftools.cli.talk import talk_options

COLUMNS = ("name", "parameters", "field", "stride", "input", "about")


@click.command("models", short_help="List the nets that come with rftools.")
@files
@talk_options
def command(outputs: Files) -> None:
    """List the nets that come with rftools: parameters, theoretical field, input.

    \b
    Example:
      rftools models
    """
    outputs.check()
    from rftools.loading import load
    from rftools.models import NETS
    from rftools.trf import theoretical

    rows = []
    for name, net in NETS.items():
        model = load(f"rftools:{name}")
        axis = [row for row in theoretical(model) if row.axes and row.axes[0].size is not None][-1].axes[0]
        rows.append((name, model.parameters, axis.size, axis.stride, "x".join(map(str, net.input_size)), net.about))
    body = {"models": [dict(zip(COLUMNS, row, strict=True)) for row in rows]}
    if write(COLUMNS, rows, lambda: json.dumps(body, indent=1) + "\n", outputs):
        print_rows(COLUMNS, rows, wide=outputs.wide)
