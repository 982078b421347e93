"""Options that several commands share, and how their answers are shown."""

from __future__ import annotations

import csv
import dataclasses
import glob
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rftools.errors import RequestError
from rftools.files import check_writable, write_text
from rftools.results import plain

if TYPE_CHECKING:
    from rftools.loading import Model
    from rftools.results import Result

F = TypeVar("F", bound=Callable[..., Any])
Table = tuple[Sequence[str], Sequence[Sequence[Any]]]  # columns and rows


def parse_size(text: str) -> tuple[int, ...]:
    """``3x224x224`` as ``(3, 224, 224)``.

    >>> parse_size("3x224x224")
    (3, 224, 224)
    """
    try:
        size = tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        size = ()
    if not 2 <= len(size) <= 4 or min(size, default=0) < 1:
        raise RequestError(f"input size {text!r} is not CxL, CxHxW or CxDxHxW with positive whole numbers")
    return size


def parse_unit(text: str) -> tuple[int, ...] | str:
    """``3,4`` as ``(3, 4)``; ``class``, the class token, as it is.

    >>> parse_unit("3,4"), parse_unit("class")
    ((3, 4), 'class')
    """
    if text.strip().lower() == "class":
        return "class"
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise RequestError(f"unit {text!r} is not i,j: one whole number an axis, separated by commas") from None


def parse_numbers(text: str, what: str) -> list[int]:
    """``0,5-9`` as ``[0, 5, 6, 7, 8, 9]``.

    >>> parse_numbers("0,5-9", "channel")
    [0, 5, 6, 7, 8, 9]
    """
    found: list[int] = []
    for part in text.split(","):
        ends = part.strip().split("-")
        if not 1 <= len(ends) <= 2 or not all(end.strip().isdecimal() for end in ends):
            raise RequestError(f"{what} {text!r} is no list of whole numbers such as 3 or 0,5-9")
        low, high = int(ends[0]), int(ends[-1])
        if high < low:
            raise RequestError(f"{what} {text!r}: {part.strip()} runs backwards")
        found += range(low, high + 1)
    return found


def model_options(function: F) -> F:
    """SPEC and what goes with it; the command gets them as ``spec, model, weights, input_size, seed``."""
    return _model_options(function, click.argument("spec"))


def models_options(function: F) -> F:
    """As `model_options`, for one SPEC or several: the command gets ``specs``."""
    return _model_options(function, click.argument("specs", metavar="SPEC [SPEC ...]", nargs=-1, required=True))


def _model_options(function: F, argument: Callable[[F], F]) -> F:
    for decorate in (
        click.option(
            "--seed",
            default=0,
            show_default=True,
            type=click.IntRange(min=0),
            help="Of all that is random, weights too.",
        ),
        click.option(
            "--input-size",
            metavar="CxHxW",
            help="Input size without the batch (CxL, CxHxW, CxDxHxW); several inputs by commas.",
        ),
        click.option("--weights", metavar="FILE", help="Weights for a SPEC that has none of its own."),
        click.option("--model", metavar="SPEC", help="Architecture for a SPEC that is a plain state dict."),
        argument,
    ):
        function = decorate(function)
    return function


def output_options(function: F) -> F:
    """``--json`` and ``-o``; the command gets them as ``json_path, output``."""
    for decorate in (
        click.option("-o", "--output", metavar="FILE", help="Draw it: .png, .svg, .pdf or .html."),
        click.option("--json", "json_path", metavar="FILE", help="Write the result as JSON (- for standard output)."),
    ):
        function = decorate(function)
    return function


def table_options(*groups: str) -> Callable[[F], F]:
    """``--group-by`` and ``--csv``; the command gets them as ``group_by, csv_path``. The first group is the default."""

    def decorated(function: F) -> F:
        for decorate in (
            click.option("--csv", "csv_path", metavar="FILE", help="Write the table as CSV."),
            click.option(
                "--group-by", type=click.Choice(groups), default=groups[0], show_default=True, help="Its rows."
            ),
        ):
            function = decorate(function)
        return function

    return decorated


def load_model(spec: str, model: str | None, weights: str | None, input_size: str | None, seed: int = 0) -> Model:
    """The model that `model_options` names."""
    from rftools.loading import load

    sizes = [] if input_size is None else [parse_size(part) for part in input_size.split(",")]
    loaded = load(spec, model=model, weights=weights, input_size=sizes[0] if sizes else None, seed=seed)
    if chosen := loaded.metadata.get("chosen"):  # which checkpoint of a run's folder
        click.echo(chosen, err=True)
    return dataclasses.replace(loaded, other_inputs=tuple(sizes[1:])) if sizes[1:] else loaded


def expanded(specs: tuple[str, ...]) -> tuple[str, ...]:
    """The specs, with patterns of file names that no shell has expanded."""
    found: list[str] = []
    for spec in specs:
        pattern = any(sign in spec for sign in "*?[") and ":" not in spec
        files = sorted(glob.glob(spec)) if pattern else [spec]
        if not files:
            raise RequestError(f"no file matches {spec}")
        found += files
    return tuple(found)


def check_outputs(json_path: str | None, output: str | None, other: str | None = None) -> None:
    """Refuse what could not be written before the work begins: JSON, picture, and a command's ``other`` file."""
    if json_path not in (None, "-"):
        check_writable(str(json_path))
    if output is not None:
        from rftools.plots import check_format

        check_format(output)
        check_writable(output)
    if other is not None:
        check_writable(other)


def emit(
    result: Result[Any],
    json_path: str | None,
    output: str | None,
    table: Table | None = None,
    csv_path: str | None = None,
    **plot_options: Any,
) -> None:
    """Show a result: as JSON where asked, as a picture where asked, as a table otherwise (``table`` if given)."""
    if result.model.weights is not None:
        print(f"weights: {result.model.weights}", file=sys.stderr)
    if result.model.left_out:
        print(f"left out, and what follows from them: {', '.join(result.model.left_out)}", file=sys.stderr)
    columns, records = table or (result.columns(), result.records())
    if csv_path is not None:
        write_csv(csv_path, columns, records)
        print(f"wrote {csv_path}", file=sys.stderr)
    if output is not None:
        from rftools.plots import save

        save(result, output, **plot_options)
        print(f"wrote {output}", file=sys.stderr)
    if json_path is not None:
        text = result.to_json(None if json_path == "-" else json_path)
        if json_path == "-":
            sys.stdout.write(text)
            return
        print(f"wrote {json_path}", file=sys.stderr)
    if table is None:
        print_table(result)
    else:
        print_rows(columns, records, title=result.model.name)
    for note in result.remarks():
        print(note, file=sys.stderr)


def emit_all(
    results: Sequence[Result[Any]],
    json_path: str | None,
    output: str | None,
    tables: Sequence[Table | None],
    csv_path: str | None = None,
    **plot_options: Any,
) -> None:
    """Show the results of one model, or of several under each other and in one picture."""
    if len(results) == 1:
        emit(results[0], json_path, output, tables[0], csv_path, **plot_options)
        return
    from rftools.plots import save
    from rftools.plots.several import labels

    whose = labels([result.model for result in results])
    shown = [table or (result.columns(), result.records()) for result, table in zip(results, tables, strict=True)]
    columns = ("model", *shown[0][0])
    records = [(name, *row) for name, (_, rows) in zip(whose, shown, strict=True) for row in rows]
    if csv_path is not None:
        write_csv(csv_path, columns, records)
        print(f"wrote {csv_path}", file=sys.stderr)
    if output is not None:
        save(results, output, **plot_options)
        print(f"wrote {output}", file=sys.stderr)
    if json_path is not None:
        body = {"schema": {"name": "rftools.several", "version": 1}, "results": [r.to_dict() for r in results]}
        text = json.dumps(plain(body), indent=1, allow_nan=False) + "\n"
        if json_path == "-":
            sys.stdout.write(text)
            return
        write_text(json_path, text)
        print(f"wrote {json_path}", file=sys.stderr)
    print_rows(columns, records)
    for note in dict.fromkeys(note for result in results for note in result.remarks()):
        print(note, file=sys.stderr)


def write_csv(path: str, columns: Sequence[str], records: Iterable[Sequence[Any]]) -> None:
    """A table as CSV with raw values; what has none stays empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(records)
    write_text(path, text.getvalue())


def print_table(result: Result[Any]) -> None:
    """The result's table; see `print_rows`."""
    print_rows(result.columns(), result.records(), title=result.model.name)


def print_rows(columns: Sequence[str], records: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """A table that fits the terminal; plain tab-separated text when piped."""
    rows = [[cell(value) for value in record] for record in records]
    if not sys.stdout.isatty():
        for row in [columns, *rows]:
            print("\t".join(row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for number, group in enumerate(column_groups(columns, rows, console.width)):
        head = title and Text(title) if number == 0 else None
        table = Table(box=box.SIMPLE_HEAD, title=head, title_justify="left", padding=(0, 1, 0, 0), pad_edge=False)
        for k in group:
            table.add_column(columns[k], justify="left" if k == 0 else "right", overflow="fold")
        for row in rows:
            table.add_row(*(Text(row[k]) for k in group))  # as text: a name in brackets is no markup
        console.print(table)


def column_groups(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[list[int]]:
    """Columns in groups that fit ``width``, each led by the first column; columns that are empty are left out.

    >>> column_groups(["layer", "size", "stride"], [["conv1", "7", "2"]], 20)
    [[0, 1], [0, 2]]
    """
    sizes = [
        max(len(columns[k]), *(len(row[k]) for row in rows), 1) if rows else len(columns[k])
        for k in range(len(columns))
    ]
    left = [k for k in range(1, len(columns)) if not rows or any(row[k] for row in rows)]
    room = max(width - min(sizes[0], width // 2) - 4, 1)
    groups: list[list[int]] = [[0]]
    used = 0
    for k in left:
        if used and used + sizes[k] + 2 > room:
            groups.append([0])
            used = 0
        groups[-1].append(k)
        used += sizes[k] + 2  # a space on either side of the rule
    return groups


def cell(value: Any) -> str:
    """A value as a table shows it.

    >>> [cell(value) for value in (None, True, 1, 1.0, 0.25)]
    ['-', 'yes', '1', '1', '0.25']
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("\t", " ").replace("\n", " ")


def weights_of(
    spec: str, model: str | None, weights: str | None, input_size: str | None, seed: int = 0
) -> Model | Path:
    """What has the weights: a loaded model, or the path of a file that holds no architecture."""
    from rftools.loading.load import bare_weights, is_weight_file

    if model is None and weights is None and is_weight_file(spec) and bare_weights(Path(spec)) is not None:
        return Path(spec)
    return load_model(spec, model, weights, input_size, seed)


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal's standard error, to be told (done, total); None where there is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{what}, {(task.completed / task.elapsed) if task.elapsed else 0:.1f}/s")

    columns = (BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
