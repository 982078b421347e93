"""``rftools tuning``: how filters answer to gratings."""

from __future__ import annotations

import click

from rftools.cli.options import (
    check_outputs,
    emit,
    load_model,
    model_options,
    output_options,
    progress_bar,
    table_options,
)
from rftools.errors import RequestError


def parse_frequencies(text: str | None) -> tuple[float, ...] | None:
    """``0.1,0.2`` as ``(0.1, 0.2)``.

    >>> parse_frequencies("0.1,0.2")
    (0.1, 0.2)
    """
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise RequestError(f"frequencies {text!r} are not numbers separated by commas, such as 0.1,0.2") from None


@click.command("tuning", short_help="Orientation tuning of filters, from gratings.")
@model_options
@click.option("--layer", "layers", metavar="PATTERN", multiple=True, help="A layer or a pattern; may be repeated.")
@click.option("--orientations", default=24, show_default=True, help="How many, over 180 degrees.")
@click.option("--frequencies", metavar="F,F,...", help="Cycles a pixel (default: half octaves that fit the field).")
@click.option("--phases", default=8, show_default=True, help="How many, over the full circle.")
@click.option("--contrast", default=1.0, show_default=True, help="Of the gratings, above 0 up to 1.")
@click.option("--size", default=1.0, show_default=True, help="The disc's diameter in diagonals of the field.")
@click.option("--temporal", type=float, help="Cycles a frame, for nets over frames.")
@click.option("--response", default="F0", show_default=True, help="F0 (mean rectified) or F1 (first harmonic).")
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(min=1))
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--kind", type=click.Choice(["curves", "polar", "sheet", "map", "depth"]), help="What -o draws.")
@table_options("layer", "filter")
@output_options
def command(
    spec: str,
    model: str | None,
    weights: str | None,
    input_size: str | None,
    layers: tuple[str, ...],
    orientations: int,
    frequencies: str | None,
    phases: int,
    contrast: float,
    size: float,
    temporal: float | None,
    response: str,
    batch_size: int,
    seed: int,
    device: str,
    kind: str | None,
    group_by: str,
    csv_path: str | None,
    json_path: str | None,
    output: str | None,
) -> None:
    """Which orientations and spatial frequencies of gratings SPEC's filters prefer, and how sharply.

    \b
    Example:
      rftools tuning runs/dilated/best.pt --layer features.block1.conv -o tuning.png
    """
    check_outputs(json_path, output, csv_path)
    chosen = parse_frequencies(frequencies)
    loaded = load_model(spec, model, weights, input_size, seed)
    from rftools.gratings import tuning

    with progress_bar("gratings") as progress:
        result = tuning(
            loaded,
            list(layers) or None,
            orientations=orientations,
            frequencies=chosen,
            phases=phases,
            contrast=contrast,
            size=size,
            temporal=temporal,
            response=response,
            device=device,
            batch_size=batch_size,
            seed=seed,
            progress=progress,
        )
    table = result.by_filter() if group_by == "filter" else None
    emit(result, json_path, output, table, csv_path, kind=kind)
