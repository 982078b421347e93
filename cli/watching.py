"""How a training run is watched: a line an epoch, and on a terminal a bar over all steps."""

from __future__ import annotations

import rich.progress
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from rftools.cli.talk import say
from rftools.models.training.progress import Epoch, Progress, Watcher


class Lines(Watcher):
    """A line an epoch on standard error."""

    def note(self, line: str) -> None:
        say(line)

    def end_epoch(self, epoch: Epoch) -> None:
        left = "" if epoch.sparsity is None else f"sparsity {epoch.sparsity:.3f}, keep {1 - epoch.sparsity:.3f} "
        say(
            f"epoch {epoch.epoch}: loss {epoch.loss:.4f} accuracy {epoch.accuracy:.3f} "
            f"held out {epoch.val_loss:.4f} {epoch.val_accuracy:.3f} {left}"
            f"({epoch.images_per_second:.0f} images/s)"
        )


class Bar(Lines):
    """As `Lines`, with a bar below."""

    def begin(self, epochs: int, steps: int, device: str) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"))
        console = Console(stderr=True)
        self.bar = rich.progress.Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
        self.steps = steps
        self.task = self.bar.add_task(f"{epochs} epoch{'s' * (epochs != 1)} on {device}", total=epochs * steps, note="")
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
