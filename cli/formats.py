"""How an answer leaves: as a table, CSV, JSON, pictures. Files that exist are replaced, those that are read are not."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rftools.cli.options import FILE, packed
from rftools.cli.tables import Listing, as_csv, print_rows
from rftools.cli.talk import begin_answer, say
from rftools.errors import RequestError, closest
from rftools.files import check_writable, write_text
from rftools.results import plain

if TYPE_CHECKING:
    from rftools.results import Result

F = TypeVar("F", bound=Callable[..., Any])

json_word = click.option(
    "--json", "json", metavar="FILE", type=FILE, help="Write the result as JSON (- for standard output)."
)
csv_word = click.option("--csv", "csv", metavar="FILE", type=FILE, help="Write the table as CSV.")
wide_word = click.option("--wide", is_flag=True, help="All columns of the table, however narrow the terminal.")
force_word = click.option("--force", is_flag=True, help="Write even over a file that this command reads.")
theme_word = click.option(
    "--theme", metavar="NAME", help="Of what -o draws: light or dark. Default: light; a page as its reader's system is."
)
pictures_word = click.option(
    "-o", "--output", "pictures", metavar="FILE", multiple=True, type=FILE,
    help="Draw it: .png, .svg, .pdf or .html; may be repeated. With {layer} in its name a file a layer.",
)  # fmt: skip


@dataclass(frozen=True)
class Files:
    """Where a table is written to, and how it is shown."""

    json: str | None
    csv: str | None
    wide: bool
    force: bool

    @property
    def written(self) -> list[str]:
        return [path for path in (self.csv, None if self.json == "-" else self.json) if path is not None]

    def check(self, reads: Iterable[str | None] = (), *others: str | None) -> None:
        """Refuse what could not be written before the work begins: these files and the command's ``others``.

        Raises:
            RequestError: no such folder, a format that is not drawn, a file that the command reads itself.
        """
        written = [*self.written, *(path for path in others if path is not None)]
        check_targets(written, [path for path in reads if path is not None], force=self.force)


@dataclass(frozen=True)
class Outputs(Files):
    """As `Files`, and what is drawn."""

    pictures: tuple[str, ...]
    kind: str | None
    theme: str | None

    @property
    def written(self) -> list[str]:
        return [*super().written, *self.pictures]

    @property
    def kinds(self) -> list[str]:
        """The kinds that are asked for: several stand on one page."""
        from rftools.plots.saving import several

        return several(self.kind)

    def check_drawing(self, schema: str, several: str | None = None, *, models: int = 1) -> None:
        """Raise `RequestError` for a picture of no format that is drawn, or a kind that there is not.

        Args:
            schema: of the result of one model.
            several: of that of several models, where they are drawn together.
        """
        if not self.pictures and self.kind is None:
            return
        from rftools.plots import check_format
        from rftools.plots.theme import theme

        moving = models > 1 and several == "rftools.erf-comparison"
        for path in self.pictures:
            if not (moving and path.lower().endswith(".gif")):
                check_format(path)
        if self.theme is not None:
            theme(self.theme)
        for kind in self.kinds:
            _check_kind(kind, {"one SPEC": schema, "several SPECs": several}, models)


def _check_kind(kind: str, schemas: dict[str, str | None], models: int) -> None:
    from rftools.plots import kinds

    known = {what: kinds(schema) if schema else () for what, schema in schemas.items()}
    what = "one SPEC" if models == 1 else "several SPECs"
    if kind not in known[what]:
        other = next((f" ({kind} draws {other})" for other, names in known.items() if kind in names), "")
        raise RequestError(
            f"no plot {kind!r} of {what}{closest(kind, known[what])}; there are {', '.join(known[what])}{other}"
        )


def files(function: F) -> F:
    """``--csv``, ``--json``, ``--wide``, ``--force``; the command gets them as ``outputs``."""
    return packed(Files, "outputs", csv_word, json_word, wide_word, force_word)(function)


def outputs(kinds: str) -> Callable[[F], F]:
    """As `files`, and ``-o``, ``--kind`` (what it draws: ``kinds``) and ``--theme``."""
    kind = click.option("--kind", metavar="KIND", help=f"What -o draws: {kinds}; several by commas on one .html.")
    words = (csv_word, json_word, pictures_word, kind, theme_word, wide_word, force_word)
    return packed(Outputs, "outputs", *words)


def check_targets(written: Sequence[str], reads: Sequence[str], *, force: bool) -> None:
    """Raise `RequestError` for a file that cannot be written, or that is read too and not to be replaced."""
    for path in written:
        check_writable(path)
        if not force and any(_same(path, read) for read in reads):
            raise RequestError(f"{path} is read by this command; name another file, or --force to write over it")


def _same(path: str, read: str) -> bool:
    return os.path.exists(path) and os.path.exists(read) and os.path.samefile(path, read)


@dataclass(frozen=True)
class Shown:
    """An answer: one result, or those of several models under each other and in one picture."""

    results: Sequence[Result[Any]]
    tables: Sequence[Listing | None]

    @property
    def table(self) -> Listing:
        """Columns and rows; of several models the first column says whose a row is."""
        parts = [table or (own.columns(), own.records()) for own, table in zip(self.results, self.tables, strict=True)]
        if len(parts) == 1:
            return parts[0]
        from rftools.plots.several import labels

        whose = labels([result.model for result in self.results])
        rows = [(name, *row) for name, (_, rows) in zip(whose, parts, strict=True) for row in rows]
        return ("model", *parts[0][0]), rows

    @property
    def title(self) -> str | None:
        """Whose table it is; of a comparison which differs from which."""
        if len(self.results) > 1:
            return None
        labels: Sequence[str] = getattr(self.results[0], "labels", ())
        if len(labels) == 2:
            return f"{labels[1]} minus {labels[0]}"
        return ", ".join(labels) or self.results[0].model.name

    @property
    def drawn(self) -> Any:
        """What is handed to `rftools.plots.save`."""
        return self.results[0] if len(self.results) == 1 else self.results

    @property
    def layers(self) -> list[str]:
        return list(dict.fromkeys(row.name for result in self.results for row in result))

    def json(self) -> str:
        if len(self.results) == 1:
            return self.results[0].to_json()
        body = {"schema": {"name": "rftools.several", "version": 1}, "results": [r.to_dict() for r in self.results]}
        return json.dumps(plain(body), indent=1, allow_nan=False) + "\n"

    def notes(self) -> list[str]:
        """What stands above the table: where weights are from, and what was not read."""
        if len(self.results) > 1:
            return []
        model = self.results[0].model
        found = [] if model.weights is None else [f"weights: {model.weights}"]
        return found + ([f"left out, and what follows from them: {', '.join(model.left_out)}"] * bool(model.left_out))


def emit(result: Result[Any], outputs: Files, table: Listing | None = None, **drawn: Any) -> None:
    """Write and show one result (``table`` in place of its own); ``drawn`` are options of the drawing."""
    emit_all([result], outputs, [table], **drawn)


def emit_all(results: Sequence[Result[Any]], outputs: Files, tables: Sequence[Listing | None], **drawn: Any) -> None:
    """Write and show the results of one model, or of several."""
    shown = Shown(results, tables)
    for note in shown.notes():
        say(note)
    if isinstance(outputs, Outputs):
        draw(shown, outputs, drawn)
    columns, rows = shown.table
    if not write(columns, rows, shown.json, outputs):
        return
    print_rows(columns, rows, shown.title, outputs.wide)
    for note in dict.fromkeys(note for result in results for note in result.remarks()):
        say(note)


def write(columns: Sequence[str], rows: Sequence[Sequence[Any]], text: Callable[[], str], outputs: Files) -> bool:
    """Write CSV and JSON where asked; whether standard output is still free for the table."""
    begin_answer()
    if outputs.csv is not None:
        write_text(outputs.csv, as_csv(columns, rows))
        say(f"wrote {outputs.csv}")
    return write_json(text, outputs.json)


def write_json(text: Callable[[], str], path: str | None) -> bool:
    """Write JSON where asked; whether standard output is still free."""
    begin_answer()
    if path == "-":
        sys.stdout.write(text())
        return False
    if path is not None:
        write_text(path, text())
        say(f"wrote {path}")
    return True


def draw(shown: Shown, outputs: Outputs, drawn: dict[str, Any]) -> None:
    """Every picture that was asked for; ``{layer}`` in a name makes a file a layer."""
    if not outputs.pictures:
        return
    from rftools.plots import save

    options = {"kind": outputs.kind, "theme": outputs.theme} | drawn
    for path in outputs.pictures:
        for target, own in _each(path, shown.layers):
            save(shown.drawn, target, **(options | own))
            say(f"wrote {target}")


def _each(path: str, layers: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """Files with the options of their drawings.

    >>> _each("field-{layer}.png", ["conv1", "layer1.0/add"])
    [('field-conv1.png', {'layer': 'conv1'}), ('field-layer1.0-add.png', {'layer': 'layer1.0/add'})]
    """
    if "{layer}" not in path:
        return [(path, {})]
    folder, name = os.path.split(path)
    named = {layer: re.sub(r"[^\w.#\[\]@,-]", "-", layer) or "output" for layer in layers}
    return [(str(Path(folder, name.replace("{layer}", named[layer]))), {"layer": layer}) for layer in layers]
