"""``rftools sparsity``: what pruning left."""

from __future__ import annotations

import click

from rftools.cli.options import check_outputs, emit, model_options, output_options, table_options, weights_of


@click.command("sparsity", short_help="What pruning left: zeros, taps, shapes of kernels.")
@model_options
@click.option("--threshold", type=float, help="Near zero is |w| below this (absolute).")
@click.option(
    "--relative", type=float, default=0.01, show_default=True, help="Near zero in standard deviations of the layer."
)
@table_options("layer", "filter", "input", "tap", "threshold", "storage")
@output_options
def command(
    spec: str,
    model: str | None,
    weights: str | None,
    input_size: str | None,
    seed: int,
    threshold: float | None,
    relative: float,
    group_by: str,
    csv_path: str | None,
    json_path: str | None,
    output: str | None,
) -> None:
    """What pruning left of SPEC: zeros, taps a kernel, shapes, dead filters. A bare state dict will do.

    \b
    Example:
      rftools sparsity runs/dilated/best.pt -o sparsity.png
    """
    check_outputs(json_path, output, csv_path)
    subject = weights_of(spec, model, weights, input_size, seed)
    from rftools.weights import sparsity

    result = sparsity(subject, threshold=threshold, relative=relative)
    table = None if group_by == "layer" else getattr(result, f"by_{group_by}")()
    emit(result, json_path, output, table, csv_path)
