"""``rftools tuning``: how filters answer to gratings."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from rftools.cli import options, subject
from rftools.cli.formats import Outputs, emit, outputs
from rftools.cli.parsing import parse_frequencies
from rftools.cli.subject import Specs
from rftools.cli.talk import progress_bar, talk_options


@dataclasses.dataclass(frozen=True)
class Asked:
    """Which gratings are shown to which layers, and what a row is."""

    layers: tuple[str, ...]
    orientations: int
    frequencies: str | None
    phases: int
    contrast: float
    size: float
    temporal: float | None
    response: str
    batch_size: int
    device: str
    group_by: str

    def options(self) -> dict[str, Any]:
        """The arguments of `rftools.tuning` beside the model."""
        given = vars(self) | {"layers": list(self.layers) or None, "frequencies": parse_frequencies(self.frequencies)}
        return {name: value for name, value in given.items() if name != "group_by"}


WORDS = (
    options.layers,
    click.option(
        "--orientations", default=24, show_default=True, type=options.whole(1), help="How many, over 180 degrees."
    ),
    click.option("--frequencies", metavar="F,F,...", help="Cycles a pixel (default: half octaves that fit the field)."),
    click.option(
        "--phases", default=8, show_default=True, type=options.whole(1), help="How many, over the full circle."
    ),
    click.option(
        "--contrast", default=1.0, show_default=True, type=options.FINITE, help="Of the gratings, above 0 up to 1."
    ),
    click.option(
        "--size",
        default=1.0,
        show_default=True,
        type=options.FINITE,
        help="The disc's diameter in diagonals of the field.",
    ),
    click.option("--temporal", type=options.FINITE, help="Cycles a frame, for nets over frames."),
    click.option("--response", default="F0", show_default=True, help="F0 (mean rectified) or F1 (first harmonic)."),
    options.batch_size(32),
    options.device,
    options.group_by("layer", "filter"),
)


@click.command("tuning", short_help="Orientation tuning of filters, from gratings.")
@subject.one
@options.packed(Asked, "asked", *WORDS)
@outputs("curves, polar, sheet, map or depth")
@talk_options
def command(subject: Specs, asked: Asked, outputs: Outputs) -> None:
    """Which orientations and spatial frequencies of gratings SPEC's filters prefer, and how sharply.

    \b
    Example:
      rftools tuning runs/dilated/best.pt --layers features.block1.conv -o tuning.png
    """
    outputs.check(subject.files)
    outputs.check_drawing("rftools.tuning")
    given = asked.options()
    model = subject.load()
    from rftools.gratings import tuning

    with progress_bar("gratings") as progress:
        result = tuning(model, seed=subject.seed, progress=progress, **given)
    emit(result, outputs, result.by_filter() if asked.group_by == "filter" else None)
