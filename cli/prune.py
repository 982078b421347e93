"""``rftools prune``: prune a trained net and write what is left."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from rftools.cli import options, subject
from rftools.cli.formats import Files, emit, files
from rftools.cli.subject import Specs
from rftools.cli.talk import say, talk_options
from rftools.errors import RequestError

if TYPE_CHECKING:
    from rftools.loading import Model
    from rftools.pruning import Cut, Pictures, Request


@dataclass(frozen=True)
class Material:
    """The pictures that scores are taken from, and what is trained on afterwards."""

    epochs: int | None
    images: str | None
    count: int
    batch_size: int
    device: str
    data_name: str | None
    data_dir: str | None

    def pictures(self, model: Model, seed: int) -> Pictures:
        """What scores are taken from."""
        from rftools.pruning import pictures_of

        found = pictures_of(model, self.images, count=self.count, seed=seed, root=self.data_dir)
        say(f"images: {found.source}")
        return replace(found, batch_size=self.batch_size)


WORDS = (
    click.option("--sparsity", metavar="SHARE", help="The share of weights to set to zero, such as 0.9."),
    click.option("--keep", metavar="SHARE", help="The share to keep: 1 minus the sparsity."),
    click.option("--taps", type=options.whole(1), metavar="N", help="At most N taps in each kernel."),
    click.option(
        "--method", default="magnitude", show_default=True, metavar="NAME",
        help="magnitude, random, per-kernel, gradient or wanda.",
    ),
    click.option("--scope", metavar="NAME", help="What is compared with each other: kernel, filter, layer or global."),
    options.layers_with("PATTERN[=S]", " =S gives them a sparsity of their own."),
    click.option("--depthwise", is_flag=True, help="Depthwise kernels too."),
    click.option(
        "--keep-field", is_flag=False, flag_value="kernel", metavar="[kernel|layer]",
        help="Each kernel that is left (or each layer) still spans its box.",
    ),
    click.option(
        "--balance-orientation", "balance", is_flag=True, help="Balance directions over each filter's kernels."
    ),
    click.option("--allow-dead-layers", is_flag=True, help="Even if a layer loses all its weights."),
)  # fmt: skip
DATA = (
    click.option(
        "--finetune", "epochs", type=options.whole(1), metavar="N", help="Train on for N epochs, masks fixed."
    ),
    options.images,
    options.count(64),
    options.batch_size(16),
    options.device,
    options.data(" Default: the checkpoint's own."),
    options.data_dir,
)
TARGET = click.option(
    "-o", "--output", required=True, multiple=True, metavar="FILE", type=options.FILE,
    help="The pruned checkpoint, .pt or .pth; may be repeated.",
)  # fmt: skip


@click.command("prune", short_help="Prune a trained net and write what is left.")
@subject.one
@options.packed(dict, "asked", *WORDS)
@options.packed(Material, "data", *DATA)
@TARGET
@files
@talk_options
def command(subject: Specs, asked: dict[str, Any], data: Material, output: tuple[str, ...], outputs: Files) -> None:
    """Prune SPEC, a checkpoint or an architecture, and write the checkpoint that is left.

    \b
    Example:
      rftools prune runs/dilated/best.pt --sparsity 0.9 --finetune 1 -o pruned.pt
    """
    from rftools.pruning import prune, save_pruned
    from rftools.pruning.request import NEED_PICTURES
    from rftools.pruning.write import check_target

    request = requested(seed=subject.seed, **asked)
    for path in output:
        check_target(path)
    outputs.check([*subject.files, data.images], *output)
    loaded = subject.load()
    loaded.require_input_size()
    pictures = data.pictures(loaded, subject.seed) if request.method in NEED_PICTURES else None
    cut = prune(loaded, request, pictures)
    if data.epochs is not None:
        cut = finetuned(cut, loaded, data, subject.seed)
    for path in output:
        save_pruned(path, cut, request)
    for line in [*said(cut, request), *(f"wrote {path}" for path in output)]:
        say(line)
    emit(cut.result, outputs)


def requested(*, sparsity: str | None, keep: str | None, **asked: Any) -> Request:
    """The command's words as a request, checked."""
    from rftools.pruning import Request

    request = Request(sparsity=share_of(sparsity, keep), **asked)
    request.check()
    return request


def share_of(sparsity: str | None, keep: str | None) -> float | None:
    """The sparsity that ``--sparsity`` or its complement ``--keep`` gives."""
    from rftools.models.training.schedules import parse_share

    if sparsity is not None and keep is not None:
        raise RequestError(f"--sparsity {sparsity} and --keep {keep} say the same thing twice; give one of them")
    if keep is not None:
        return 1 - parse_share(keep, "--keep")
    return None if sparsity is None else parse_share(sparsity, "--sparsity")


def finetuned(cut: Cut, model: Model, data: Material, seed: int) -> Cut:
    """The pruned net after some epochs on the data that it was trained on, or on those that were named."""
    from rftools.cli.train import make_watcher
    from rftools.models.data import load_data
    from rftools.models.training.loop import finetune
    from rftools.models.training.options import Options
    from rftools.pruning.cut import with_history

    name = data.data_name or model.metadata.get("data")
    if name is None or "epoch" not in model.metadata:
        raise RequestError("--finetune goes on with the recipe of `rftools train`; it takes a checkpoint of that")
    size = model.require_input_size()[-1] if name == "folder" else None
    train_set, test_set = (load_data(name, split, root=data.data_dir, size=size) for split in ("train", "test"))
    how = Options(epochs=data.epochs or 1, seed=seed, device=data.device)
    history = finetune(cut.model.module, cut.masks, train_set, test_set, how, watcher=make_watcher())
    return with_history(cut, tuple(vars(epoch) for epoch in history))


def said(cut: Cut, request: Request) -> list[str]:
    """What was done in two lines, or three where it is not quite what was asked."""
    result = cut.result
    lines = [
        f"sparsity {result.sparsity:.3f} (set to zero), keep {1 - result.sparsity:.3f}: "
        f"{result.kept} of {result.weights} weights",
        f"{result.remaining} of {result.parameters} parameters remain (biases and norms are not pruned)",
    ]
    asked = request.sparsity
    if asked is not None and not any("=" in own for own in request.layers) and abs(result.sparsity - asked) > 0.005:
        lines.append(f"asked was {asked:g}: see the notes, the taps a kernel, and the zeros that were there before")
    return lines
