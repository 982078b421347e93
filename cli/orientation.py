"""``rftools orientation``: which way kernels point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rftools.cli.options import (
    check_outputs,
    emit,
    load_model,
    model_options,
    output_options,
    progress_bar,
    table_options,
    weights_of,
)
from rftools.errors import RequestError

if TYPE_CHECKING:
    from rftools.loading import Model
    from rftools.weights import OrientationResult


@click.command("orientation", short_help="Which way the surviving taps of each kernel point.")
@model_options
@click.option(
    "--of",
    "subject_of",
    type=click.Choice(["weights", "effective"]),
    default="weights",
    show_default=True,
    help="Of kernels, or of the effective fields of each layer's channels (needs the architecture).",
)
@click.option("--layer", "layers", metavar="PATTERN", multiple=True, help="With --of effective: which layers.")
@click.option("--images", metavar="FOLDER|FILE", help="With --of effective: as for rftools erf (default: white noise).")
@click.option("--count", default=8, show_default=True, type=click.IntRange(min=1), help="How many images at most.")
@click.option(
    "--mass",
    type=click.Choice(["survivors", "abs", "square"]),
    default="survivors",
    show_default=True,
    help="What a tap weighs: 1 where it is not zero, |w| or w^2.",
)
@click.option("--signs", is_flag=True, help="What the signs say: blobs, edges or lines, and which way kernels rise.")
@table_options("layer", "filter")
@output_options
def command(
    spec: str,
    model: str | None,
    weights: str | None,
    input_size: str | None,
    subject_of: str,
    layers: tuple[str, ...],
    images: str | None,
    count: int,
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
    if subject_of == "effective":
        if signs or mass != "survivors":
            raise RequestError("--signs and --mass speak of weights; leave them out with --of effective")
        result = _of_effective_fields(load_model(spec, model, weights, input_size, seed), layers, images, count, seed)
        emit(result, json_path, output, result.by_filter() if group_by == "filter" else None, csv_path)
        return
    if layers or images is not None:
        raise RequestError("--layer and --images speak of effective fields; add --of effective")
    subject = weights_of(spec, model, weights, input_size, seed)
    from rftools.loading import Model
    from rftools.weights import orientation

    jumps = input_jumps(subject) if isinstance(subject, Model) and subject.input_size is not None else None
    result = orientation(subject, mass=mass, jumps=jumps, seed=seed, signs=signs)
    table = result.by_filter() if group_by == "filter" else result.by_sign() if signs else None
    emit(result, json_path, output, table, csv_path)


def _of_effective_fields(
    model: Model, layers: tuple[str, ...], images: str | None, count: int, seed: int
) -> OrientationResult:
    from rftools.erf import effective_orientation

    with progress_bar("layers") as progress:
        return effective_orientation(model, images, list(layers) or None, count=count, seed=seed, progress=progress)


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
