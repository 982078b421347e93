"""``rftools erf``: the effective receptive field of layers."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from rftools.cli import options, subject
from rftools.cli.formats import Outputs, emit, outputs
from rftools.cli.live import live_table
from rftools.cli.parsing import parse_grid, parse_numbers, parse_share, parse_unit
from rftools.cli.subject import Specs
from rftools.cli.talk import say, talk_options
from rftools.errors import RequestError

if TYPE_CHECKING:
    from rftools.erf import EffectiveComparison, EffectiveResult
    from rftools.loading import Model


@dataclass(frozen=True)
class Asked:
    """What is asked of the fields; `rftools.effective` says what each means."""

    layers: tuple[str, ...]
    unit: str | None
    of: str
    grid: str | None
    channel: str | None
    aggregation: str
    method: str
    images: str | None
    count: int | None
    measures: tuple[str, ...]
    precision: str | None
    max_images: int | None
    random_weights: int | None
    init: str
    batch_size: int
    device: str
    npz: str | None

    def options(self, subject: Specs) -> dict[str, Any]:
        """The arguments of `rftools.effective` beside model and images."""
        taken = ("of", "aggregation", "method", "count", "max_images", "random_weights", "init", "batch_size")
        return {name: getattr(self, name) for name in (*taken, "device")} | {
            "seed": subject.seed,
            "strict": subject.strict,
            "layers": list(self.layers) or None,
            "measures": list(self.measures) or None,
            "unit": None if self.unit is None else parse_unit(self.unit),
            "grid": None if self.grid is None else parse_grid(self.grid),
            "channel": None if self.channel is None else parse_numbers(self.channel, "channel"),
            "precision": None if self.precision is None else parse_share(self.precision),
        }


WORDS = (
    options.layers,
    options.unit,
    options.of_input("0"),
    click.option("--grid", metavar="3x3", help="A grid of units of each layer."),
    click.option("--channel", metavar="3,5-9", help="These channels one by one (default: the sum of all)."),
    click.option(
        "--aggregation", default="abs", show_default=True, metavar="NAME",
        help="abs, power, positive (Ding et al.) or signed.",
    ),
    click.option(
        "--method", default="gradient", show_default=True, metavar="NAME",
        help="gradient, or by captum: integrated-gradients, deconvolution, guided-backprop, occlusion, gradient-shap.",
    ),
    options.images,
    options.count(None, "How many images at most (default: as it takes, 8 to 32 a layer)."),
    click.option("--measure", "measures", metavar="NAME", multiple=True, help="Only this measure; may be repeated."),
    click.option("--precision", metavar="5%", help="Go on until each --measure (default: radius_50) is so narrow."),
    click.option("--max-images", type=options.whole(2), help="What --precision may take (default: 1000)."),
    click.option("--random-weights", metavar="K", type=options.whole(1), help="Average over K draws of weights."),
    click.option(
        "--init", default="default", metavar="NAME", help="Of them: xavier, he, orthogonal, uniform-positive."
    ),
    options.batch_size(16),
    options.device,
    click.option("--npz", metavar="FILE", type=options.FILE, help="Write the maps, float64, one array a layer."),
)  # fmt: skip


@click.command("erf", short_help="Effective receptive field of layers, from gradients.")
@subject.several
@options.packed(Asked, "asked", *WORDS)
@outputs("map, growth, sheet, profile, or grid (of --grid); of several SPECs difference, growth, curves, animation")
@talk_options
def command(subject: Specs, asked: Asked, outputs: Outputs) -> None:
    """Effective receptive field of SPEC's layers: the gradient of one unit each, with intervals.

    Two SPECs are compared on the same images: which differences hold. More are a series, such as the epochs of a run;
    --kind then draws difference, growth, curves or animation (.gif, or .html with a slider).

    \b
    Example:
      rftools erf runs/dilated/best.pt --images photos/ -o field.png
      rftools erf runs/dilated/epoch-*.pt --layers "features.block?" -o training.gif
    """
    subject = subject.expanded()
    outputs.check([*subject.files, asked.images], asked.npz)
    outputs.check_drawing("rftools.erf", "rftools.erf-comparison", models=len(subject.specs))
    if "grid" in outputs.kinds and asked.grid is None:
        raise RequestError("--kind grid draws a grid of units; say how many (--grid 3x3)")
    given = asked.options(subject)
    models = [subject.load_one(spec) for spec in subject.specs]
    result = _several(models, asked.images, given) if len(models) > 1 else _one(models[0], asked.images, given)
    if asked.npz is not None:
        result.to_npz(asked.npz)
        say(f"wrote {asked.npz}")
    emit(result, outputs, **_drawing(outputs, asked, len(models)))
    if result.partial:
        sys.exit(130)


def _drawing(outputs: Outputs, asked: Asked, models: int) -> dict[str, Any]:
    """What is drawn where no kind was named: a grid of units as a grid."""
    return {"kind": "grid"} if outputs.kind is None and asked.grid is not None and models == 1 else {}


def _one(model: Model, images: str | None, given: dict[str, Any]) -> EffectiveResult:
    """One model's effective fields."""
    from rftools.erf import effective
    from rftools.erf.words import notes_of

    with live_table("effective fields") as listener:
        result = effective(model, images, watch=listener.seen, **given)
    for line in notes_of(result):
        say(line)
    return result


def _several(models: list[Model], images: str | None, given: dict[str, Any]) -> EffectiveComparison:
    """Several models on the same images, checkpoints of one run in the order of their epochs."""
    from rftools.erf import compare
    from rftools.erf.words import in_order, notes_of_comparison

    models, labels = in_order(models)
    with live_table("effective fields") as listener:
        result = compare(models, images, labels=labels, watch=listener.seen, **given)
    for line in notes_of_comparison(result, len(models)):
        say(line)
    return result
