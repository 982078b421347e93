"""``rftools erf``: the effective receptive field of layers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from rftools.cli.options import (
    check_outputs,
    emit,
    expanded,
    load_model,
    models_options,
    output_options,
    parse_numbers,
    parse_unit,
    progress_bar,
)
from rftools.errors import RequestError, closest

if TYPE_CHECKING:
    from rftools.erf import EffectiveComparison, EffectiveResult
    from rftools.loading import Model


def parse_share(text: str) -> float:
    """``5%`` and ``0.05`` alike as 0.05.

    >>> parse_share("5%"), parse_share("0.05")
    (0.05, 0.05)
    """
    try:
        value = float(text.rstrip(" %")) / (100 if text.rstrip().endswith("%") else 1)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise RequestError(f"precision {text!r} is not a share between 0 and 1, such as 5% or 0.05")
    return value


def parse_grid(text: str) -> tuple[int, ...]:
    """``3x5`` as ``(3, 5)``.

    >>> parse_grid("3x5"), parse_grid("7")
    ((3, 5), (7,))
    """
    parts = text.lower().split("x")
    if not 1 <= len(parts) <= 3 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise RequestError(f"grid {text!r} is not one whole number from 1 on for each axis, such as 3x3")
    return tuple(map(int, parts))


@click.command("erf", short_help="Effective receptive field of layers, from gradients.")
@models_options
@click.option("--layer", "layers", metavar="NAME", multiple=True, help="A layer or a pattern; may be repeated.")
@click.option("--unit", metavar="i,j", help="The output unit (default: the centre of each map), or class (token).")
@click.option("--of-input", "of", metavar="N", default="0", help="Which of several inputs images are for, from 0.")
@click.option("--grid", metavar="3x3", help="A grid of units of each layer, a row each.")
@click.option("--channel", metavar="3,5-9", help="These channels one by one (default: the sum of all).")
@click.option(
    "--aggregation",
    default="abs",
    show_default=True,
    metavar="NAME",
    help="abs, power, positive (Ding et al.) or signed.",
)
@click.option(
    "--method",
    default="gradient",
    show_default=True,
    metavar="NAME",
    help="gradient, or by captum: integrated-gradients, deconvolution, guided-backprop, occlusion, gradient-shap.",
)
@click.option("--images", metavar="FOLDER|FILE", help="Pictures, an NPY or NPZ array, or white or pink (noise).")
@click.option("--count", type=click.IntRange(min=1), help="How many images at most (default: 32).")
@click.option("--measure", "measures", metavar="NAME", multiple=True, help="Only this measure; may be repeated.")
@click.option("--precision", metavar="5%", help="Go on until each --measure (default: radius_50) is so narrow.")
@click.option("--max-images", type=click.IntRange(min=2), help="What --precision may take (default: 1000).")
@click.option("--random-weights", metavar="K", type=click.IntRange(min=1), help="Average over K draws of weights.")
@click.option("--init", default="default", metavar="NAME", help="Of them: xavier, he, orthogonal, uniform-positive.")
@click.option("--batch-size", default=16, show_default=True, type=click.IntRange(min=1))
@click.option("--strict", is_flag=True, help="Stop at a picture that can't be read instead of skipping it.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--npz", metavar="FILE", help="Write the maps, float64, one array a layer.")
@click.option("--kind", metavar="KIND", help="What -o draws: map, growth, sheet, profile, or grid (of --grid).")
@output_options
def command(
    specs: tuple[str, ...],
    model: str | None,
    weights: str | None,
    input_size: str | None,
    layers: tuple[str, ...],
    unit: str | None,
    channel: str | None,
    grid: str | None,
    images: str | None,
    measures: tuple[str, ...],
    precision: str | None,
    npz: str | None,
    kind: str | None,
    json_path: str | None,
    output: str | None,
    **options: Any,
) -> None:
    """Effective receptive field of SPEC's layers: the gradient of one unit each, with intervals.

    Two SPECs are compared on the same images: which differences hold. More are a series, such as the epochs of a run;
    --kind then draws difference, growth, curves or animation (.gif, or .html with a slider).

    \b
    Example:
      rftools erf runs/dilated/best.pt --images photos/ -o field.png
      rftools erf runs/dilated/epoch-*.pt --layer "features.block?" -o training.gif
    """
    specs = expanded(specs)
    moving = len(specs) > 1 and output is not None and output.lower().endswith(".gif")
    check_outputs(json_path, None if moving else output, npz)
    if kind is not None:
        check_kind(kind, len(specs))
    if kind == "grid" and grid is None:
        raise RequestError("--kind grid draws a grid of units; say how many (--grid 3x3)")
    options |= {
        "grid": None if grid is None else parse_grid(grid),
        "unit": None if unit is None else parse_unit(unit),
        "channel": None if channel is None else parse_numbers(channel, "channel"),
        "layers": list(layers) or None,
        "measures": list(measures) or None,
        "precision": None if precision is None else parse_share(precision),
    }
    loaded = [load_model(spec, model, weights, input_size, options["seed"]) for spec in specs]
    result = several(loaded, images, options) if len(loaded) > 1 else one(loaded[0], images, options)
    if npz is not None:
        result.to_npz(npz)
        print(f"wrote {npz}", file=sys.stderr)
    if kind is None and grid is not None and len(loaded) == 1:
        kind = "grid"
    drawn: dict[str, Any] = {} if kind is None else {"kind": kind}
    emit(result, json_path, output, **drawn)
    if result.partial:
        sys.exit(130)


def one(model: Model, images: str | None, options: dict[str, Any]) -> EffectiveResult:
    """One model's effective fields."""
    from rftools.erf import effective

    with progress_bar("images") as progress:
        result = effective(model, images, progress=progress, **options)
    tell(result)
    return result


def several(models: list[Model], images: str | None, options: dict[str, Any]) -> EffectiveComparison:
    """Several models on the same images, checkpoints of one run in the order of their epochs."""
    from rftools.erf import compare

    models, labels = in_order(models)
    with progress_bar("images") as progress:
        result = compare(models, images, labels=labels, progress=progress, **options)
    tell(result.results[0])
    if result.partial:
        print(f"interrupted: {len(result.labels)} of {len(models)} models are done", file=sys.stderr)
    if result.left_out:
        print(f"left out, since not all have them: {', '.join(result.left_out)}", file=sys.stderr)
    return result


def in_order(models: list[Model]) -> tuple[list[Model], list[str]]:
    """The models with their labels: by epoch where all are different epochs, else as given, by their names."""
    epochs = {int(model.metadata["epoch"]): model for model in models if "epoch" in model.metadata}
    if len(epochs) == len(models):
        return [epochs[epoch] for epoch in sorted(epochs)], [f"epoch {epoch}" for epoch in sorted(epochs)]
    return models, [model.name for model in models]


def check_kind(kind: str, models: int) -> None:
    """Raise `RequestError` for a plot that the result won't have."""
    from rftools.plots import kinds

    known = kinds("rftools.erf" if models == 1 else "rftools.erf-comparison")
    if kind not in known:
        what = "one SPEC" if models == 1 else "several SPECs"
        raise RequestError(f"no plot {kind!r} of {what}{closest(kind, known)}; there are {', '.join(known)}")


def tell(result: EffectiveResult) -> None:
    """What a table does not show, on standard error: the images, what was skipped, what happened on the way."""
    lines = [f"images: {result.source}, normalisation: {_norm(result.normalisation)}"]
    if result.skipped:
        names = ", ".join(result.skipped[:3]) + (" and so on" if len(result.skipped) > 3 else "")
        lines.append(f"skipped {len(result.skipped)} files that can't be read: {names}")
    if result.draws is not None:
        lines.append("random weights: {draws} draws, {init}, {images_per_draw} images each".format(**result.draws))
    if result.precision is not None:
        lines.append(precision_line(result.precision))
    if result.partial:
        lines.append("interrupted: this is what was done until then")
    print("\n".join([*lines, *result.events]), file=sys.stderr)


def precision_line(stated: Any) -> str:
    """How ``--precision`` ended."""
    asked = f"{', '.join(stated['measures'])} within {100 * stated['asked']:g} %"
    if stated["reached"]:
        return f"precision: {asked} after {stated['images']} images"
    worst = max(stated["missed"], key=lambda miss: miss["half_width"] or float("inf"))
    width = "undefined" if worst["half_width"] is None else f"{100 * worst['half_width']:.2g} %"
    where = f"{worst['measure']} of {worst['layer'] or 'the model'} is {width}"
    return f"precision: {asked} was not reached with {stated['images']} images; {where}"


def _norm(norm: object) -> str:
    return "unknown (inputs as they are)" if norm is None else str(norm)
