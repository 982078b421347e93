"""The training loop: the study's recipe, checkpoints that continue bit for bit, one process, one device."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rftools.errors import RequestError
from rftools.files import atomic_write, write_text
from rftools.models.checkpoint import read_checkpoint, save_checkpoint, versions
from rftools.models.data import Dataset, augment

MOST_STEPS = 1000  # the study's epoch


@dataclass(frozen=True)
class Options:
    """How to train. The defaults are the study's: Adam 1e-3 with decay 1e-5, batches of 32, at most 1,000 steps an
    epoch, 80 epochs, shifts of 10 % and flips.
    """

    epochs: int = 80
    batch_size: int = 32
    lr: float = 1e-3
    decay: float = 1e-5
    weight_decay: float = 0.0
    seed: int = 0
    steps_per_epoch: int | None = None
    device: str = "auto"
    amp: bool = False
    channels_last: bool = False
    compile: bool = False

    def check(self) -> None:
        """Raise `RequestError` for a value that can't be."""
        for name in ("epochs", "batch_size", "steps_per_epoch"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RequestError(f"--{name.replace('_', '-')} is {value}; it takes a whole number from 1")
        if not (self.lr > 0 and math.isfinite(self.lr)):
            raise RequestError(f"--lr is {self.lr}; it takes a positive number, such as 0.001")


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to; accuracies are shares, ``lr`` the last step's, times in seconds."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    lr: float
    seconds: float
    images_per_second: float


@dataclass(frozen=True)
class Recipe:
    """The net to train: ``arch`` is what the checkpoint says of it, ``make`` builds it with (classes, channels)."""

    arch: Mapping[str, Any]
    make: Callable[[], nn.Module]


class Watcher:
    """Told of progress; the command line draws it. This one says nothing."""

    def begin(self, epochs: int, steps: int, device: str) -> None: ...

    def step(self, epoch: int, step: int, loss: float, accuracy: float) -> None: ...

    def end_epoch(self, epoch: Epoch) -> None: ...


@dataclass
class _State:
    module: nn.Module
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    steps: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


def pick_device(name: str) -> torch.device:
    """``auto`` is CUDA when present; a device that is not there is refused."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise RequestError(f"no device {name!r}; there are auto, cpu and cuda (cuda:1, ...)") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RequestError(f"--device {name}: no CUDA device here; use auto or cpu")
    return device


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
    watcher = watcher or Watcher()
    folder = prepare_run(run, resume=resume)
    device = pick_device(options.device)
    torch.manual_seed(options.seed)
    module = recipe.make().to(device)
    _check_output(module, train_set, device)
    if options.channels_last:
        module = module.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(module.parameters(), lr=options.lr, weight_decay=options.weight_decay, eps=1e-7)
    state = _State(module, optimizer)
    describe = _describer(recipe, train_set, options)
    if resume:
        _restore(state, folder, device)
        _publish(state, folder)
    else:
        save_checkpoint(folder / "epoch-0000.pt", describe(state))
    runner = torch.compile(module) if options.compile else module
    loop = _Loop(state, runner, options, device, train_set, test_set, watcher)
    watcher.begin(options.epochs, loop.steps, str(device))
    board = _tensorboard(folder)
    while state.epoch < options.epochs:
        epoch = loop.run_epoch()
        state.history.append(vars(epoch).copy())
        save_checkpoint(folder / f"epoch-{epoch.epoch:04d}.pt", describe(state))
        _publish(state, folder)
        _log(board, epoch)
        watcher.end_epoch(epoch)
    return [Epoch(**entry) for entry in state.history]


def prepare_run(run: str | Path, *, resume: bool) -> Path:
    """The run's folder, made if need be, before any work is done."""
    folder = Path(run)
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"cannot write {folder}: it is a file; name a folder for the run")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RequestError(f"cannot write {folder}: {(error.strerror or str(error)).lower()}") from error
    has_run = any(folder.glob("epoch-*.pt"))
    if has_run and not resume:
        raise RequestError(f"{folder} holds a run already; go on with --resume, or name another folder with -o")
    if resume and not has_run:
        raise RequestError(f"nothing to resume in {folder}: it holds no epoch-*.pt; leave out --resume")
    return folder


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
            "state_dict": {
                name: value.detach().cpu().contiguous() for name, value in state.module.state_dict().items()
            },
            "optimizer": state.optimizer.state_dict(),
            "schedule": {"lr": options.lr, "decay": options.decay, "steps": state.steps},
            "random": {"torch": torch.get_rng_state(), "seed": options.seed},
            "epoch": state.epoch,
            "history": state.history,
            "classes": list(data.classes),
            "input_size": list(data.input_size),
            "normalisation": {"mean": [0.0] * channels, "std": [1.0] * channels},
            "data": data.name,
            "options": {name: value for name, value in vars(options).items() if name != "device"},
        }

    return describe


def checkpoints(folder: Path) -> list[Path]:
    """The epochs' checkpoints of a run, in order."""
    return sorted(folder.glob("epoch-*.pt"))


def _restore(state: _State, folder: Path, device: torch.device) -> None:
    for left in folder.glob(".*.tmp"):  # what a killed process was writing
        left.unlink(missing_ok=True)
    content = read_checkpoint(checkpoints(folder)[-1])
    state.module.load_state_dict(content["state_dict"])
    state.optimizer.load_state_dict(content["optimizer"])
    torch.set_rng_state(content["random"]["torch"])
    state.epoch, state.steps = int(content["epoch"]), int(content["schedule"]["steps"])
    state.history = list(content["history"])


def _publish(state: _State, folder: Path) -> None:
    """Bring what follows from the checkpoints up to date: the metrics file and the best checkpoint."""
    write_text(folder / "metrics.jsonl", "".join(json.dumps(entry) + "\n" for entry in state.history))
    if not state.history:
        return
    best = max(state.history, key=lambda entry: (entry["val_accuracy"], -entry["epoch"]))
    source = folder / f"epoch-{best['epoch']:04d}.pt"
    if source.exists() and (best["epoch"] == state.epoch or not (folder / "best.pt").exists()):
        with atomic_write(folder / "best.pt") as stream:
            stream.write(source.read_bytes())


class _Loop:
    """Epochs over a data set that lies whole on the device."""

    def __init__(
        self,
        state: _State,
        runner: Callable[..., Any],
        options: Options,
        device: torch.device,
        train_set: Dataset,
        test_set: Dataset,
        watcher: Watcher,
    ) -> None:
        self.state, self.runner, self.options, self.device, self.watcher = state, runner, options, device, watcher
        self.images, self.labels = train_set.images.to(device), train_set.labels.to(device)
        self.test = (test_set.images.to(device), test_set.labels.to(device))
        self.flips = train_set.flips
        own = math.ceil(len(train_set) / options.batch_size)
        self.steps = options.steps_per_epoch or min(own, MOST_STEPS)

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
                self._report(step, float(losses) / seen, float(hits) / seen)
        seconds = time.perf_counter() - begin
        state.epoch += 1
        val_loss, val_accuracy = self.evaluate()
        return Epoch(
            epoch=state.epoch,
            loss=float(losses) / seen,
            accuracy=float(hits) / seen,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            lr=self._rate(),
            seconds=seconds,
            images_per_second=seen / seconds,
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

    def _report(self, step: int, loss: float, accuracy: float) -> None:
        if not math.isfinite(loss):
            raise RequestError(
                f"the loss is not finite in epoch {self.state.epoch + 1}; start again from the last checkpoint with a "
                f"smaller --lr than {self.options.lr}"
            )
        self.watcher.step(self.state.epoch + 1, step, loss, accuracy)

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


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"))


def _log(board: Any, epoch: Epoch) -> None:
    if board is not None:
        for name, value in vars(epoch).items():
            if name != "epoch":
                board.add_scalar(name, value, epoch.epoch)
        board.flush()


__all__ = ["Epoch", "Options", "Recipe", "Watcher", "checkpoints", "pick_device", "prepare_run", "train", "versions"]
