"""``rftools report``: one self-contained HTML page about a model."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rftools.cli import options, subject
from rftools.cli.formats import check_targets, force_word
from rftools.cli.live import live_table
from rftools.cli.options import FILE
from rftools.cli.parsing import parse_grid, parse_object
from rftools.cli.subject import Specs
from rftools.cli.talk import say, talk_options
from rftools.errors import RequestError

if TYPE_CHECKING:
    from rftools.loading import Model

BATCH = 16  # of them at a time


@dataclass(frozen=True)
class Asked:
    """What is measured, and what findings and drawings are told."""

    layers: tuple[str, ...]
    images: str | None
    count: int | None
    grid: str | None
    batch_size: int
    device: str
    no_effective: bool
    picture: str | None
    objects: tuple[str, ...]

    def options(self, seed: int) -> dict[str, Any]:
        """The arguments of `rftools.report` that say what is measured."""
        return {
            "images": self.images,
            "picture": self.picture,
            "effective": not self.no_effective,
            "count": self.count,
            "grid": None if self.grid is None else parse_grid(self.grid),
            "batch_size": self.batch_size,
            "device": self.device,
            "layers": list(self.layers) or None,
            "seed": seed,
        }

    def words(self, subject: Specs) -> dict[str, Any]:
        """What was said, for the line that remakes the page."""
        return {
            "--images": self.images,
            "--picture": self.picture,
            "--model": subject.model,
            "--weights": subject.weights,
            "--input-size": subject.input_size,
            "--no-effective": self.no_effective,
            "--count": self.count,
            "--grid": self.grid,
            "--seed": subject.seed or None,
            "--layers": self.layers,
            "--object": self.objects,
        }


@dataclass(frozen=True)
class Pages:
    """Where the page goes, and its forms for programs, text and print."""

    output: tuple[str, ...]
    json: str | None
    markdown: str | None
    pdf: str | None
    force: bool

    def check(self, reads: list[str | None]) -> None:
        """Raise `RequestError` for what could not be written."""
        from rftools.reporting.build import check_page

        for page in self.output:
            check_page(page)
        written = [path for path in (*self.output, self.json, self.markdown, self.pdf) if path not in (None, "-")]
        check_targets([str(path) for path in written], [path for path in reads if path is not None], force=self.force)


WORDS = (
    options.layers_with(
        "PATTERN", " By default those that change resolution or end a stage, 24 at most; '*' is all with weights."
    ),
    options.images,
    options.count(None, "How many images at most (default: as it takes, 8 to 32 a layer)."),
    click.option(
        "--grid",
        metavar="5x5",
        help="A grid of units of each layer, whose effective fields the explorer shows "
        "(default: 5x5 of small inputs, 3x3 of the two deepest layers of others).",
    ),
    options.batch_size(BATCH),
    options.device,
    click.option("--no-effective", is_flag=True, help="Leave the effective field out: it takes most of the time."),
    options.picture,
    options.objects,
)
PAGES = (
    click.option("-o", "--output", metavar="FILE", type=FILE, required=True, multiple=True, help="The page, .html; may "
                 "be repeated."),
    click.option("--json", "json", metavar="FILE", type=FILE, help="Write findings and results as JSON (- for standard "
                 "output)."),
    click.option("--markdown", metavar="FILE", type=FILE, help="Write findings, tables and method as Markdown too."),
    click.option("--pdf", metavar="FILE", type=FILE, help="Print the page as PDF too, by an installed Chromium."),
    force_word,
)  # fmt: skip


@click.command("report", short_help="One self-contained HTML page about a checkpoint.")
@subject.several
@options.packed(Asked, "asked", *WORDS)
@options.packed(Pages, "pages", *PAGES)
@talk_options
def command(subject: Specs, asked: Asked, pages: Pages) -> None:
    """Write a page about SPEC: findings, tables, drawings, an explorer, and how it was made. Several are compared.

    A run's folder is shown with what changed from epoch to epoch. Files that --json and --npz of trf, erf, sparsity and
    orientation wrote make a page too, without the model.

    The page is one file. It opens from disk, a mail or a build's artifacts, and loads nothing from anywhere.

    \b
    Example:
      rftools report runs/a/best.pt -o report.html
      rftools report runs/a -o training.html
      rftools report runs/a/best.pt runs/a-pruned/best.pt -o pruning.html
      rftools report trf.json erf.json erf.npz -o report.html
    """
    subject = subject.expanded()
    pages.check([*subject.files, asked.images, asked.picture])
    sizes = tuple(parse_object(text) for text in asked.objects)
    loaded = _loaded(subject, asked)
    with tempfile.TemporaryDirectory() as folder:
        answer = str(Path(folder, "report.json")) if pages.json == "-" else pages.json
        partial = _write(loaded, (subject, asked, pages), sizes, answer)
        if pages.json == "-":
            click.echo(Path(folder, "report.json").read_text(encoding="utf-8"), nl=False)
    for written in (*pages.output, pages.json):
        if written not in (None, "-"):
            say(f"wrote {written}")
    if partial:
        say("interrupted: the page holds what was done until then")
        sys.exit(130)


def _loaded(subject: Specs, asked: Asked) -> list[Model | str]:
    """The models; folders of runs and files of results as they are named."""
    from rftools.reporting.page.alignment import check_count
    from rftools.reporting.sources.run import is_run
    from rftools.reporting.sources.saved import is_saved

    check_count(len(subject.specs))
    if any(map(is_saved, subject.specs)):
        _refuse_with_results(
            model=subject.model, weights=subject.weights, input_size=subject.input_size, images=asked.images,
            layers=asked.layers,
        )  # fmt: skip
    alone = len(subject.specs) == 1
    return [spec if is_saved(spec) or (alone and is_run(spec)) else subject.load_one(spec) for spec in subject.specs]


def _write(
    loaded: list[Model | str],
    words: tuple[Specs, Asked, Pages],
    sizes: tuple[tuple[int, int], ...],
    json_path: str | None,
) -> bool:
    """Whether it was interrupted, so that the page holds a part."""
    from rftools.reporting import report
    from rftools.reporting.command import command_line
    from rftools.reporting.findings import Thresholds

    subject, asked, pages = words
    with live_table() as listener:
        report(
            loaded,
            pages.output[0],
            limits=Thresholds(objects=sizes),
            command=command_line(subject.specs, pages.output[0], asked.words(subject)),
            json_path=json_path,
            markdown_path=pages.markdown,
            pdf_path=pages.pdf,
            listener=listener,
            **asked.options(subject.seed),
        )
    for again in pages.output[1:]:
        shutil.copyfile(pages.output[0], again)
    return listener.interrupted


def _refuse_with_results(**given: object) -> None:
    """Raise `RequestError` where an option says how to analyse what is analysed already."""
    for name, value in given.items():
        if value:
            flag = f"--{name.replace('_', '-')}"
            raise RequestError(f"{flag} says how to analyse a model, and files of results are analysed already")
