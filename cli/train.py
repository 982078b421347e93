"""``rftools train``: train a net and leave checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from rftools.cli import options
from rftools.cli.talk import quiet, say, shows_progress, talk_options
from rftools.errors import RequestError, one_line

if TYPE_CHECKING:
    from rftools.models.data import Dataset
    from rftools.models.training.options import Options
    from rftools.models.training.progress import Epoch, Watcher
    from rftools.models.training.schedules import Pruning


@dataclass(frozen=True)
class Data:
    """What is learnt from."""

    data_name: str
    data_dir: str | None
    download: bool
    size: int | None

    def sets(self) -> tuple[Dataset, Dataset]:
        """The pictures to learn from, and those held out."""
        from rftools.models.data import load_data

        if self.download:
            _download(self.data_name, self.data_dir)
        train, test = (
            load_data(self.data_name, part, root=self.data_dir, size=self.size) for part in ("train", "test")
        )
        return train, test


@dataclass(frozen=True)
class Learning:
    """How long, how fast and where it is trained."""

    recipe: str | None
    epochs: int
    batch_size: int
    lr: float
    steps_per_epoch: int | None
    seed: int
    device: str
    amp: bool
    channels_last: bool
    compile: bool

    def options(self, pruning: Pruning | None) -> Options:
        """The same for the training loop: the recipe's values, but for those that were given."""
        from rftools.models.training.options import RECIPES, Options

        own = {name: value for name, value in vars(self).items() if name != "recipe"} | {"pruning": pruning}
        source = click.get_current_context().get_parameter_source
        recipe = RECIPES[self.recipe] if self.recipe else {}
        return Options(**own | {name: value for name, value in recipe.items() if source(name) in UNSAID})


@dataclass(frozen=True)
class Pruned:
    """What is set to zero on the way."""

    prune: str | None
    keep: str | None
    prune_every: str
    prune_scope: str
    prune_layers: tuple[str, ...]
    prune_depthwise: bool

    def asked(self) -> Pruning | None:
        """The same for the training loop; the words beside ``--prune`` say nothing without it."""
        from rftools.models.training.schedules import Pruning, parse_share

        if self.prune is not None:
            share = None if self.keep is None else parse_share(self.keep, "--keep")
            how = (self.prune_every, self.prune_scope, self.prune_layers, self.prune_depthwise)
            return Pruning(self.prune, *how, share)
        alone = {"--keep": self.keep, "--prune-layers": self.prune_layers, "--prune-depthwise": self.prune_depthwise}
        for flag, value in alone.items():
            if value:
                raise RequestError(
                    f"{flag} prunes nothing without --prune SCHEDULE, such as --prune constant:0.5@begin=200"
                )
        return None


DATA = (
    options.data(required=True),
    options.data_dir,
    click.option("--download", is_flag=True, help="Fetch cifar's files into --data-dir first."),
    click.option("--size", type=options.whole(1), help="Resize the pictures of folder to this side."),
)
UNSAID = (None, ParameterSource.DEFAULT)
COURSE = (
    click.option(
        "--recipe",
        type=click.Choice(["article"]),
        help="Values of what isn't given. article: 80 epochs of 1000 steps of 32, Adam 1e-3, decay 1e-5.",
    ),
    click.option("--epochs", default=80, show_default=True, type=options.whole(1)),
    options.batch_size(32),
    click.option("--lr", default=1e-3, show_default=True, type=options.FINITE, help="Adam's rate at the first step."),
    click.option("--steps-per-epoch", type=options.whole(1), help="Default: one pass over the data, at most 1000."),
    options.seed,
    options.device,
    click.option("--amp", is_flag=True, help="bfloat16 where it is safe."),
    click.option(
        "--channels-last/--no-channels-last", default=True, help="Channels-last memory format, which is faster (on)."
    ),
    click.option("--compile", is_flag=True, help="Compile the net with torch.compile."),
)
PRUNED = (
    click.option(
        "--prune", metavar="SCHEDULE",
        help="Set the smallest weights to zero on the way: constant:0.5@begin=200, polynomial:0.0->0.9@2e..8e (e: "
        "epochs).",
    ),
    click.option(
        "--keep", metavar="SHARE", help="The share to keep, for a --prune without a sparsity: constant@begin=200."
    ),
    click.option(
        "--prune-every", default="20", show_default=True, metavar="STEPS",
        help="Renew the masks so often (1e: an epoch).",
    ),
    click.option(
        "--prune-scope", type=click.Choice(["layer", "global"]), default="layer", show_default=True,
        help="A threshold each, or one for all.",
    ),
    click.option(
        "--prune-layers", multiple=True, metavar="PATTERN[=S]", callback=options.by_commas,
        help="Only these layers, with a sparsity of their own.",
    ),
    click.option("--prune-depthwise", is_flag=True, help="Depthwise kernels too."),
)  # fmt: skip


@click.command("train", short_help="Train a net and leave checkpoints.")
@click.argument("spec")
@options.packed(Data, "data", *DATA)
@click.option("-o", "--output", "run", required=True, metavar="RUN", help="Folder for checkpoints and metrics.")
@options.packed(Learning, "course", *COURSE)
@options.packed(Pruned, "pruned", *PRUNED)
@click.option("--resume", is_flag=True, help="Go on after the run's last checkpoint.")
@options.limit
@talk_options
def command(spec: str, data: Data, run: str, course: Learning, pruned: Pruned, resume: bool) -> None:
    """Train SPEC on a data set; the study's recipe is the default.

    A folder that holds a run already is not written over: --resume goes on with it.

    \b
    Example:
      rftools train rftools:vgg-dilated --data patches --epochs 5 -o runs/dilated
    """
    from rftools.models.training.group import here
    from rftools.models.training.runs import prepare_run
    from rftools.training import prepare

    how = course.options(pruned.asked())
    how.check()
    prepare_run(run, resume=resume)  # told before pictures are fetched
    training = prepare(spec, data.sets(), run, how, resume=resume)
    learnt, held_out = training.train_set, training.test_set
    say(f"{spec} on {data.data_name}: {len(learnt)} pictures to learn from, {len(held_out)} held out")
    try:
        history = training.go(make_watcher())
    except KeyboardInterrupt:
        say(f"stopped; every whole epoch is in {run}: go on with --resume")
        raise
    if here().first:
        click.echo(_result(history, len(learnt.classes), run))


def _result(history: Sequence[Epoch], classes: int, run: str) -> str:
    """The best epoch in a line."""
    from rftools.models.training.runs import merit

    best = max(history, key=lambda epoch: merit(vars(epoch)))
    left = "" if best.sparsity is None else f", sparsity {best.sparsity:.3f} (keeps {1 - best.sparsity:.3f})"
    reached = f"best held-out accuracy {best.val_accuracy:.1%} (chance {1 / classes:.1%})"
    return one_line(f"{reached}{left}, epoch {best.epoch}: {run}/best.pt")


def _download(name: str, data_dir: str | None) -> None:
    from pathlib import Path

    from rftools.models import cifar

    if name not in cifar.VARIANTS:
        raise RequestError(f"--download knows {' and '.join(cifar.VARIANTS)}, not {name}")
    cifar.download(name, Path(data_dir or "data"))


def make_watcher() -> Watcher:
    """A progress bar on a terminal, a line an epoch elsewhere, nothing where it should be quiet."""
    from rftools.models.training.progress import Watcher

    if quiet():
        return Watcher()
    from rftools.cli.watching import Bar, Lines

    return Bar() if shows_progress() else Lines()
