"""``rftools models``: the nets that come with rftools."""

from __future__ import annotations

import json
import sys

import click

from rftools.cli.options import print_rows
from rftools.files import check_writable, write_text


@click.command("models", short_help="List the nets that come with rftools.")
@click.option("--json", "json_path", metavar="FILE", help="Write the list as JSON (- for standard output).")
def command(json_path: str | None) -> None:
    """List the nets that come with rftools: parameters, theoretical field, input.

    \b
    Example:
      rftools models
    """
    if json_path not in (None, "-"):
        check_writable(str(json_path))
    from rftools.loading import load
    from rftools.models import NETS
    from rftools.trf import theoretical

    rows = []
    for name, net in NETS.items():
        model = load(f"rftools:{name}")
        axis = [row for row in theoretical(model) if row.axes and row.axes[0].size is not None][-1].axes[0]
        rows.append((name, model.parameters, axis.size, axis.stride, "x".join(map(str, net.input_size)), net.about))
    columns = ("name", "parameters", "field", "stride", "input", "about")
    if json_path is None:
        print_rows(columns, rows)
        return
    text = json.dumps({"models": [dict(zip(columns, row, strict=True)) for row in rows]}, indent=1) + "\n"
    if json_path == "-":
        sys.stdout.write(text)
    else:
        write_text(json_path, text)
