"""``rftools trf``: the theoretical receptive field of every layer."""

from __future__ import annotations

import fnmatch

import click

from rftools.cli.options import check_outputs, emit, load_model, model_options, output_options, parse_unit
from rftools.errors import RequestError, closest


@click.command("trf", short_help="Theoretical receptive field of every layer.")
@model_options
@click.option("--unit", metavar="i,j", help="The output unit that windows speak of (default: each map's centre).")
@click.option("--support", is_flag=True, help="List the input indices that reach the unit, per axis, in the JSON.")
@click.option("--surviving", is_flag=True, help="Also what the weights that are not zero leave of each field.")
@click.option("--layers", metavar="PATTERN", multiple=True, help="Only layers whose name matches (layer4.*, *.conv?).")
@click.option("--depth", type=click.IntRange(min=1), help="Only layers at most this deep in the module tree.")
@output_options
def command(
    spec: str,
    model: str | None,
    weights: str | None,
    input_size: str | None,
    unit: str | None,
    support: bool,
    surviving: bool,
    layers: tuple[str, ...],
    depth: int | None,
    json_path: str | None,
    output: str | None,
) -> None:
    """Theoretical receptive field of every layer of SPEC.

    \b
    Example:
      rftools trf torchvision:resnet18 --layers "layer*" --depth 1
    """
    import dataclasses

    check_outputs(json_path, output)
    where = None if unit is None else parse_unit(unit)
    loaded = load_model(spec, model, weights, input_size)
    from rftools.trf import theoretical

    result = theoretical(loaded, unit=where, surviving=surviving)
    rows = result.layers
    if layers:
        rows = tuple(row for row in rows if any(fnmatch.fnmatchcase(row.name, pattern) for pattern in layers))
        if not rows:
            names = [row.name for row in result.layers]
            raise RequestError(
                f"no layer matches {' or '.join(layers)}{closest(layers[0], names)}; there are {len(names)}"
            )
    if depth is not None:
        rows = tuple(row for row in rows if row.name == "" or row.name.count(".") + row.name.count("/") < depth)
    emit(dataclasses.replace(result, layers=rows, with_support=support), json_path, output)
