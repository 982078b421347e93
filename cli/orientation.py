"""``rftools orientation``: which way kernels point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rftools.cli.options import check_outputs, emit, model_options, output_options, table_options, weights_of

if TYPE_CHECKING:
    from rftools.loading import Model


@click.command("orientation", short_help="Which way the surviving taps of each kernel point.")
@model_options
@click.option(
    "--mass",
    type=click.Choice(["survivors", "abs", "square"]),
    default="survivors",
    show_default=True,
    help="What a tap weighs: 1 where it is not zero, |w| or w^2.",
)
@click.option("--signs", is_flag=True, help="What the signs say: blobs, edges or lines, and which way kernels rise.")
@table_options
@output_options
def command(
    spec: str,
    model: str | None,
    weights: str | None,
    input_size: str | None,
    seed: int,
    mass: str,
    signs: bool,
    group_by: str,
    csv_path: str | None,
    json_path: str | None,
    output: str | None,
) -> None:
    """Which way the kernels of SPEC point, tested against random taps on the same lattice.

    \b
    Example:
      rftools orientation runs/dilated/best.pt -o polar.png
    """
    check_outputs(json_path, output, csv_path)
    subject = weights_of(spec, model, weights, input_size, seed)
    from rftools.loading import Model
    from rftools.weights import orientation

    jumps = input_jumps(subject) if isinstance(subject, Model) and subject.input_size is not None else None
    result = orientation(subject, mass=mass, jumps=jumps, seed=seed, signs=signs)
    table = result.by_filter() if group_by == "filter" else result.by_sign() if signs else None
    emit(result, json_path, output, table, csv_path)


def input_jumps(model: Model) -> dict[str, tuple[float, ...]]:
    """Input pixels between neighbouring taps at dilation 1, per axis: what turns taps into pixels."""
    from rftools.trf import theoretical

    jumps = {}
    modules = dict(model.module.named_modules())
    for row in theoretical(model):
        stride = getattr(modules.get(row.name), "stride", None)
        strides = [axis.stride for axis in row.axes]
        if not isinstance(stride, tuple) or len(stride) != len(strides) or None in strides:
            continue
        own = (1,) * len(stride) if "transpose" in row.op else stride  # its taps are steps of the output
        jumps[row.name] = tuple(out / s for out, s in zip(strides, own, strict=True) if out is not None)
    return jumps
