"""``rftools prune``: prune a trained net and write what is left."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from rftools.cli.options import check_outputs, emit, load_model, model_options
from rftools.errors import RequestError

if TYPE_CHECKING:
    from rftools.loading import Model
    from rftools.pruning import Cut, Request


@click.command("prune", short_help="Prune a trained net and write what is left.")
@model_options
@click.option("--sparsity", metavar="SHARE", help="The share of weights to set to zero, such as 0.9.")
@click.option("--keep", metavar="SHARE", help="The share to keep: 1 minus the sparsity.")
@click.option("--taps", type=int, metavar="N", help="At most N taps in each kernel.")
@click.option(
    "--method",
    default="magnitude",
    show_default=True,
    metavar="NAME",
    help="magnitude, random, per-kernel, gradient or wanda.",
)
@click.option("--scope", metavar="NAME", help="What is compared with each other: kernel, filter, layer or global.")
@click.option("--layers", multiple=True, metavar="PATTERN[=S]", help="Only these layers, with a sparsity of their own.")
@click.option("--depthwise", is_flag=True, help="Depthwise kernels too.")
@click.option(
    "--keep-field",
    is_flag=False,
    flag_value="kernel",
    metavar="[kernel|layer]",
    help="Each kernel that is left (or each layer) still spans its box.",
)
@click.option("--balance-orientation", "balance", is_flag=True, help="Balance directions over each filter's kernels.")
@click.option("--allow-dead-layers", is_flag=True, help="Even if a layer loses all its weights.")
@click.option(
    "--finetune", "epochs", type=click.IntRange(min=1), metavar="N", help="Train on for N epochs, masks fixed."
)
@click.option("--images", metavar="FOLDER|FILE", help="For gradient and wanda; default: the checkpoint's own data.")
@click.option("--count", default=64, show_default=True, type=click.IntRange(min=1), help="How many images at most.")
@click.option("--data", "data_name", metavar="NAME", help="Data to fine-tune on; default: the checkpoint's own.")
@click.option("--data-dir", metavar="DIR", help="Where the files of cifar or the pictures of folder are.")
@click.option("--json", "json_path", metavar="FILE", help="Write what was done as JSON (- for standard output).")
@click.option("-o", "--output", required=True, metavar="FILE", help="The pruned checkpoint: .pt or .pth.")
def command(
    spec: str,
    model: str | None,
    weights: str | None,
    input_size: str | None,
    sparsity: str | None,
    keep: str | None,
    taps: int | None,
    method: str,
    scope: str | None,
    layers: tuple[str, ...],
    depthwise: bool,
    keep_field: str | None,
    balance: bool,
    allow_dead_layers: bool,
    epochs: int | None,
    images: str | None,
    count: int,
    data_name: str | None,
    data_dir: str | None,
    seed: int,
    json_path: str | None,
    output: str,
) -> None:
    """Prune SPEC, a checkpoint or an architecture, and write the checkpoint that is left.

    \b
    Example:
      rftools prune runs/dilated/best.pt --sparsity 0.9 --finetune 1 -o pruned.pt
    """
    from rftools.pruning import Request, pictures_of, prune, save_pruned
    from rftools.pruning.request import NEED_PICTURES
    from rftools.pruning.write import check_target

    request = Request(
        sparsity=share_of(sparsity, keep),
        taps=taps,
        method=method,
        scope=scope,
        layers=layers,
        depthwise=depthwise,
        keep_field=keep_field,
        balance=balance,
        allow_dead_layers=allow_dead_layers,
        seed=seed,
    )
    request.check()
    check_target(output)
    check_outputs(json_path, None)
    loaded = load_model(spec, model, weights, input_size, seed)
    loaded.require_input_size()
    pictures = None
    if method in NEED_PICTURES:
        pictures = pictures_of(loaded, images, count=count, seed=seed, root=data_dir)
        print(f"images: {pictures.source}", file=sys.stderr)
    cut = prune(loaded, request, pictures)
    if epochs is not None:
        cut = finetuned(cut, loaded, epochs, data_name, data_dir, seed)
    save_pruned(output, cut, request)
    for line in said(cut, request):
        print(line, file=sys.stderr)
    print(f"wrote {output}", file=sys.stderr)
    emit(cut.result, json_path, None)


def share_of(sparsity: str | None, keep: str | None) -> float | None:
    """The sparsity that ``--sparsity`` or its complement ``--keep`` gives."""
    from rftools.models.training.schedules import parse_share

    if sparsity is not None and keep is not None:
        raise RequestError(f"--sparsity {sparsity} and --keep {keep} say the same thing twice; give one of them")
    if keep is not None:
        return 1 - parse_share(keep, "--keep")
    return None if sparsity is None else parse_share(sparsity, "--sparsity")


def finetuned(cut: Cut, model: Model, epochs: int, data_name: str | None, data_dir: str | None, seed: int) -> Cut:
    """The pruned net after some epochs on the data that it was trained on, or on ``data_name``."""
    from rftools.cli.train import make_watcher
    from rftools.models.data import load_data
    from rftools.models.training.loop import Options, finetune
    from rftools.pruning.cut import with_history

    name = data_name or model.metadata.get("data")
    if name is None or "epoch" not in model.metadata:
        raise RequestError("--finetune goes on with the recipe of `rftools train`; it takes a checkpoint of that")
    size = model.require_input_size()[-1] if name == "folder" else None
    train_set, test_set = (load_data(name, split, root=data_dir, size=size) for split in ("train", "test"))
    options = Options(epochs=epochs, seed=seed)
    history = finetune(cut.model.module, cut.masks, train_set, test_set, options, watcher=make_watcher())
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
