"""The training loop: what it does with a net and a data set, its runs, its schedules."""

from rftools.models.training.epochs import Recipe
from rftools.models.training.loop import train
from rftools.models.training.options import Options
from rftools.models.training.progress import Epoch, Progress, Watcher

__all__ = ["Epoch", "Options", "Progress", "Recipe", "Watcher", "train"]
