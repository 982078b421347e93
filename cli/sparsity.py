"""``rftools sparsity``: what pruning left."""

from __future__ import annotations

import click

from rftools.cli.options import (
    check_outputs,
    emit_all,
    expanded,
    models_options,
    output_options,
    table_options,
    weights_of,
)


@click.command("sparsity", short_help="What pruning left: zeros, taps, shapes of kernels.")
@models_options
@click.option("--threshold", type=float, help="Near zero is |w| below this (absolute).")
@click.option(
    "--relative", type=float, default=0.01, show_default=True, help="Near zero in standard deviations of the layer."
)
@click.option("--kind", type=click.Choice(["taps", "layers", "survival"]), help="What -o draws.")
@table_options("layer", "filter", "input", "tap", "threshold", "storage")
@output_options
def command(
    specs: tuple[str, ...],
    model: str | None,
    weights: str | None,
    input_size: str | None,
    seed: int,
    threshold: float | None,
    relative: float,
    kind: str | None,
    group_by: str,
    csv_path: str | None,
    json_path: str | None,
    output: str | None,
) -> None:
    """What pruning left of SPEC: zeros, taps a kernel, shapes, dead filters. A bare state dict will do.

    Of several SPECs, -o draws where their taps survive, one row a model: before and after pruning.

    \b
    Example:
      rftools sparsity runs/dilated/best.pt -o sparsity.png
    """
    check_outputs(json_path, output, csv_path)
    specs = expanded(specs)
    subjects = [weights_of(spec, model, weights, input_size, seed) for spec in specs]
    from rftools.weights import sparsity

    results = [sparsity(subject, threshold=threshold, relative=relative) for subject in subjects]
    tables = [None if group_by == "layer" else getattr(result, f"by_{group_by}")() for result in results]
    emit_all(results, json_path, output, tables, csv_path, kind=kind)
