"""``rftools train``: train a net and leave checkpoints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from rftools.errors import RequestError

if TYPE_CHECKING:
    from rftools.models.training.loop import Epoch, Options, Progress, Recipe, Watcher
    from rftools.models.training.schedules import Pruning


@click.command("train", short_help="Train a net and leave checkpoints.")
@click.argument("spec")
@click.option("--data", "data_name", required=True, help="patches, mnist5k, cifar10, cifar100 or folder.")
@click.option("--data-dir", metavar="DIR", help="Where the files of cifar or the pictures of folder are.")
@click.option("--download", is_flag=True, help="Fetch cifar's files into --data-dir first.")
@click.option("--size", type=click.IntRange(min=1), help="Resize the pictures of folder to this side.")
@click.option("-o", "--output", "run", required=True, metavar="RUN", help="Folder for checkpoints and metrics.")
@click.option("--epochs", default=80, show_default=True, type=int)
@click.option("--batch-size", default=32, show_default=True, type=int)
@click.option("--lr", default=1e-3, show_default=True, type=float, help="Adam's rate at the first step.")
@click.option("--steps-per-epoch", type=int, help="Default: one pass over the data, at most 1000.")
@click.option("--seed", default=0, show_default=True, type=int)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--amp", is_flag=True, help="bfloat16 where it is safe.")
@click.option("--channels-last", is_flag=True, help="Channels-last memory format.")
@click.option("--compile", "compiled", is_flag=True, help="Compile the net with torch.compile.")
@click.option(
    "--prune",
    metavar="SCHEDULE",
    help="Set the smallest weights to zero on the way: constant:0.5@begin=200, polynomial:0.0->0.9@2e..8e (e: epochs).",
)
@click.option(
    "--keep", metavar="SHARE", help="The share to keep, for a --prune without a sparsity: constant@begin=200."
)
@click.option(
    "--prune-every", default="20", show_default=True, metavar="STEPS", help="Renew the masks so often (1e: an epoch)."
)
@click.option(
    "--prune-scope",
    type=click.Choice(["layer", "global"]),
    default="layer",
    show_default=True,
    help="A threshold each, or one for all.",
)
@click.option(
    "--prune-layers", multiple=True, metavar="PATTERN[=S]", help="Only these layers, with a sparsity of their own."
)
@click.option("--prune-depthwise", is_flag=True, help="Depthwise kernels too.")
@click.option("--resume", is_flag=True, help="Go on after the run's last checkpoint.")
def command(
    spec: str,
    data_name: str,
    data_dir: str | None,
    download: bool,
    size: int | None,
    run: str,
    resume: bool,
    compiled: bool,
    prune: str | None,
    keep: str | None,
    prune_every: str,
    prune_scope: str,
    prune_layers: tuple[str, ...],
    prune_depthwise: bool,
    **given: Any,
) -> None:
    """Train SPEC on a data set; the study's recipe is the default.

    \b
    Example:
      rftools train rftools:vgg-dilated --data patches --epochs 5 -o runs/dilated
    """
    from rftools.models.data import load_data
    from rftools.models.training.loop import Options, train
    from rftools.models.training.pruning import make_pruner
    from rftools.models.training.runs import merit, prepare_run

    pruning = make_pruning(prune, keep, prune_every, prune_scope, prune_layers, prune_depthwise)
    options = Options(compile=compiled, pruning=pruning, **given)
    options.check()
    prepare_run(run, resume=resume)
    if download:
        _download(data_name, data_dir)
    train_set, test_set = (load_data(data_name, split, root=data_dir, size=size) for split in ("train", "test"))
    recipe, options = make_recipe(spec, len(train_set.classes), train_set.input_size[0], options)
    if options.pruning is not None:  # a pattern that matches nothing is told before anything is said or done
        steps = options.steps_an_epoch(len(train_set))
        make_pruner(recipe.make(), options.pruning, per_epoch=steps, total=steps * options.epochs)
    print(f"{spec} on {data_name}: {len(train_set)} pictures to learn from, {len(test_set)} held out", file=sys.stderr)
    try:
        history = train(recipe, train_set, test_set, run, options, resume=resume, watcher=make_watcher())
    except KeyboardInterrupt:
        print(f"stopped; every whole epoch is in {run}: go on with --resume", file=sys.stderr)
        raise
    if not history:
        raise RequestError(f"{run} has no epoch")
    best = max(history, key=lambda epoch: merit(vars(epoch)))
    chance = 1 / len(train_set.classes)
    left = "" if best.sparsity is None else f", sparsity {best.sparsity:.3f} (keeps {1 - best.sparsity:.3f})"
    print(
        f"best held-out accuracy {best.val_accuracy:.1%} (chance {chance:.1%}){left}, epoch {best.epoch}: {run}/best.pt"
    )


def make_pruning(
    schedule: str | None, keep: str | None, every: str, scope: str, layers: tuple[str, ...], depthwise: bool
) -> Pruning | None:
    """What ``--prune`` and the options beside it ask for; they say nothing without it."""
    from rftools.models.training.schedules import Pruning, parse_share

    if schedule is not None:
        share = None if keep is None else parse_share(keep, "--keep")
        return Pruning(schedule, every, scope, layers, depthwise, share)
    alone = {"--keep": keep, "--prune-layers": layers, "--prune-depthwise": depthwise}
    for flag, value in alone.items():
        if value:
            raise RequestError(
                f"{flag} prunes nothing without --prune SCHEDULE, such as --prune constant:0.5@begin=200"
            )
    return None


def _download(name: str, data_dir: str | None) -> None:
    from pathlib import Path

    from rftools.models import cifar

    if name not in cifar.VARIANTS:
        raise RequestError(f"--download knows {' and '.join(cifar.VARIANTS)}, not {name}")
    cifar.download(name, Path(data_dir or "data"))


def make_recipe(spec: str, classes: int, channels: int, options: Options) -> tuple[Recipe, Options]:
    """How to build the net, and the options with the weight decay that the table gives it."""
    import dataclasses

    from rftools.loading.factories import build
    from rftools.models import NETS
    from rftools.models.training.loop import Recipe

    source, _, name = spec.partition(":")
    arguments: dict[str, Any]
    if source == "rftools":
        arguments = {"classes": classes, "channels": channels}
        build(spec, **arguments)  # an unknown name is told before anything else
        options = dataclasses.replace(options, l2=NETS[name].l2)
        arch = {"name": name, "arguments": arguments}
    else:
        arguments = {"num_classes": classes} if source in {"torchvision", "timm"} else {}
        arch = {"name": spec, "arguments": arguments}
    return Recipe(arch, lambda: build(spec, **arguments).module.train()), options


def make_watcher() -> Watcher:
    """A progress bar on a terminal, a line an epoch elsewhere."""
    from rftools.models.training.loop import Watcher

    class Lines(Watcher):
        def note(self, line: str) -> None:
            print(line, file=sys.stderr, flush=True)

        def end_epoch(self, epoch: Epoch) -> None:
            left = "" if epoch.sparsity is None else f"sparsity {epoch.sparsity:.3f}, keep {1 - epoch.sparsity:.3f} "
            print(
                f"epoch {epoch.epoch}: loss {epoch.loss:.4f} accuracy {epoch.accuracy:.3f} "
                f"held out {epoch.val_loss:.4f} {epoch.val_accuracy:.3f} {left}"
                f"({epoch.images_per_second:.0f} images/s)",
                file=sys.stderr,
                flush=True,
            )

    if not sys.stderr.isatty():
        return Lines()
    import rich.progress
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    class Bar(Lines):
        def begin(self, epochs: int, steps: int, device: str) -> None:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"))
            console = Console(stderr=True)
            self.bar = rich.progress.Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
            self.steps = steps
            self.task = self.bar.add_task(f"{epochs} epochs on {device}", total=epochs * steps, note="")
            self.bar.start()

        def step(self, progress: Progress) -> None:
            note = (
                f"epoch {progress.epoch} loss {progress.loss:.3f} accuracy {progress.accuracy:.2f} "
                f"{progress.images_per_second:.0f} images/s"
            )
            self.bar.update(self.task, completed=(progress.epoch - 1) * self.steps + progress.step, note=note)

        def end_epoch(self, epoch: Epoch) -> None:
            self.bar.stop()
            super().end_epoch(epoch)
            self.bar.start()

        def close(self) -> None:
            self.bar.stop()

    return Bar()
