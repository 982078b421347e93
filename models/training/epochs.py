"""One epoch: batches, steps, and what they come to."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from rftools.errors import RequestError
from rftools.models.data import Dataset, augment
from rftools.models.tasks import IGNORED
from rftools.models.training.group import Processes, spread
from rftools.models.training.masks import Pruner
from rftools.models.training.options import Options
from rftools.models.training.progress import Epoch, Progress, Watcher


@dataclass(frozen=True)
class Recipe:
    """The net to train: ``arch`` is what the checkpoint says of it, ``make`` builds it with (classes, channels)."""

    arch: Mapping[str, Any]
    make: Callable[[], nn.Module]


@dataclass
class State:
    module: nn.Module
    optimizer: torch.optim.Optimizer
    pruner: Pruner | None = None
    epoch: int = 0
    steps: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    gives_shares: bool = False  # the net ends in a softmax
    group: Processes = field(default_factory=Processes)


class Loop:
    """Epochs over a data set that lies whole on the device."""

    def __init__(
        self,
        state: State,
        options: Options,
        device: torch.device,
        data: tuple[Dataset, Dataset],
        watcher: Watcher,
    ) -> None:
        self.state, self.options, self.device, self.watcher = state, options, device, watcher
        self.group = state.group
        spreading = spread(state.module, self.group, device)
        self.runner: Callable[..., Any] = torch.compile(spreading) if options.compile else spreading
        train_set, test_set = data
        self.images, self.labels = train_set.images.to(device), train_set.labels.to(device)
        self.test = (test_set.images.to(device), test_set.labels.to(device))
        self.flips, self.shift = train_set.flips, 0.1 if train_set.shifts else 0.0
        self.steps = options.steps_an_epoch(len(train_set))

    def run_epoch(self) -> Epoch:
        state, options = self.state, self.options
        generator = torch.Generator().manual_seed(options.seed * 1_000_003 + state.epoch)
        state.module.train()
        begin = time.perf_counter()
        losses = torch.zeros((), device=self.device)
        hits = torch.zeros((), device=self.device)
        seen = images = 0
        for step, index in enumerate(self._batches(generator), start=1):
            loss, right, labelled = self._step(index, generator)
            losses += loss * labelled
            hits += right
            seen += labelled
            images += len(index)
            if step % 20 == 0 or step == self.steps:
                rate = images / (time.perf_counter() - begin)
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
            images_per_second=images / seconds,
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

    def _step(self, index: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, int]:
        """The mean loss of a batch, how many of its labels were told right, and how many it has."""
        if self.state.pruner is not None:
            self.state.pruner.before_step(self.state.steps)
        batch = self._augmented(self.images[index], generator)  # drawn for the whole batch, in every process
        labels = self.group.part(self.labels[index])
        labelled = _labelled(self.labels[index])
        with self._precision():
            scores = self.runner(self._as_input(self.group.part(batch)))
            loss = self._mean_loss(scores, labels, labelled)
        for group in self.state.optimizer.param_groups:
            group["lr"] = self._rate()
        self.state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.state.optimizer.step()
        self.state.steps += 1
        loss = self.group.total(loss.detach() / self.group.size)
        return loss, self.group.total((scores.argmax(1) == labels).sum()), labelled

    def _mean_loss(self, scores: torch.Tensor, labels: torch.Tensor, labelled: int) -> torch.Tensor:
        """The batch's mean; of a process's part such a share of it that the mean over processes is the batch's."""
        if self.group.size == 1:
            return self._loss(scores, labels)
        return self._loss(scores, labels, reduction="sum") / labelled * self.group.size

    def _augmented(self, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        if not self.flips and not self.shift:
            return batch
        return augment(batch, generator, shift=self.shift, flip=self.flips)

    def _loss(self, scores: torch.Tensor, labels: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
        """Cross entropy, of shares too where the net ends in a softmax."""
        if self.state.gives_shares:
            shares = scores.clamp_min(torch.finfo(scores.dtype).tiny).log()
            return nn.functional.nll_loss(shares, labels, reduction=reduction)
        return nn.functional.cross_entropy(scores, labels, reduction=reduction)

    def _rate(self) -> float:
        """Inverse time decay: ``lr / (1 + decay * steps)``."""
        return self.options.lr / (1 + self.options.decay * self.state.steps)

    def _as_input(self, batch: torch.Tensor) -> torch.Tensor:
        x = batch.to(torch.float32) / 255
        planes = x.dim() == 4  # what channels-last is a format of
        return x.contiguous(memory_format=torch.channels_last) if planes and self.options.channels_last else x

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
        """Loss and accuracy on the held-out pictures, means over all that have a label."""
        self.state.module.eval()
        judged = self.runner if self.group.size == 1 else self.state.module  # every process, the whole of them
        images, labels = self.test
        loss, hits = 0.0, 0
        for start in range(0, len(images), 256):
            scores = judged(self._as_input(images[start : start + 256]))
            own = labels[start : start + 256]
            loss += float(self._loss(scores, own, reduction="sum"))
            hits += int((scores.argmax(1) == own).sum())
        return loss / _labelled(labels), hits / _labelled(labels)


def _labelled(labels: torch.Tensor) -> int:
    return labels.numel() if labels.dim() == 1 else int((labels != IGNORED).sum())
