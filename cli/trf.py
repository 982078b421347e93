"""``rftools trf``: the theoretical receptive field of every layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from rftools.cli import options, subject
from rftools.cli.formats import Outputs, emit, outputs, write
from rftools.cli.parsing import parse_objects, parse_unit
from rftools.cli.subject import Specs
from rftools.cli.tables import print_rows
from rftools.cli.talk import progress_bar, say, talk_options
from rftools.errors import RequestError

if TYPE_CHECKING:
    from rftools.loading import Model
    from rftools.trf import TheoreticalResult


@dataclasses.dataclass(frozen=True)
class Asked:
    """What is asked of the fields, and which rows are listed."""

    unit: str | None
    of: int
    support: bool
    surviving: bool
    objects: tuple[str, ...]
    settings: tuple[str, ...]
    target_field: int | None
    sort: str | None
    conditions: tuple[str, ...]
    beside: str | None
    picture: str | None
    layers: tuple[str, ...]
    depth: int | None

    def analysed(self, model: Model, **more: Any) -> TheoreticalResult:
        """The fields of all layers."""
        from rftools.trf import theoretical

        where = None if self.unit is None else parse_unit(self.unit)
        return theoretical(model, unit=where, surviving=self.surviving, of=self.of, **more)

    def listed(self, result: TheoreticalResult) -> TheoreticalResult:
        """The rows that were asked for, in the order asked for."""
        from rftools.rows import only, ordered, where

        rows = only(result.layers, self.layers)
        if self.depth is not None:
            rows = tuple(r for r in rows if r.name == "" or r.name.count(".") + r.name.count("/") < self.depth)
        return ordered(where(dataclasses.replace(result, layers=rows), self.conditions), self.sort)


WORDS = (
    options.layers,
    click.option("--depth", type=options.whole(1), help="Only layers at most this deep in the module tree."),
    options.unit,
    options.of_input(0),
    click.option("--support", is_flag=True, help="List the input indices that reach the unit, per axis, in the JSON."),
    click.option("--surviving", is_flag=True, help="Also what the weights that are not zero leave of each field."),
    options.objects,
    click.option(
        "--set", "settings", metavar="PATH.ATTR=N", multiple=True, help="What if: stride, dilation, ... changed."
    ),
    click.option(
        "--target-field", type=options.whole(1), metavar="N", help="Which single changes reach N pixels."
    ),
    click.option("--sort", metavar="COLUMN", help="Order of the rows (size, stride, ...), the largest first."),
    click.option(
        "--where", "conditions", metavar="COLUMN<N", multiple=True, help="Only rows such as size<96, status=unit."
    ),
    click.option("--beside", metavar="SPEC", help="Another net, drawn in the same picture."),
    options.picture,
)  # fmt: skip


@click.command("trf", short_help="Theoretical receptive field of every layer.")
@subject.one
@options.packed(Asked, "asked", *WORDS)
@outputs("growth, surviving; window or paths of the last layer listed")
@talk_options
def command(subject: Specs, asked: Asked, outputs: Outputs) -> None:
    """Theoretical receptive field of every layer of SPEC.

    \b
    Example:
      rftools trf torchvision:resnet18 --layers "layer*" --depth 1
    """
    outputs.check([*subject.files, asked.picture])
    outputs.check_drawing("rftools.trf")
    model = subject.load()
    if asked.target_field is not None:
        _show_changes(model, asked.target_field, outputs)
        return
    result = asked.analysed(model)
    if result.capture == "record":
        say("recorded from one forward pass: true for the path that this input took")
    extent = parse_objects(asked.objects, len(result.input_size or ()) - 1)
    result = dataclasses.replace(result, objects=extent, with_support=asked.support)
    shown = asked.listed(result)
    drawn: dict[str, Any] = {}
    if outputs.pictures:
        shown, drawn = _drawing(subject, asked, outputs.kinds, (model, shown))
    if asked.settings:
        _show_what_if(model, asked, outputs, (result, shown, drawn))
    else:
        emit(shown, outputs, **drawn)


def _drawing(
    subject: Specs, asked: Asked, kinds: Sequence[str], found: tuple[Model, TheoreticalResult]
) -> tuple[TheoreticalResult, dict[str, Any]]:
    """The result that is drawn, with what drawings of one unit need, and the options of the drawing."""
    model, shown = found
    drawn = _of_unit(asked, shown) if {"window", "paths"} & set(kinds) else {}
    if not drawn and asked.picture is not None:
        raise RequestError("--picture goes under a unit's field; ask for one with --kind window or --kind paths")
    if "paths" in kinds:
        counted = asked.analysed(model, paths=[drawn["layer"]])
        shown = dataclasses.replace(shown, layers=tuple(counted[row.name] for row in shown))
    if asked.beside is not None:
        other = dataclasses.replace(subject, specs=(asked.beside,), model=None, weights=None).load()
        drawn["other"] = asked.listed(asked.analysed(other))
    return shown, drawn


def _of_unit(asked: Asked, shown: TheoreticalResult) -> dict[str, Any]:
    """The layer whose unit is drawn, the last that has a place, and the picture under it."""
    known = [row for row in shown if row.axes and row.unit is not None and row.status != "unknown"]
    local = [row for row in known if not any(axis.global_ for axis in row.axes)]
    if not known:
        raise RequestError("no layer that is listed has a unit to draw")
    drawn: dict[str, Any] = {"layer": (local or known)[-1].name}
    if asked.picture is not None:
        from rftools.plots.picture import load_picture

        height, width = (shown.input_size or (1, 1))[-2:]
        drawn["picture"] = load_picture(asked.picture, height, width)
    return drawn


def _show_what_if(
    model: Model, asked: Asked, outputs: Outputs, before: tuple[TheoreticalResult, TheoreticalResult, dict[str, Any]]
) -> None:
    """``--set``: the net with other settings, beside what it was."""
    from rftools.trf.whatif import COLUMNS, differences, parse_setting, with_settings

    result, shown, drawn = before
    try:
        found = asked.analysed(with_settings(model, [parse_setting(text) for text in asked.settings]))
    except RequestError as error:
        reason = str(error).removesuffix("; give one that fits with --input-size")
        raise RequestError(f"with {', '.join(asked.settings)} the net does not fit together: {reason}") from error
    after = asked.listed(dataclasses.replace(found, objects=result.objects, with_support=asked.support))
    if outputs.json == "-":
        emit(after, dataclasses.replace(outputs, pictures=()))
        return
    _draw_what_if(outputs, shown if outputs.kind else result, {"other": after} | drawn)
    rows = differences(result, after)
    if write(COLUMNS, rows, after.to_json, outputs):
        print_rows(COLUMNS, rows, f"{model.name} and {', '.join(asked.settings)}", outputs.wide)


def _draw_what_if(outputs: Outputs, result: TheoreticalResult, drawn: dict[str, Any]) -> None:
    from rftools.cli.formats import Shown, draw

    draw(Shown([result], [None]), outputs, drawn)


def _show_changes(model: Model, target: int, outputs: Outputs) -> None:
    """``--target-field``: the table of single changes."""
    if outputs.pictures:
        raise RequestError("--target-field gives a table and JSON, no picture; leave out -o")
    from rftools.trf import reach

    with progress_bar("changes") as progress:
        found = reach(model, target, progress=progress)
    emit(found, outputs)
