"""`train`: from a model spec and the name of a data set to a trained model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from rftools.arguments import checked
from rftools.errors import RequestError
from rftools.loading import Model, load
from rftools.loading.factories import build
from rftools.models import NETS
from rftools.models.data import Dataset, load_data
from rftools.models.training import Epoch, Options, Recipe, Watcher
from rftools.models.training import train as run_loop
from rftools.models.training.pruning import make_pruner
from rftools.models.training.runs import prepare_run

if TYPE_CHECKING:
    from rftools.models.training.schedules import Pruning


class TrainingOptions(TypedDict, total=False):
    """The fields of `rftools.models.training.Options`, which has their defaults."""

    epochs: int
    batch_size: int
    lr: float
    decay: float
    l2: float
    seed: int
    steps_per_epoch: int | None
    device: str
    amp: bool
    channels_last: bool
    compile: bool
    pruning: Pruning | None


@dataclass(frozen=True)
class Training:
    """A net and the pictures it is to learn from, checked, before anything is written but the run's empty folder."""

    recipe: Recipe
    options: Options
    train_set: Dataset
    test_set: Dataset
    run: Path
    resume: bool = False

    def go(self, watcher: Watcher | None = None) -> Sequence[Epoch]:
        """Train; every whole epoch stays in the run's folder whatever happens.

        Raises:
            RequestError: as the loop does, and for a run of no epoch.
        """
        sets = (self.train_set, self.test_set)
        history = run_loop(self.recipe, *sets, self.run, self.options, resume=self.resume, watcher=watcher)
        if not history:
            raise RequestError(f"{self.run} has no epoch")
        return history


def prepare(spec: str, data: tuple[Dataset, Dataset], run: str | Path, options: Options, *, resume: bool) -> Training:
    """What is trained on ``data``, pictures to learn from and held out.

    Raises:
        RequestError: bad options, a folder that holds a run already, an unknown net, layers to prune that there are
            not.
    """
    options.check()
    folder = prepare_run(run, resume=resume)
    train_set, test_set = data
    recipe, options = make_recipe(spec, len(train_set.classes), train_set.input_size[0], options)
    if options.pruning is not None:
        steps = options.steps_an_epoch(len(train_set))
        make_pruner(recipe.make(), options.pruning, per_epoch=steps, total=steps * options.epochs)
    return Training(recipe, options, train_set, test_set, folder, resume)


def make_recipe(spec: str, classes: int, channels: int, options: Options) -> tuple[Recipe, Options]:
    """How to build the net, and the options with the weight decay that the table gives it."""
    source, _, name = spec.partition(":")
    arguments: dict[str, Any]
    if source == "rftools":
        arguments = {"classes": classes, "channels": channels}
        build(spec, **arguments)  # an unknown name is told before anything else
        options = dataclasses.replace(options, l2=NETS[name].l2)
        arch = {"name": name, "arguments": arguments}
    else:
        arguments = {"num_classes": classes} if source in {"torchvision", "timm"} else {}
        arch = {"name": spec, "arguments": arguments}
    return Recipe(arch, lambda: build(spec, **arguments).module.train()), options


@checked
def train(
    spec: str,
    data: str | tuple[Dataset, Dataset] = "patches",
    output: str | Path = "run",
    *,
    data_dir: str | Path | None = None,
    resume: bool = False,
    watcher: Watcher | None = None,
    **course: Unpack[TrainingOptions],
) -> Model:
    """Train a net as ``rftools train`` does, and give what `rftools.load` of its best checkpoint gives.

    Args:
        spec: ``rftools:NAME``, ``torchvision:NAME``, ``timm:NAME`` or a factory, built for the data's classes.
        data: the name of a data set, or two: to learn from, and held out.
        output: the run's folder: ``epoch-0000.pt`` and on, ``best.pt``, ``metrics.jsonl``.
        data_dir: where the data set's files are, if it has any.
        resume: go on after the last checkpoint in the folder.
        watcher: told of progress.
        course: ``epochs`` (80), ``batch_size`` (32), ``lr`` (0.001), ``seed`` (0), ``device`` and the other fields of
            `rftools.models.training.Options`.

    Raises:
        RequestError: bad options, an unknown net or data set, a folder that holds a run already.

    >>> import torch, tempfile
    >>> draw = torch.Generator().manual_seed(0)
    >>> def pictures(count):
    ...     images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=draw)
    ...     return Dataset("noise", images, torch.arange(count) % 2, ("a", "b"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = train("rftools:gap-plain", (pictures(8), pictures(4)), folder + "/run", epochs=1, batch_size=4)
    >>> model.metadata["epoch"]
    1
    """
    sets = _sets(data, data_dir) if isinstance(data, str) else data
    training = prepare(spec, sets, output, Options(**course), resume=resume)
    training.go(watcher)
    return load(training.run / "best.pt")


def _sets(name: str, data_dir: str | Path | None) -> tuple[Dataset, Dataset]:
    first, second = (load_data(name, part, root=data_dir) for part in ("train", "test"))
    return first, second
