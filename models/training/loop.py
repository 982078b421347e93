"""The training loop: the study's recipe, checkpoints that continue bit for bit, one process, one device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rftools.errors import RequestError
from rftools.models.checkpoint import save_checkpoint
from rftools.models.data import Dataset
from rftools.models.training.epochs import Loop, Recipe, State
from rftools.models.training.group import Processes, here, shared_norms, together, wait
from rftools.models.training.options import Options
from rftools.models.training.progress import Epoch, Watcher, log, tensorboard
from rftools.models.training.pruning import frozen_pruner, make_pruner, plan, with_masks, without_masks
from rftools.models.training.runs import checkpoint_path, last_checkpoint, prepare_run, publish
from rftools.reading import door
from rftools.runtime import randomness
from rftools.runtime.device import pick_device


def train(
    recipe: Recipe,
    train_set: Dataset,
    test_set: Dataset,
    run: str | Path,
    options: Options | None = None,
    *,
    resume: bool = False,
    watcher: Watcher | None = None,
) -> list[Epoch]:
    """Train a net and leave in ``run``: ``epoch-0000.pt`` (the initial weights) and on, ``best.pt``, ``metrics.jsonl``.

    With ``resume`` the run goes on after its last whole checkpoint; on a CPU the result is the uninterrupted run's
    bit for bit, as every epoch draws its order and augmentation from its own generator.

    Raises:
        RequestError: bad options, a folder that can't be written or holds a run already, a net that does not give
            one score a class, a loss that is not finite.
    """
    options = options or Options()
    options.check()
    _check_alike(train_set, test_set)
    folder = prepare_run(run, resume=resume)
    device = here().device(pick_device(options.device))
    with together(folder, device) as group, randomness.seeded(options.seed):
        state = _begin(recipe, train_set, options, device, group)
        describe = _describer(recipe, train_set, options)
        if resume:
            content = last_checkpoint(folder, recipe.arch, train_set.name, options.recorded())
            with door(folder, "cannot be resumed: its last checkpoint is damaged"):
                _restore(state, content)
            wait(group)
        _written(folder, state, describe)
        _run_epochs(Loop(state, options, device, (train_set, test_set), watcher or Watcher()), folder, describe)
    return [Epoch(**entry) for entry in state.history]


def finetune(
    module: nn.Module,
    masks: Mapping[str, torch.Tensor],
    train_set: Dataset,
    test_set: Dataset,
    options: Options,
    *,
    watcher: Watcher | None = None,
) -> list[Epoch]:
    """Train a pruned net on, in place, its masks (by layer) as they are. Nothing is written.

    Raises:
        RequestError: as `train` does.
    """
    options.check()
    _check_alike(train_set, test_set)
    device, watcher = pick_device(options.device), watcher or Watcher()
    with randomness.seeded(options.seed):
        state = _begin(Recipe({}, lambda: module), train_set, options, device)
        state.pruner = frozen_pruner(module, masks)
        loop = Loop(state, options, device, (train_set, test_set), watcher)
        watcher.begin(options.epochs, loop.steps, str(device))
        try:
            history = []
            for _ in range(options.epochs):
                history.append(loop.run_epoch())
                watcher.end_epoch(history[-1])
        finally:
            watcher.close()
            module.eval().to("cpu")
    return history


def _begin(
    recipe: Recipe, data: Dataset, options: Options, device: torch.device, group: Processes | None = None
) -> State:
    module = recipe.make().to(device).train()
    scores = _sample_scores(module, data, device)
    _check_output(scores, data)
    if options.channels_last:
        module = module.to(memory_format=torch.channels_last)
    group = group or Processes()
    if group.size > 1:
        module = shared_norms(module)
    pruner = None
    if options.pruning is not None:
        steps = options.steps_an_epoch(len(data))
        pruner = make_pruner(module, options.pruning, per_epoch=steps, total=steps * options.epochs, seed=options.seed)
    optimizer = torch.optim.Adam(_groups(module, options.l2), lr=options.lr, eps=1e-7)
    return State(module, optimizer, pruner, gives_shares=_are_shares(scores), group=group)


def _groups(module: nn.Module, l2: float) -> list[dict[str, Any]]:
    """Adam's ``weight_decay`` is the gradient's factor, twice the loss's; biases and norms have none."""
    kernels = [p for p in module.parameters() if p.requires_grad and p.dim() > 1]
    others = [p for p in module.parameters() if p.requires_grad and p.dim() <= 1]
    return [{"params": kernels, "weight_decay": 2 * l2}, {"params": others, "weight_decay": 0.0}]


def _restore(state: State, content: Mapping[str, Any]) -> None:
    plain, masks = without_masks(content["state_dict"])
    state.module.load_state_dict(plain)
    if state.pruner is not None:
        state.pruner.restore(masks, content.get("pruner"))
    state.optimizer.load_state_dict(content["optimizer"])
    randomness.restore(content["random"])
    state.epoch, state.steps = int(content["epoch"]), int(content["schedule"]["steps"])
    state.history = [vars(Epoch(**entry)).copy() for entry in content["history"]]


def _run_epochs(loop: Loop, folder: Path, describe: Callable[[State], dict[str, Any]]) -> None:
    """The order of writing is what a killed run relies on: the checkpoint first, then all that follows from it."""
    state, watcher = loop.state, loop.watcher
    board = tensorboard(folder, state.epoch + 1) if state.group.first else None
    for line in _plan(loop):
        watcher.note(line)
    watcher.begin(loop.options.epochs, loop.steps, str(loop.device))
    try:
        while state.epoch < loop.options.epochs:
            epoch = loop.run_epoch()
            state.history.append(vars(epoch).copy())
            _written(folder, state, describe)
            log(board, epoch)
            watcher.end_epoch(epoch)
    finally:
        watcher.close()
        if board is not None:
            board.close()


def _written(folder: Path, state: State, describe: Callable[[State], dict[str, Any]]) -> None:
    """The checkpoint of the state, if it isn't there, and what follows from it: by the first process."""
    if not state.group.first:
        return
    place = checkpoint_path(folder, state.epoch)
    if not place.exists():
        save_checkpoint(place, describe(state))
    publish(folder, state.history)


def _plan(loop: Loop) -> list[str]:
    if loop.state.pruner is None:
        return []
    parameters = sum(p.numel() for p in loop.state.module.parameters() if p.requires_grad)
    return plan(loop.state.pruner, parameters, per_epoch=loop.steps, total=loop.steps * loop.options.epochs)


def _check_alike(train_set: Dataset, test_set: Dataset) -> None:
    if train_set.input_size != test_set.input_size:
        sizes = ("x".join(map(str, data.input_size)) for data in (train_set, test_set))
        raise RequestError("images of mixed sizes: {} to train, {} to test; give --size to resize them".format(*sizes))
    if train_set.classes != test_set.classes:
        odd = sorted(set(train_set.classes) ^ set(test_set.classes))
        raise RequestError(f"the classes to train and to test differ: {', '.join(odd[:3])} is in one of them only")


def _sample_scores(module: nn.Module, data: Dataset, device: torch.device) -> torch.Tensor:
    """What the net gives two black pictures."""
    sample = torch.zeros((2, *data.input_size), device=device)
    training = module.training
    try:
        with torch.no_grad():
            scores = module.eval()(sample)
    except RuntimeError as error:
        size = "x".join(map(str, data.input_size))
        raise RequestError(f"the net does not take {data.name}'s {size}: {str(error).splitlines()[0]}") from error
    finally:
        module.train(training)
    if not isinstance(scores, torch.Tensor):
        raise RequestError(f"the net gives a {type(scores).__name__}; training takes one tensor of scores")
    return scores


def _check_output(scores: torch.Tensor, data: Dataset) -> None:
    shape, wanted = tuple(scores.shape), (2, len(data.classes), *data.labels.shape[1:])
    if shape == wanted:
        return
    gives, takes = ("x".join(map(str, each[1:])) for each in (shape, wanted))
    places = f" at each of {'x'.join(map(str, wanted[2:]))} places" if len(wanted) > 2 else ""
    raise RequestError(
        f"the net gives {gives} a picture; training takes {takes if places else wanted[1]} scores, one a class{places}"
    )


def _are_shares(scores: torch.Tensor) -> bool:
    """Whether scores are shares of the classes already, as after a softmax."""
    return bool((scores >= 0).all()) and torch.allclose(scores.sum(1), torch.ones_like(scores.sum(1)), atol=1e-4)


def _describer(recipe: Recipe, data: Dataset, options: Options) -> Callable[[State], dict[str, Any]]:
    def describe(state: State) -> dict[str, Any]:
        channels = data.input_size[0]
        return {
            "arch": {"name": recipe.arch["name"], "arguments": dict(recipe.arch["arguments"])},
            "state_dict": _saved(state),
            **({} if state.pruner is None else {"pruner": state.pruner.state()}),
            "optimizer": state.optimizer.state_dict(),
            "schedule": {"lr": options.lr, "decay": options.decay, "steps": state.steps},
            "random": {"seed": options.seed, **randomness.states()},
            "epoch": state.epoch,
            "history": state.history,
            "classes": list(data.classes),
            "input_size": list(data.input_size),
            "normalisation": {"mean": [0.0] * channels, "std": [1.0] * channels},
            "data": data.name,
            "options": options.recorded(),
        }

    return describe


def _saved(state: State) -> dict[str, torch.Tensor]:
    plain = {name: value.detach().cpu().contiguous() for name, value in state.module.state_dict().items()}
    return plain if state.pruner is None else with_masks(plain, state.pruner.masks)
