"""``rftools probe``: the field that a trained net uses, by what it still tells right."""

from __future__ import annotations

from dataclasses import dataclass

import click

from rftools.cli import options, subject
from rftools.cli.formats import Outputs, emit, outputs
from rftools.cli.subject import Specs
from rftools.cli.talk import progress_bar, say, talk_options


@dataclass(frozen=True)
class Asked:
    """What the net is shown, and how."""

    data_name: str | None
    data_dir: str | None
    method: str
    count: int
    device: str
    batch_size: int


WORDS = (
    options.data(" Default: what a checkpoint was trained on."),
    options.data_dir,
    click.option(
        "--method",
        type=click.Choice(["occlusion", "shuffling", "distance", "pairs"]),
        default="occlusion",
        show_default=True,
        help="What changes: all outside a growing window (to the mean, or shuffled), how far a task's labels need to "
        "see, or how far two marks are apart.",
    ),
    options.count(200, "How many images at most; of pairs, a size."),
    options.device,
    options.batch_size(32),
)


@click.command("probe", short_help="The field that a trained net uses, by what it tells right.")
@subject.one
@options.packed(Asked, "asked", *WORDS)
@outputs("curve")
@talk_options
def command(subject: Specs, asked: Asked, outputs: Outputs) -> None:
    """The behavioural field of SPEC: how large a view must be for its answers, beside what it can see and does see.

    \b
    Example:
      rftools probe runs/dilated/best.pt -o probe.png
    """
    outputs.check(subject.files)
    outputs.check_drawing("rftools.probe")
    model = subject.load()
    from rftools.models.data import load_data
    from rftools.probing import probe

    data = asked.data_name or model.metadata.get("data")
    if asked.method != "pairs" and asked.data_dir is not None and data is not None:
        data = load_data(str(data), "test", root=asked.data_dir)
    given = {name: getattr(asked, name) for name in ("method", "count", "device", "batch_size")}
    with progress_bar("sizes") as progress:
        result = probe(model, data, seed=subject.seed, progress=progress, **given)
    say(result.shown)
    emit(result, outputs)
