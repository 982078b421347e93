"""``rftools trf``: the theoretical receptive field of every layer."""

from __future__ import annotations

import fnmatch
import functools
import operator
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from rftools.cli.options import (
    cell,
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
@click.option("--unit", metavar="i,j", help="The unit that windows speak of: by default each map's centre; or class.")
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
@click.option("--beside", metavar="SPEC", help="Another net, drawn in the same picture.")
@click.option("--kind", help="What -o draws: growth, surviving; window or paths of the last layer listed.")
@click.option("--picture", metavar="FILE", help="An image under the window or the paths, instead of a neutral one.")
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
    target_field: int | None,
    sort: str | None,
    conditions: tuple[str, ...],
    beside: str | None,
    kind: str | None,
    picture: str | None,
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
    if target_field is not None:
        _show_changes(loaded, target_field, json_path, output)
        return
    from rftools.trf import theoretical
    from rftools.trf.whatif import COLUMNS, compare, parse_setting, with_settings

    changes = [parse_setting(text) for text in settings]
    options: dict[str, Any] = {"unit": where, "surviving": surviving, "of": of_input}
    choose = functools.partial(_chosen, layers=layers, depth=depth, sort=sort, conditions=conditions)
    result = theoretical(loaded, **options)
    if result.capture == "record":
        print("recorded from one forward pass: true for the path that this input took", file=sys.stderr)
    result = dataclasses.replace(result, objects=_object(objects, result), with_support=support)
    shown = choose(result)
    drawn: dict[str, Any] = {} if output is None else _drawing(kind, picture, shown)
    if drawn.get("kind") == "paths":
        counted = theoretical(loaded, **options, paths=[drawn["layer"]])
        shown = dataclasses.replace(shown, layers=tuple(counted[row.name] for row in shown))
    if beside is not None and output is not None:
        drawn["other"] = choose(theoretical(load_model(beside, None, None, input_size), **options))
    if not changes:
        emit(shown, json_path, output, **drawn)
        return
    try:
        after = theoretical(with_settings(loaded, changes), **options)
    except RequestError as error:
        reason = str(error).removesuffix("; give one that fits with --input-size")
        raise RequestError(f"with {', '.join(settings)} the net does not fit together: {reason}") from error
    after = choose(dataclasses.replace(after, objects=result.objects, with_support=support))
    if json_path == "-":
        emit(after, json_path, None)
        return
    if output is not None:
        from rftools.plots import save

        save(result if drawn.get("kind") is None else shown, output, **({"other": after} | drawn))
        print(f"wrote {output}", file=sys.stderr)
    if json_path is not None:
        after.to_json(json_path)
    print_rows(COLUMNS, compare(result, after), title=f"{loaded.name} and {', '.join(settings)}")


def _drawing(kind: str | None, picture: str | None, shown: TheoreticalResult) -> dict[str, Any]:
    """What ``-o`` is told: the kind, and for one unit's drawings the layer and the picture under them."""
    if kind in (None, "growth", "surviving"):
        if picture is not None:
            raise RequestError("--picture goes under a unit's field; ask for one with --kind window or --kind paths")
        return {} if kind is None else {"kind": kind}
    known = [row for row in shown if row.axes and row.unit is not None and row.status != "unknown"]
    local = [row for row in known if not any(axis.global_ for axis in row.axes)]
    if not known:
        raise RequestError("no layer that is listed has a unit to draw")
    options: dict[str, Any] = {"kind": kind, "layer": (local or known)[-1].name}
    if picture is not None:
        from rftools.plots.picture import load_picture

        height, width = (shown.input_size or (1, 1))[-2:]
        options["picture"] = load_picture(picture, height, width)
    return options


def _show_changes(loaded: Model, target: int, json_path: str | None, output: str | None) -> None:
    """``--target-field``: the table of single changes."""
    if output is not None:
        raise RequestError("--target-field gives a table and JSON, no picture; leave out -o")
    from rftools.trf import reach

    with progress_bar("changes") as progress:
        found = reach(loaded, target, progress=progress)
    emit(found, json_path, None)


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
        return column, lambda found: (cell(found) == value) is (sign == "=")
    try:
        bound = float(value)
    except ValueError:
        raise RequestError(f"--where {text!r}: {value!r} is not a number") from None

    def holds(found: Any) -> bool:
        numbers = [float(p) for p in str(found).split("x") if p.replace(".", "").lstrip("-").isdigit()]
        return bool(numbers) and all(compare(number, bound) for number in numbers)

    return column, holds


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


def _chosen(
    result: TheoreticalResult,
    *,
    layers: tuple[str, ...],
    depth: int | None,
    sort: str | None,
    conditions: tuple[str, ...],
) -> TheoreticalResult:
    """The rows that were asked for, in the order asked for."""
    return _ordered(_named(result, layers, depth), sort, conditions)


def _named(result: TheoreticalResult, layers: tuple[str, ...], depth: int | None) -> TheoreticalResult:
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
