"""The training loop: what it does with a net and a data set, its runs, its schedules."""

from rftools.models.training.loop import Epoch, Options, Progress, Recipe, Watcher, train

__all__ = ["Epoch", "Options", "Progress", "Recipe", "Watcher", "train"]
