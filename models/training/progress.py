"""What is said of a training under way, and of its epochs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


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


def tensorboard(folder: Path, first: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=first)


def log(board: Any, epoch: Epoch) -> None:
    if board is None:
        return
    for name, value in vars(epoch).items():
        if name != "epoch" and value is not None:
            board.add_scalar(name, value, epoch.epoch)
    board.flush()
