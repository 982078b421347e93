"""``rftools tuning``: how filters answer to gratings."""

from __future__ import annotations

from typing import Any

import click

from rftools.cli import options, subject
from rftools.cli.formats import Outputs, emit, outputs
from rftools.cli.parsing import parse_frequencies
from rftools.cli.subject import Specs
from rftools.cli.talk import progress_bar, talk_options

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
)


@click.command("tuning", short_help="Orientation tuning of filters, from gratings.")
@subject.one
@options.packed(dict, "asked", *WORDS)
@options.group_by("layer", "filter")
@outputs("curves, polar, sheet, map or depth")
@talk_options
def command(subject: Specs, asked: dict[str, Any], group_by: str, outputs: Outputs) -> None:
    """Which orientations and spatial frequencies of gratings SPEC's filters prefer, and how sharply.

    \b
    Example:
      rftools tuning runs/dilated/best.pt --layers features.block1.conv -o tuning.png
    """
    outputs.check(subject.files)
    outputs.check_drawing("rftools.tuning")
    asked |= {"layers": list(asked["layers"]) or None, "frequencies": parse_frequencies(asked["frequencies"])}
    model = subject.load()
    from rftools.gratings import tuning

    with progress_bar("gratings") as progress:
        result = tuning(model, seed=subject.seed, progress=progress, **asked)
    emit(result, outputs, result.by_filter() if group_by == "filter" else None)
