"""``rftools demo``: the whole way of the data, on pictures that come with a package."""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rftools.cli import options
from rftools.cli.talk import quiet, talk_options
from rftools.errors import RequestError, system_reason

if TYPE_CHECKING:
    import torch
    from torch import nn

    from rftools.models.data import Dataset

NET, SHARE = "rftools:vgg-dilated", 0.8  # 80 % of each layer's kernel weights are set to zero in the pruned copy
BLOCKS, CONVOLUTIONS = "features.block?", "features.*.conv"
KEPT = ("arch", "data")  # what stays true of the pruned copy; the curves, say, are the trained net's


@click.command("demo", short_help="Train a small net, analyse it, write its report.")
@click.option("-o", "--output", "folder", default="demo", show_default=True, metavar="DIR", help="Where it all goes.")
@click.option("--epochs", default=5, show_default=True, type=options.whole(1), help="How long to train.")
@options.seed
@talk_options
def command(folder: str, epochs: int, seed: int) -> None:
    """Train vgg-dilated on crops of photographs, look at its fields before and after, prune a copy, write reports.

    A second run of the same demo takes the trained net that it finds. The photographs come with scikit-image:
    pip install 'rftools[data]'.

    \b
    Example:
      rftools demo -o demo
    """
    begin = time.perf_counter()
    target = _folder(Path(folder))
    trained = _train(target / "run", epochs, seed)
    pictures = _held_out()
    _fields(target, trained, pictures)
    pruned = _prune(trained, target / "pruned.pt")
    _weights(target, pruned)
    _reports(target, {"report.html": trained, "report-pruned.html": pruned}, pictures)
    say(f"done in {time.perf_counter() - begin:.0f} s; open {target / 'report.html'} in a browser")


def say(line: str) -> None:
    """What it does and finds, on standard output: that is this command's answer."""
    if not quiet():
        print(line, flush=True)


def _folder(target: Path) -> Path:
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"cannot write {target}: {system_reason(error)}") from error
    return target


def _train(run: Path, epochs: int, seed: int) -> Path:
    """Train, or go on with the run that is there, if it is the same."""
    from rftools.cli.train import make_watcher
    from rftools.models.data import load_data
    from rftools.models.training.loop import train
    from rftools.models.training.options import Options
    from rftools.training import make_recipe

    data = {split: load_data("patches", split) for split in ("train", "test")}
    again = any(run.glob("epoch-*.pt"))
    if again:
        _check_same(run, epochs, seed)
    recipe, options = make_recipe(
        NET, len(data["train"].classes), data["train"].input_size[0], Options(epochs=epochs, seed=seed)
    )
    say(f"training {NET} for {epochs} epochs on {len(data['train'])} crops of 32 x 32 pixels, 8 photographs")
    history = train(recipe, data["train"], data["test"], run, options, resume=again, watcher=make_watcher())
    best = max(history, key=lambda epoch: epoch.val_accuracy)
    chance = 1 / len(data["train"].classes)
    say(f"  held-out accuracy {best.val_accuracy:.1%}, chance {chance:.1%}: {run / 'best.pt'}")
    return run / "best.pt"


def _check_same(run: Path, epochs: int, seed: int) -> None:
    from rftools.models import read_checkpoint

    last = read_checkpoint(max(run.glob("epoch-*.pt")))
    if last["random"]["seed"] != seed or last["epoch"] > epochs:
        raise RequestError(
            f"{run} holds a demo of {last['epoch']} epochs with seed {last['random']['seed']}, not of {epochs} with "
            f"seed {seed}; remove it, or name another folder with -o"
        )


def _held_out() -> torch.Tensor:
    """Every twelfth held-out picture, as the net takes it."""
    from rftools.models.data import load_data

    test: Dataset = load_data("patches", "test")
    return test.images[::12].float() / 255


def _fields(target: Path, trained: Path, pictures: torch.Tensor) -> None:
    """What a unit of each block can see, and what it does see before and after training."""
    import rftools as rf
    from rftools.plots import save

    model = rf.load(trained)
    can = rf.theoretical(model)
    say(f"theoretical field: {can['features.block4'].axes[0].size} pixels after the last convolution")
    _drawn(save, can, target / "theoretical.png")
    for name, path in (("before", trained.with_name("epoch-0000.pt")), ("after", trained)):
        does = rf.effective(rf.load(path), pictures, layers=[BLOCKS])
        half = does["features.block4"].measures["radius_50"]
        interval = f"95 % interval {half.low:.1f} to {half.high:.1f}"
        say(f"{name} training, half of the gradient lies within {half.value:.1f} pixels ({interval})")
        _drawn(save, does, target / f"effective-{name}.png", layer="features.block4")


def _prune(trained: Path, path: Path) -> Path:
    """A copy of the checkpoint without the smallest weights of each convolution."""
    import rftools as rf
    from rftools.pruning import Request, prune, save_pruned

    model = rf.load(trained)
    kept = {key: value for key, value in model.metadata.items() if key in KEPT}
    request = Request(sparsity=SHARE, layers=(CONVOLUTIONS,))
    cut = prune(dataclasses.replace(model, metadata=kept), request)
    save_pruned(path, cut, request)
    say(f"pruned copy, {SHARE:.0%} of each convolution's weights set to zero: {path}")
    say(f"  held-out accuracy {_accuracy(cut.model.module):.1%} without training on")
    return path


def _accuracy(module: nn.Module) -> float:
    import torch

    from rftools.models.data import load_data

    test = load_data("patches", "test")
    with torch.no_grad():
        scores = module(test.images.float() / 255)
    return float((scores.argmax(1) == test.labels).float().mean())


def _weights(target: Path, pruned: Path) -> None:
    """What pruning left, and which way it points."""
    import rftools as rf
    from rftools.plots import save

    model = rf.load(pruned)
    left = rf.sparsity(model)
    shapes = left.total.shapes
    say(f"  {left.total.sparsity:.1%} of all weights are zero")
    say(f"  kernels: {shapes.dead} dead, {shapes.point} points, {shapes.line} lines, {shapes.plane} planes")
    _drawn(save, left, target / "sparsity.png")
    points = rf.orientation(model)
    beyond = [row.name for row in points if row.q is not None and row.q < 0.05]
    say(f"  layers that point somewhere beyond chance (q < 0.05): {', '.join(beyond) or 'none'}")
    _drawn(save, points, target / "orientation.png")


def _drawn(save: Any, result: Any, path: Path, **options: Any) -> None:
    save(result, path, **options)
    say(f"  picture: {path}")


def _reports(target: Path, reports: dict[str, Path], pictures: torch.Tensor) -> None:
    import rftools as rf

    command = " ".join(["rftools", *sys.argv[1:]])
    for name, checkpoint in reports.items():
        path = rf.report(rf.load(checkpoint), target / name, images=pictures, command=command)
        say(f"report of {checkpoint.name}: {path}")
