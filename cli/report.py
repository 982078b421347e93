"""``rftools report``: one self-contained HTML page about a model."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from rftools.cli.options import expanded, load_model
from rftools.errors import RequestError


@click.command("report", short_help="One self-contained HTML page about a checkpoint.")
@click.argument("specs", metavar="SPEC [SPEC ...]", nargs=-1, required=True)
@click.option("--model", metavar="SPEC", help="Architecture for a SPEC that is a plain state dict.")
@click.option("--weights", metavar="FILE", help="Weights for a SPEC that has none of its own.")
@click.option("--input-size", metavar="CxHxW", help="Input size, without the batch (CxL, CxHxW, CxDxHxW).")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of all that is random, weights too."
)
@click.option("-o", "--output", metavar="FILE", required=True, help="The page, .html.")
@click.option(
    "--json", "json_path", metavar="FILE", help="Write findings and results as JSON too (- for standard output)."
)
@click.option("--markdown", "markdown_path", metavar="FILE", help="Write findings, tables and method as Markdown too.")
@click.option("--pdf", "pdf_path", metavar="FILE", help="Print the page as PDF too, by an installed Chromium.")
@click.option("--images", metavar="FOLDER|FILE", help="What the effective field is measured on (default: noise).")
@click.option("--count", type=click.IntRange(min=1), default=32, show_default=True, help="Images to measure on.")
@click.option("--layer", "layers", metavar="NAME", multiple=True, help="Layers to measure (default: all with weights).")
@click.option("--no-effective", is_flag=True, help="Leave the effective field out: it takes most of the time.")
@click.option("--picture", metavar="FILE", help="An image to draw fields on (default: a neutral test picture).")
@click.option("--object", "objects", metavar="WxH", multiple=True, help="An object that a unit should see whole.")
@click.option("--force", is_flag=True, help="Overwrite a page that exists.")
def command(
    specs: tuple[str, ...],
    model: str | None,
    weights: str | None,
    input_size: str | None,
    seed: int,
    output: str,
    json_path: str | None,
    markdown_path: str | None,
    pdf_path: str | None,
    images: str | None,
    count: int,
    layers: tuple[str, ...],
    no_effective: bool,
    picture: str | None,
    objects: tuple[str, ...],
    force: bool,
) -> None:
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
    from rftools.reporting.build import check_page
    from rftools.reporting.page.alignment import check_count
    from rftools.reporting.sources.saved import is_saved

    check_page(output)
    for written in (output, json_path, markdown_path, pdf_path):
        if written not in (None, "-") and Path(str(written)).exists() and not force:
            raise RequestError(f"{written} exists; --force overwrites it")
    sizes = tuple(parse_object(text) for text in objects)
    specs = expanded(specs)
    check_count(len(specs))
    if any(map(is_saved, specs)):
        refuse_with_results(model=model, weights=weights, input_size=input_size, images=images, layer=layers)
    loaded = [
        spec if Path(spec).is_dir() or is_saved(spec) else load_model(spec, model, weights, input_size, seed)
        for spec in specs
    ]
    from rftools.reporting import report
    from rftools.reporting.findings import Limits

    given = {
        "--images": images,
        "--picture": picture,
        "--model": model,
        "--weights": weights,
        "--input-size": input_size,
    }
    flags = [*(["--no-effective"] if no_effective else []), *(["--count", str(count)] if count != 32 else [])]
    flags += ["--seed", str(seed)] if seed else []
    flags += [word for name in layers for word in ("--layer", name)] + [w for o in objects for w in ("--object", o)]
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "report.json" if json_path == "-" else json_path
        report(
            loaded,
            output,
            images=images,
            picture=picture,
            limits=Limits(objects=sizes),
            command=command_line(specs, output, given, flags),
            json_path=answer,
            markdown_path=markdown_path,
            pdf_path=pdf_path,
            effective=not no_effective,
            count=count,
            layers=list(layers) or None,
            seed=seed,
        )
        if json_path == "-":
            click.echo(Path(folder, "report.json").read_text(encoding="utf-8"), nl=False)
    for written in (output, json_path):
        if written not in (None, "-"):
            click.echo(f"wrote {written}", err=True)


def refuse_with_results(**given: object) -> None:
    """Raise `RequestError` where an option says how to analyse what is analysed already."""
    for name, value in given.items():
        if value:
            flag = f"--{name.replace('_', '-')}"
            raise RequestError(f"{flag} says how to analyse a model, and files of results are analysed already")


def parse_object(text: str) -> tuple[int, int]:
    """``64x48`` as ``(64, 48)``, width first.

    >>> parse_object("64x48")
    (64, 48)
    """
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise RequestError(f"object {text!r} is not WxH with positive whole numbers of pixels, such as 64x48")
    return int(parts[0]), int(parts[1])


def command_line(specs: tuple[str, ...], output: str, given: dict[str, str | None], flags: list[str]) -> str:
    """The command that remakes the page, with file names but no folders.

    >>> command_line(("/home/me/best.pt",), "/tmp/r.html", {"--images": None}, ["--object", "64x48"])
    'rftools report best.pt --object 64x48 -o r.html'
    """
    import shlex

    from rftools.reporting.subject.subject import file_name

    words = ["rftools", "report", *map(file_name, specs)]
    for option, value in given.items():
        words += [] if value is None else [option, file_name(value)]
    return shlex.join([*words, *flags, "-o", file_name(output)])
