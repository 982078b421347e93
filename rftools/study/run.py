"""One run of a study: a net trained, pruned and measured, its result kept under a key that says what made it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from rftools._version import __version__
from rftools.errors import RequestError, one_line
from rftools.files import write_text
from rftools.loading import Model, load
from rftools.models.data import Dataset, load_data
from rftools.models.training import Epoch, Options, Watcher
from rftools.models.training.loop import finetune
from rftools.models.training.runs import checkpoints
from rftools.pruning import prune
from rftools.results import plain
from rftools.study.measures import of_layers, of_model
from rftools.study.plan import PlannedRow, PlanScale
from rftools.training import prepare
from rftools.weights import sparsity

RESULT = "result.json"
AFTER = 0.1  # of the training, with the masks of ``taps`` as they are
Record = dict[str, Any]
Sets = tuple[Dataset, Dataset]  # to learn from, held out


@dataclass(frozen=True)
class Run:
    """A row with a seed, on data, at a scale."""

    row: PlannedRow
    seed: int
    data: str
    scale: PlanScale
    data_dir: str | None = None
    device: str = "auto"

    @property
    def name(self) -> str:
        return f"{self.row.name}, seed {self.seed}"

    @functools.cached_property
    def key(self) -> str:
        """What decides its numbers: configuration, code, data."""
        row = {name: value for name, value in vars(self.row).items() if name not in ("name", "scales", "article")}
        parts = {"row": row, "seed": self.seed, "data": self.data, "scale": vars(self.scale), "code": code_digest()}
        parts |= {"pixels": data_digest(self.data, self.data_dir)}
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]

    @property
    def whole(self) -> Run:
        """The run whose training it begins with: its own, or that of the row without ``taps``."""
        return self if self.row.taps is None else replace(self, row=replace(self.row, taps=None))

    def options(self, pictures: int) -> Options:
        """How it is trained."""
        epochs = max(round(self.scale.epochs * self.row.longer), 1)
        own = Options(
            epochs=epochs, steps_per_epoch=self.scale.steps, lr=self.scale.lr, seed=self.seed, device=self.device
        )
        return replace(own, pruning=self.row.pruning(epochs * own.steps_an_epoch(pictures)))


#: What decides a run's numbers: another version's are not taken for this one's. Drawings and pages are no part of it.
DECIDES = (
    "models", "training.py", "runtime", "pruning", "probing", "erf", "trf", "capture", "weights", "study/run.py",
    "study/measures.py",
)  # fmt: skip


HOME = Path(__file__).resolve().parents[1]


@functools.cache
def code_digest() -> str:
    """Of rftools' own source, as far as it decides numbers."""
    digest = hashlib.sha256()
    for name in DECIDES:
        inside = HOME / name
        place = inside if inside.exists() else HOME.parent / name  # a checkout without links
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


@functools.lru_cache(maxsize=4)
def sets_of(data: str, root: str | None) -> Sets:
    """Pictures to learn from and held out."""
    first, second = (load_data(data, split, root=root) for split in ("train", "test"))
    return first, second


@functools.lru_cache(maxsize=4)
def data_digest(data: str, root: str | None) -> str:
    digest = hashlib.sha256()
    for part in sets_of(data, root):
        digest.update(part.images.numpy().tobytes() + part.labels.numpy().tobytes())
    return digest.hexdigest()[:16]


def carry_out(run: Run, folder: str | Path) -> Record:
    """The run's result: read where it is there, else made. A run that fails is a result with its reason.

    The same run gives the same numbers in any process: it takes one thread of the processor.
    """
    place = Path(folder) / "runs" / run.key
    file = place / RESULT
    if file.is_file():
        return _kept(file) | head(run)
    try:
        with one_thread():
            found = _made(run, place)
    except (RequestError, RuntimeError, OSError, MemoryError) as error:
        return failed(run, one_line(str(error)) or type(error).__name__)
    place.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps(plain(found), indent=1) + "\n")
    return _kept(file)


def _kept(file: Path) -> Record:
    return dict(json.loads(file.read_text(encoding="utf-8")))


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(before)


def head(run: Run) -> Record:
    """What a result says of its run."""
    return {
        "rftools": __version__, "code": code_digest(), "key": run.key, "net": run.row.net, "row": run.row.name,
        "seed": run.seed, "data": run.data,
    }  # fmt: skip


def failed(run: Run, reason: str) -> Record:
    """The result of a run that has none."""
    return head(run) | {"error": reason, "epochs": [], "layers": [], "roses": []}


class _Keeping(Watcher):
    """Of a run's checkpoints the last two stay: enough to go on from."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def end_epoch(self, epoch: Epoch) -> None:
        for old in checkpoints(self.place)[:-2]:
            old.unlink(missing_ok=True)


def _made(run: Run, place: Path) -> Record:
    sets = sets_of(run.data, run.data_dir)
    options = run.options(len(sets[0]))
    model, epochs = _trained(run, place, sets, options)
    if run.row.taps is not None:
        model, after = _left_with(run.row.taps, model, sets, options)
        epochs = [*epochs, _epoch(after) | {"epoch": len(epochs) + 1}]
    found = {"accuracy": epochs[-1]["val_accuracy"], "loss": epochs[-1]["val_loss"]}
    left = sparsity(model)
    found |= of_model(model, left, sets[1], run.scale.count, run.seed)
    return head(run) | found | {"epochs": epochs} | of_layers(model, left, run.seed)


def _trained(run: Run, place: Path, sets: Sets, options: Options) -> tuple[Model, list[Record]]:
    """The net after its training, with its epochs: that of a run which trained the same, gone on with, or begun."""
    other = place.parent / run.whole.key
    if other != place and (other / RESULT).is_file() and checkpoints(other):
        return load(checkpoints(other)[-1]), _kept(other / RESULT)["epochs"]
    begun = place.is_dir() and bool(checkpoints(place))
    history = prepare(f"rftools:{run.row.net}", sets, place, options, resume=begun).go(_Keeping(place))
    return load(checkpoints(place)[-1]), [_epoch(epoch) for epoch in history]


def _left_with(taps: int, model: Model, sets: Sets, options: Options) -> tuple[Model, Epoch]:
    """A trained net with so many taps a kernel, trained on for a moment with the masks as they are."""
    cut = prune(model, taps=taps, layers=("features.*",))
    steps = max(round(AFTER * options.epochs * options.steps_an_epoch(len(sets[0]))), 1)
    (after,) = finetune(cut.model.module, cut.masks, *sets, replace(options, epochs=1, steps_per_epoch=steps))
    return cut.model, after


def _epoch(epoch: Epoch) -> Record:
    """What is the same in every process: no times."""
    return {name: value for name, value in vars(epoch).items() if name not in ("seconds", "images_per_second")}
