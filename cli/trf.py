"""``rftools trf``: the theoretical receptive field of every layer."""

from __future__ import annotations

import fnmatch
import operator
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from rftools.cli.options import (
    check_outputs,
    emit,
    load_model,
    model_options,
    output_options,
    parse_unit,
    print_rows,
    progress_bar,
)
from rftools.errors import RequestError, closest

if TYPE_CHECKING:
    from rftools.loading import Model
    from rftools.trf import TheoreticalResult


@click.command("trf", short_help="Theoretical receptive field of every layer.")
@model_options
@click.option("--unit", metavar="i,j", help="The output unit that windows speak of (default: each map's centre).")
@click.option("--of-input", type=int, default=0, metavar="N", help="Which of several inputs fields are in, from 0.")
@click.option("--support", is_flag=True, help="List the input indices that reach the unit, per axis, in the JSON.")
@click.option("--surviving", is_flag=True, help="Also what the weights that are not zero leave of each field.")
@click.option("--objects", metavar="WxH", help="Mark the layers whose units cannot see a whole object of this size.")
@click.option("--set", "settings", metavar="PATH.ATTR=N", multiple=True, help="What if: stride, dilation, ... changed.")
@click.option("--target-field", type=click.IntRange(min=1), metavar="N", help="Which single changes reach N pixels.")
@click.option("--sort", metavar="COLUMN", help="Order of the rows (size, stride, ...), the largest first.")
@click.option(
    "--where", "conditions", metavar="COLUMN<N", multiple=True, help="Only rows such as size<96, status=unit."
)
@click.option("--layers", metavar="PATTERN", multiple=True, help="Only layers whose name matches (layer4.*, *.conv?).")
@click.option("--depth", type=click.IntRange(min=1), help="Only layers at most this deep in the module tree.")
@output_options
def command(
    spec: str,
    model: str | None,
    weights: str | None,
    input_size: str | None,
    unit: str | None,
    of_input: int,
    support: bool,
    surviving: bool,
    objects: str | None,
    settings: tuple[str, ...],
    target_field: int | None,
    sort: str | None,
    conditions: tuple[str, ...],
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
    if target_field is not None:
        _show_changes(loaded, target_field, json_path, output)
        return
    from rftools.trf import theoretical
    from rftools.trf.whatif import COLUMNS, compare, parse_setting, with_settings

    changes = [parse_setting(text) for text in settings]
    result = theoretical(loaded, unit=where, surviving=surviving, of=of_input)
    if result.capture == "record":
        print("recorded from one forward pass: true for the path that this input took", file=sys.stderr)
    result = dataclasses.replace(result, objects=_object(objects, result), with_support=support)
    if not changes:
        emit(_ordered(_chosen(result, layers, depth), sort, conditions), json_path, output)
        return
    after = theoretical(with_settings(loaded, changes), unit=where, surviving=surviving, of=of_input)
    after = _chosen(dataclasses.replace(after, objects=result.objects, with_support=support), layers, depth)
    if json_path == "-" or output is not None:
        emit(after, json_path, output)
        return
    if json_path is not None:
        after.to_json(json_path)
    print_rows(COLUMNS, compare(result, after), title=f"{loaded.name} and {', '.join(settings)}")


def _show_changes(loaded: Model, target: int, json_path: str | None, output: str | None) -> None:
    """``--target-field``: the table of single changes."""
    if output is not None:
        raise RequestError("--target-field gives a table and JSON, no picture; leave out -o")
    from rftools.trf import reach

    with progress_bar("changes") as progress:
        found = reach(loaded, target, progress=progress)
    emit(found, json_path, None)


def _ordered(result: TheoreticalResult, sort: str | None, conditions: tuple[str, ...]) -> TheoreticalResult:
    """Rows chosen and ordered by what stands in the table's columns."""
    import dataclasses

    columns = list(result.columns())
    pairs = list(zip(result.records(), result.layers, strict=True))
    for condition in conditions:
        column, holds = parse_condition(condition, columns)
        pairs = [pair for pair in pairs if holds(pair[0][columns.index(column)])]
    if conditions and not pairs:
        raise RequestError(f"no layer has {' and '.join(conditions)}; there are {len(result)}")
    if sort is not None:
        if sort not in columns:
            raise RequestError(f"no column {sort!r}{closest(sort, columns)}; there are {', '.join(columns)}")
        place = columns.index(sort)
        pairs.sort(key=lambda pair: _rank(pair[0][place]))
    return dataclasses.replace(result, layers=tuple(row for _, row in pairs))


def _rank(value: Any) -> tuple[int, float, str]:
    """The largest first, ``global`` before all numbers, words by the alphabet, what is not known last."""
    if value is None:
        return (3, 0.0, "")
    if value == "global":
        return (0, 0.0, "")
    if isinstance(value, (bool, int, float)):
        return (1, -float(value), "")
    numbers = [float(part) for part in str(value).split("x") if part.replace(".", "").lstrip("-").isdigit()]
    return (1, -max(numbers), "") if numbers else (2, 0.0, str(value))


def parse_condition(text: str, columns: Sequence[str]) -> tuple[str, Callable[[Any], bool]]:
    """``size<96`` as a column and a test of its value; of several numbers (``3x5``) all must hold.

    >>> column, holds = parse_condition("size<96", ["layer", "size"])
    >>> column, holds(35), holds("global"), holds(427)
    ('size', True, False, False)
    """
    match = re.fullmatch(r"\s*([a-z ]+?)\s*(<=|>=|!=|=|<|>)\s*(\S.*?)\s*", text)
    if match is None or match[1] not in columns:
        given = match[1] if match else text
        raise RequestError(
            f"--where {text!r} is not COLUMN<N, =, !=, <=, > or >={closest(given, columns)}; "
            f"columns: {', '.join(columns)}"
        )
    column, sign, value = match.groups()
    compare = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}.get(sign)
    if compare is None:
        return column, lambda found: (_said(found) == value) is (sign == "=")
    try:
        bound = float(value)
    except ValueError:
        raise RequestError(f"--where {text!r}: {value!r} is not a number") from None

    def holds(found: Any) -> bool:
        numbers = [float(p) for p in str(found).split("x") if p.replace(".", "").lstrip("-").isdigit()]
        return bool(numbers) and all(compare(number, bound) for number in numbers)

    return column, holds


def _said(value: Any) -> str:
    return {True: "yes", False: "no", None: "-"}.get(value, str(value)) if value in (True, False, None) else str(value)


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
