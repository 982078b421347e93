"""``rftools sparsity``: what pruning left."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from rftools.errors import RequestError

if TYPE_CHECKING:
    from pathlib import Path

    from rftools.loading import Model
    from rftools.weights import SparsityResult

MOST_WALKED = 60  # layers whose fields are walked unasked: a few seconds
LATER = "Surviving fields were left out: {} layers hold weights, and each takes a walk; --surviving works them out."


@click.command("sparsity", short_help="What pruning left: zeros, taps, shapes of kernels.")
@models_options
@click.option("--threshold", type=float, help="Near zero is |w| below this (absolute).")
@click.option(
    "--relative", type=float, default=0.01, show_default=True, help="Near zero in standard deviations of the layer."
)
@click.option(
    "--surviving/--no-surviving",
    default=None,
    help="The field that pruning left beside each layer (default: where weights are zero, if that takes seconds).",
)
@click.option("--kind", type=click.Choice(["taps", "layers", "survival"]), help="What -o draws.")
@table_options("layer", "filter", "kernel", "input", "tap", "threshold", "storage")
@output_options
def command(
    specs: tuple[str, ...],
    model: str | None,
    weights: str | None,
    input_size: str | None,
    seed: int,
    threshold: float | None,
    relative: float,
    surviving: bool | None,
    kind: str | None,
    group_by: str,
    csv_path: str | None,
    json_path: str | None,
    output: str | None,
) -> None:
    """What pruning left of SPEC: zeros, taps a kernel, shapes, dead filters. A bare state dict will do.

    Where SPEC has an architecture, the field that is left stands beside each layer.

    Of several SPECs, -o draws where their taps survive, one row a model: before and after pruning.

    \b
    Example:
      rftools sparsity runs/dilated/best.pt -o sparsity.png
    """
    check_outputs(json_path, output, csv_path)
    specs = expanded(specs)
    subjects = [weights_of(spec, model, weights, input_size, seed) for spec in specs]
    from rftools.weights import sparsity

    single = group_by == "kernel"
    results = [
        _with_fields(sparsity(subject, threshold=threshold, relative=relative, kernels=single), subject, surviving)
        for subject in subjects
    ]
    tables = [None if group_by == "layer" else getattr(result, f"by_{group_by}")() for result in results]
    emit_all(results, json_path, output, tables, csv_path, kind=kind)


def _with_fields(result: SparsityResult, subject: Model | Path, asked: bool | None) -> SparsityResult:
    """The result with surviving fields beside its layers, or with why there are none; ``asked``: None if sensible."""
    from rftools.loading import Model
    from rftools.trf import theoretical
    from rftools.weights import NO_ARCHITECTURE, with_fields, without_fields

    if asked is False or (asked is None and not result.total.zeros):
        return result
    if not isinstance(subject, Model):
        if asked:
            raise RequestError(f"{result.model.name} is a bare state dict; {NO_ARCHITECTURE}")
        return without_fields(result, f"No surviving fields: {NO_ARCHITECTURE}.")
    if asked is None and len(result) > MOST_WALKED:
        return without_fields(result, LATER.format(len(result)))
    try:
        return with_fields(result, theoretical(subject, surviving=True))
    except RequestError as error:
        if asked:
            raise
        return without_fields(result, f"No surviving fields: {error}.")
