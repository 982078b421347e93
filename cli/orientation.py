"""``rftools orientation``: which way kernels point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rftools.cli.options import (
    check_outputs,
    emit_all,
    expanded,
    load_model,
    models_options,
    output_options,
    progress_bar,
    table_options,
    weights_of,
)
from rftools.errors import RequestError

if TYPE_CHECKING:
    from pathlib import Path

    from rftools.loading import Model
    from rftools.weights import OrientationResult

SEVERAL = ("course", "sheet")  # drawings of several models
EXAMPLES = 100  # kernels of a layer that are drawn


@click.command("orientation", short_help="Which way the surviving taps of each kernel point.")
@models_options
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
@click.option(
    "--kind",
    type=click.Choice(["polar", "depth", "kernels", "course", "sheet"]),
    help="What -o draws; of several SPECs course or sheet.",
)
@table_options("layer", "filter")
@output_options
def command(
    specs: tuple[str, ...],
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
    kind: str | None,
    group_by: str,
    csv_path: str | None,
    json_path: str | None,
    output: str | None,
) -> None:
    """Which way the kernels of SPEC point, tested against random taps on the same lattice.

    Of several SPECs (a run's RUN/epoch-*.pt, one net at several sparsities), -o draws the course of anisotropy and
    resultant, or with --kind sheet the roses of each.

    \b
    Example:
      rftools orientation runs/dilated/best.pt -o polar.png
    """
    check_outputs(json_path, output, csv_path)
    specs = expanded(specs)
    if subject_of == "effective" and (signs or mass != "survivors"):
        raise RequestError("--signs and --mass speak of weights; leave them out with --of effective")
    if subject_of == "weights" and (layers or images is not None):
        raise RequestError("--layer and --images speak of effective fields; add --of effective")
    if kind is not None and (kind in SEVERAL) != (len(specs) > 1):
        raise RequestError(
            f"--kind {kind} draws {'several SPECs' if kind in SEVERAL else 'one SPEC'}; {len(specs)} given"
        )
    kind = kind or ("course" if len(specs) > 1 else None)
    results = []
    for spec in specs:
        if subject_of == "effective":
            loaded = load_model(spec, model, weights, input_size, seed)
            results.append(_of_effective_fields(loaded, layers, images, count, seed))
        else:
            subject = weights_of(spec, model, weights, input_size, seed)
            results.append(_of_weights(subject, mass, seed, signs, EXAMPLES if kind == "kernels" else 0))
    tables = [r.by_filter() if group_by == "filter" else r.by_sign() if signs else None for r in results]
    emit_all(results, json_path, output, tables, csv_path, kind=kind)


def _of_weights(subject: Model | Path, mass: str, seed: int, signs: bool, examples: int) -> OrientationResult:
    from rftools.loading import Model
    from rftools.weights import orientation

    jumps = input_jumps(subject) if isinstance(subject, Model) and subject.input_size is not None else None
    return orientation(subject, mass=mass, jumps=jumps, seed=seed, signs=signs, examples=examples)


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
