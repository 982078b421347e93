"""The training loop: the study's recipe, checkpoints that continue bit for bit, one process, one device."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rftools.errors import RequestError
from rftools.models.checkpoint import save_checkpoint
from rftools.models.data import Dataset, augment
from rftools.models.training.pruning import Pruner, frozen_pruner, make_pruner, plan, with_masks, without_masks
from rftools.models.training.runs import checkpoint_path, last_checkpoint, prepare_run, publish
from rftools.models.training.schedules import Pruning
from rftools.runtime import randomness
from rftools.runtime.device import pick_device

MOST_STEPS = 1000  # the study's epoch


@dataclass(frozen=True)
class Options:
    """How to train. The defaults are the study's: Adam 1e-3 with decay 1e-5, batches of 32, at most 1,000 steps an
    epoch, 80 epochs, shifts of 10 % and flips. ``l2`` times the sum of the kernels' squares is added to the loss.
    """

    epochs: int = 80
    batch_size: int = 32
    lr: float = 1e-3
    decay: float = 1e-5
    l2: float = 0.0
    seed: int = 0
    steps_per_epoch: int | None = None
    device: str = "auto"
    amp: bool = False
    channels_last: bool = False
    compile: bool = False
    pruning: Pruning | None = None

    def check(self) -> None:
        """Raise `RequestError` for a value that can't be."""
        for name in ("epochs", "batch_size", "steps_per_epoch"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RequestError(f"--{name.replace('_', '-')} is {value}; it takes a whole number from 1")
        if not (self.lr > 0 and math.isfinite(self.lr)):
            raise RequestError(f"--lr is {self.lr}; it takes a positive number, such as 0.001")
        if not 0 <= self.seed < 2**32:
            raise RequestError(f"--seed is {self.seed}; it takes a whole number from 0 to {2**32 - 1}")
        if self.pruning is not None:
            self.pruning.check()

    def recorded(self) -> dict[str, Any]:
        """What decides the course of a run, whatever its length and device."""
        own = {name: value for name, value in vars(self).items() if name not in {"epochs", "device", "pruning"}}
        return own | ({"prune": None} if self.pruning is None else self.pruning.recorded())

    def steps_an_epoch(self, pictures: int) -> int:
        """One pass over the data, at most the study's 1,000, where nothing else is asked."""
        return self.steps_per_epoch or min(math.ceil(pictures / self.batch_size), MOST_STEPS)


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to; accuracies are shares, ``lr`` the last step's, times in seconds. ``sparsity`` is the
    pruned share of the weights to prune, None where nothing is to be.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    lr: float
    seconds: float
    images_per_second: float
    sparsity: float | None = None


@dataclass(frozen=True)
class Recipe:
    """The net to train: ``arch`` is what the checkpoint says of it, ``make`` builds it with (classes, channels)."""

    arch: Mapping[str, Any]
    make: Callable[[], nn.Module]


@dataclass(frozen=True)
class Progress:
    """Where an epoch under way stands: means over its pictures so far."""

    epoch: int
    step: int
    loss: float
    accuracy: float
    images_per_second: float


class Watcher:
    """Told of progress; the command line draws it. This one says nothing."""

    def note(self, line: str) -> None: ...

    def begin(self, epochs: int, steps: int, device: str) -> None: ...

    def step(self, progress: Progress) -> None: ...

    def end_epoch(self, epoch: Epoch) -> None: ...

    def close(self) -> None: ...


@dataclass
class _State:
    module: nn.Module
    optimizer: torch.optim.Optimizer
    pruner: Pruner | None = None
    epoch: int = 0
    steps: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


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
    device = pick_device(options.device)
    with randomness.seeded(options.seed):
        state = _begin(recipe, train_set, options, device)
        describe = _describer(recipe, train_set, options)
        if resume:
            _restore(state, last_checkpoint(folder, recipe.arch, train_set.name, options.recorded()))
            publish(folder, state.history)
        else:
            save_checkpoint(checkpoint_path(folder, 0), describe(state))
        _run_epochs(_Loop(state, options, device, (train_set, test_set), watcher or Watcher()), folder, describe)
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
        loop = _Loop(state, options, device, (train_set, test_set), watcher)
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


def _begin(recipe: Recipe, data: Dataset, options: Options, device: torch.device) -> _State:
    module = recipe.make().to(device).train()
    _check_output(module, data, device)
    if options.channels_last:
        module = module.to(memory_format=torch.channels_last)
    pruner = None
    if options.pruning is not None:
        steps = options.steps_an_epoch(len(data))
        pruner = make_pruner(module, options.pruning, per_epoch=steps, total=steps * options.epochs)
    return _State(module, torch.optim.Adam(_groups(module, options.l2), lr=options.lr, eps=1e-7), pruner)


def _groups(module: nn.Module, l2: float) -> list[dict[str, Any]]:
    """Adam's ``weight_decay`` is the gradient's factor, twice the loss's; biases and norms have none."""
    kernels = [p for p in module.parameters() if p.requires_grad and p.dim() > 1]
    others = [p for p in module.parameters() if p.requires_grad and p.dim() <= 1]
    return [{"params": kernels, "weight_decay": 2 * l2}, {"params": others, "weight_decay": 0.0}]


def _restore(state: _State, content: Mapping[str, Any]) -> None:
    plain, masks = without_masks(content["state_dict"])
    state.module.load_state_dict(plain)
    if state.pruner is not None:
        state.pruner.restore(masks)
    state.optimizer.load_state_dict(content["optimizer"])
    randomness.restore(content["random"])
    state.epoch, state.steps = int(content["epoch"]), int(content["schedule"]["steps"])
    state.history = list(content["history"])


def _run_epochs(loop: _Loop, folder: Path, describe: Callable[[_State], dict[str, Any]]) -> None:
    """The order of writing is what a killed run relies on: the checkpoint first, then all that follows from it."""
    state, watcher = loop.state, loop.watcher
    board = _tensorboard(folder, state.epoch + 1)
    for line in _plan(loop):
        watcher.note(line)
    watcher.begin(loop.options.epochs, loop.steps, str(loop.device))
    try:
        while state.epoch < loop.options.epochs:
            epoch = loop.run_epoch()
            state.history.append(vars(epoch).copy())
            save_checkpoint(checkpoint_path(folder, epoch.epoch), describe(state))
            publish(folder, state.history)
            _log(board, epoch)
            watcher.end_epoch(epoch)
    finally:
        watcher.close()
        if board is not None:
            board.close()


def _plan(loop: _Loop) -> list[str]:
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


def _check_output(module: nn.Module, data: Dataset, device: torch.device) -> None:
    sample = torch.zeros((2, *data.input_size), device=device)
    training = module.training
    try:
        with torch.no_grad():
            shape = tuple(module.eval()(sample).shape)
    except RuntimeError as error:
        size = "x".join(map(str, data.input_size))
        raise RequestError(f"the net does not take {data.name}'s {size}: {str(error).splitlines()[0]}") from error
    finally:
        module.train(training)
    wanted = (2, len(data.classes))
    if shape != wanted:
        raise RequestError(
            f"the net gives {'x'.join(map(str, shape[1:]))} a picture; training takes {wanted[1]} scores, one a class"
        )


def _describer(recipe: Recipe, data: Dataset, options: Options) -> Callable[[_State], dict[str, Any]]:
    def describe(state: _State) -> dict[str, Any]:
        channels = data.input_size[0]
        return {
            "arch": {"name": recipe.arch["name"], "arguments": dict(recipe.arch["arguments"])},
            "state_dict": _saved(state),
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


def _saved(state: _State) -> dict[str, torch.Tensor]:
    plain = {name: value.detach().cpu().contiguous() for name, value in state.module.state_dict().items()}
    return plain if state.pruner is None else with_masks(plain, state.pruner.masks)


class _Loop:
    """Epochs over a data set that lies whole on the device."""

    def __init__(
        self,
        state: _State,
        options: Options,
        device: torch.device,
        data: tuple[Dataset, Dataset],
        watcher: Watcher,
    ) -> None:
        self.state, self.options, self.device, self.watcher = state, options, device, watcher
        self.runner: Callable[..., Any] = torch.compile(state.module) if options.compile else state.module
        train_set, test_set = data
        self.images, self.labels = train_set.images.to(device), train_set.labels.to(device)
        self.test = (test_set.images.to(device), test_set.labels.to(device))
        self.flips = train_set.flips
        self.steps = options.steps_an_epoch(len(train_set))

    def run_epoch(self) -> Epoch:
        state, options = self.state, self.options
        generator = torch.Generator().manual_seed(options.seed * 1_000_003 + state.epoch)
        state.module.train()
        begin = time.perf_counter()
        losses = torch.zeros((), device=self.device)
        hits = torch.zeros((), device=self.device)
        seen = 0
        for step, index in enumerate(self._batches(generator), start=1):
            loss, right = self._step(index, generator)
            losses += loss * len(index)
            hits += right
            seen += len(index)
            if step % 20 == 0 or step == self.steps:
                rate = seen / (time.perf_counter() - begin)
                self._report(Progress(state.epoch + 1, step, float(losses) / seen, float(hits) / seen, rate))
        if state.pruner is not None:
            state.pruner.apply()  # the last step moved what is pruned
        seconds = time.perf_counter() - begin
        val_loss, val_accuracy = self.evaluate()
        self._check_finite(val_loss)
        state.epoch += 1
        return Epoch(
            epoch=state.epoch,
            loss=float(losses) / seen,
            accuracy=float(hits) / seen,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            lr=self._rate(),
            seconds=seconds,
            images_per_second=seen / seconds,
            sparsity=None if state.pruner is None else state.pruner.sparsity,
        )

    def _batches(self, generator: torch.Generator) -> Iterator[torch.Tensor]:
        """``steps`` batches of indices: shuffled passes over the data, one after the other."""
        size, count = self.options.batch_size, 0
        while count < self.steps:
            order = torch.randperm(len(self.images), generator=generator)
            for start in range(0, len(order), size):
                if count == self.steps:
                    return
                count += 1
                yield order[start : start + size].to(self.device)

    def _step(self, index: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        if self.state.pruner is not None:
            self.state.pruner.before_step(self.state.steps)
        batch = augment(self.images[index], generator, flip=self.flips)
        labels = self.labels[index]
        with self._precision():
            scores = self.runner(self._as_input(batch))
            loss = nn.functional.cross_entropy(scores, labels)
        for group in self.state.optimizer.param_groups:
            group["lr"] = self._rate()
        self.state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.state.optimizer.step()
        self.state.steps += 1
        return loss.detach(), (scores.argmax(1) == labels).sum()

    def _rate(self) -> float:
        """Inverse time decay: ``lr / (1 + decay * steps)``."""
        return self.options.lr / (1 + self.options.decay * self.state.steps)

    def _as_input(self, batch: torch.Tensor) -> torch.Tensor:
        x = batch.to(torch.float32) / 255
        return x.contiguous(memory_format=torch.channels_last) if self.options.channels_last else x

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.options.amp)

    def _report(self, progress: Progress) -> None:
        self._check_finite(progress.loss)
        self.watcher.step(progress)

    def _check_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise RequestError(
                f"the loss is not finite in epoch {self.state.epoch + 1}: --lr {self.options.lr} is too large for this "
                "net; the checkpoints before it are whole, start another run with a smaller one"
            )

    @torch.no_grad()
    def evaluate(self) -> tuple[float, float]:
        """Loss and accuracy on the held-out pictures."""
        self.state.module.eval()
        images, labels = self.test
        loss, hits = 0.0, 0
        for start in range(0, len(images), 256):
            scores = self.runner(self._as_input(images[start : start + 256]))
            own = labels[start : start + 256]
            loss += float(nn.functional.cross_entropy(scores, own, reduction="sum"))
            hits += int((scores.argmax(1) == own).sum())
        return loss / len(images), hits / len(images)


def _tensorboard(folder: Path, first: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=first)


def _log(board: Any, epoch: Epoch) -> None:
    if board is None:
        return
    for name, value in vars(epoch).items():
        if name != "epoch" and value is not None:
            board.add_scalar(name, value, epoch.epoch)
    board.flush()
