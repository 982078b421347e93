"""``rftools trf``: the theoretical receptive field of every layer."""

from __future__ import annotations

import fnmatch
import sys
from typing import TYPE_CHECKING

import click

from rftools.cli.options import check_outputs, emit, load_model, model_options, output_options, parse_unit, print_rows
from rftools.errors import RequestError, closest

if TYPE_CHECKING:
    from rftools.trf import TheoreticalResult


@click.command("trf", short_help="Theoretical receptive field of every layer.")
@model_options
@click.option("--unit", metavar="i,j", help="The output unit that windows speak of (default: each map's centre).")
@click.option("--of-input", type=int, default=0, metavar="N", help="Which of several inputs fields are in, from 0.")
@click.option("--support", is_flag=True, help="List the input indices that reach the unit, per axis, in the JSON.")
@click.option("--surviving", is_flag=True, help="Also what the weights that are not zero leave of each field.")
@click.option("--objects", metavar="WxH", help="Mark the layers whose units cannot see a whole object of this size.")
@click.option("--set", "settings", metavar="PATH.ATTR=N", multiple=True, help="What if: stride, dilation, ... changed.")
@click.option("--layers", metavar="PATTERN", multiple=True, help="Only layers whose name matches (layer4.*, *.conv?).")
@click.option("--depth", type=click.IntRange(min=1), help="Only layers at most this deep in the module tree.")
@output_options
def command(
    spec: str,
    model: str | None,
    weights: str | None,
    input_size: str | None,
    seed: int,
    unit: str | None,
    of_input: int,
    support: bool,
    surviving: bool,
    objects: str | None,
    settings: tuple[str, ...],
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
    loaded = load_model(spec, model, weights, input_size, seed)
    from rftools.trf import theoretical
    from rftools.trf.whatif import COLUMNS, compare, parse_setting, with_settings

    changes = [parse_setting(text) for text in settings]
    result = theoretical(loaded, unit=where, surviving=surviving, of=of_input)
    if result.capture == "record":
        print("recorded from one forward pass: true for the path that this input took", file=sys.stderr)
    result = dataclasses.replace(result, objects=_object(objects, result), with_support=support)
    if not changes:
        emit(_chosen(result, layers, depth), json_path, output)
        return
    after = theoretical(with_settings(loaded, changes), unit=where, surviving=surviving, of=of_input)
    after = _chosen(dataclasses.replace(after, objects=result.objects, with_support=support), layers, depth)
    if json_path == "-" or output is not None:
        emit(after, json_path, output)
        return
    if json_path is not None:
        after.to_json(json_path)
    print_rows(COLUMNS, compare(result, after), title=f"{loaded.name} and {', '.join(settings)}")


def _object(text: str | None, result: TheoreticalResult) -> tuple[int, ...] | None:
    """``WxH`` in the order of the axes (rows first)."""
    if text is None:
        return None
    axes = len(result.input_size or ()) - 1
    try:
        extent = tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        extent = ()
    if len(extent) != axes or min(extent, default=0) < 1:
        raise RequestError(f"--objects {text} is not {'x'.join('WHD'[:axes])}: {axes} positive whole numbers of pixels")
    return extent[::-1]


def _chosen(result: TheoreticalResult, layers: tuple[str, ...], depth: int | None) -> TheoreticalResult:
    """The rows that were asked for."""
    import dataclasses

    rows = result.layers
    if layers:
        rows = tuple(row for row in rows if any(fnmatch.fnmatchcase(row.name, pattern) for pattern in layers))
        if not rows:
            names = [row.name for row in result.layers]
            given = " or ".join(layers)
            raise RequestError(f"no layer matches {given}{closest(layers[0], names)}; there are {len(names)}")
    if depth is not None:
        rows = tuple(row for row in rows if row.name == "" or row.name.count(".") + row.name.count("/") < depth)
    return dataclasses.replace(result, layers=rows)
