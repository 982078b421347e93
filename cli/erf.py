"""``rftools erf``: the effective receptive field of layers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from rftools.cli.options import check_outputs, emit, load_model, model_options, output_options, parse_unit


@click.command("erf", short_help="Effective receptive field of layers, from gradients.")
@model_options
@click.option("--layer", "layers", metavar="NAME", multiple=True, help="A layer or a pattern; may be repeated.")
@click.option("--unit", metavar="i,j", help="The output unit (default: the centre of each layer's map).")
@click.option(
    "--aggregation",
    default="abs",
    show_default=True,
    metavar="NAME",
    help="abs, power, positive (Ding et al.) or signed.",
)
@click.option("--images", metavar="FOLDER|FILE", help="Pictures, an NPY or NPZ array, or white or pink (noise).")
@click.option("--count", default=32, show_default=True, type=click.IntRange(min=1), help="How many images at most.")
@click.option("--batch-size", default=16, show_default=True, type=click.IntRange(min=1))
@click.option("--strict", is_flag=True, help="Stop at a picture that can't be read instead of skipping it.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--npz", metavar="FILE", help="Write the maps, float64, one array a layer.")
@output_options
def command(
    spec: str,
    model: str | None,
    weights: str | None,
    input_size: str | None,
    seed: int,
    layers: tuple[str, ...],
    unit: str | None,
    aggregation: str,
    images: str | None,
    count: int,
    batch_size: int,
    strict: bool,
    device: str,
    npz: str | None,
    json_path: str | None,
    output: str | None,
) -> None:
    """Effective receptive field of SPEC's layers: the gradient of one unit each, with intervals.

    \b
    Example:
      rftools erf runs/dilated/best.pt --images photos/ -o field.png
    """
    check_outputs(json_path, output, npz)
    where = None if unit is None else parse_unit(unit)
    loaded = load_model(spec, model, weights, input_size, seed)
    from rftools.erf import effective

    with _progress() as progress:
        result = effective(
            loaded,
            images,
            list(layers) or None,
            where,
            aggregation,
            device,
            count=count,
            batch_size=batch_size,
            seed=seed,
            strict=strict,
            progress=progress,
        )
    print(f"images: {result.source}, normalisation: {_norm(result.normalisation)}", file=sys.stderr)
    if result.skipped:
        names = ", ".join(result.skipped[:3]) + (" and so on" if len(result.skipped) > 3 else "")
        print(f"skipped {len(result.skipped)} files that can't be read: {names}", file=sys.stderr)
    if npz is not None:
        result.to_npz(npz)
        print(f"wrote {npz}", file=sys.stderr)
    emit(result, json_path, output)


def _norm(norm: object) -> str:
    return "unknown (inputs as they are)" if norm is None else str(norm)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("images"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("images", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
