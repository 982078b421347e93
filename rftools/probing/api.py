"""`probe`: from a trained model and its data to the field that it uses."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from rftools.arguments import checked
from rftools.erf import effective
from rftools.errors import RequestError, closest
from rftools.loading import Model, as_model
from rftools.models.data import Dataset, load_data
from rftools.models.tasks import IGNORED, MARK, TASKS
from rftools.probing.crossing import Answers, measured
from rftools.probing.result import Probed, SizeSeen
from rftools.probing.stimuli import occluded, quartets, shuffled, window_sides
from rftools.runtime.device import pick_device
from rftools.runtime.evaluation import dtype_of, frozen
from rftools.trf import theoretical

if TYPE_CHECKING:
    from rftools.erf.result import Measure
    from rftools.trf.layer_field import AxisField

METHODS = ("occlusion", "shuffling", "distance", "pairs")
COUNT = 200
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Session:
    """A net that answers, batch by batch."""

    module: nn.Module
    device: torch.device
    batch_size: int
    seed: int
    progress: Progress | None

    def scores(self, images: torch.Tensor) -> torch.Tensor:
        """What the net gives inputs, on the processor in double precision."""
        dtype = dtype_of(self.module, images)
        with torch.no_grad(), frozen(self.module, self.device):
            parts = [self.module(part.to(self.device, dtype)) for part in images.split(self.batch_size)]
        return torch.cat([part.double().cpu() for part in parts])

    def tell(self, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(done, total)


@checked
def probe(
    model: Model | nn.Module,
    data: str | Dataset | None = None,
    *,
    method: str = "occlusion",
    count: int = COUNT,
    device: str = "auto",
    batch_size: int = 32,
    seed: int = 0,
    progress: Progress | None = None,
) -> Probed:
    """The field that a trained net uses, by what it still tells right (the behavioural field).

    ``occlusion`` and ``shuffling`` leave a window about the centre of each picture as it is and grow it; outside is
    the data's mean, or the picture's own places in another order. With ``a(s)`` the accuracy at side ``s`` and ``c``
    chance, the field is the least ``s`` with ``a(s) - c >= 0.95 (a(all) - c)``, on the monotone curve that fits best.
    ``distance`` takes a task by rule (``marks``, ``discs``, ``recall``) and gives the widest view that a label may need
    and is still told. ``pairs`` shows any net over colour pictures two marks of two kinds: the scores of kinds alike
    less those of kinds unlike, ``s11 + s00 - s01 - s10``, are nothing if no unit sees both and all units are summed.

    Args:
        model: a classifier; of a net with a class a place (a segmenter) the central place answers.
        data: a data set or its name; by default the one that a checkpoint was trained on. Its held-out part is shown.
        count: pictures at most; of ``pairs`` a size.
        seed: of the pictures that are drawn, of shuffling, and of the bootstrap over pictures.

    Raises:
        RequestError: no data, data of another size or other classes, a method that does not suit them.

    >>> from torch import nn
    >>> seed = torch.manual_seed(0)
    >>> net = nn.Sequential(nn.Conv2d(3, 8, 5), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    >>> probe(as_model(net, (3, 32, 32)), method="pairs", count=8).reach
    5

    Source: occlusion after Zeiler and Fergus 2014, arXiv:1311.2901; intervals by the percentile bootstrap.
    """
    if method not in METHODS:
        raise RequestError(f"no method {method!r}{closest(method, METHODS)}; there are {', '.join(METHODS)}")
    subject = as_model(model)
    session = Session(subject.module, pick_device(device), batch_size, seed, progress)
    if method == "pairs":
        answers, source, reach = _pairs(subject, session, count)
    else:
        shown = _pictures(subject, data, count, seed)
        how = _distance if method == "distance" else _windows
        answers, source, reach = how(subject, session, shown, method), f"{shown.name}, held out ({len(shown)})", None
    return _result(subject, session, method, answers, source, reach)


def _pictures(subject: Model, data: str | Dataset | None, count: int, seed: int) -> Dataset:
    """Held-out pictures, some of them by the seed, whose size and classes are the net's."""
    name = subject.metadata.get("data") if data is None else data
    if name is None:
        raise RequestError(f"{subject.name} does not say what it was trained on; name its data with --data (data=...)")
    whole = name if isinstance(name, Dataset) else load_data(str(name), "test")
    if subject.input_size is not None and tuple(whole.input_size) != tuple(subject.input_size):
        sizes = ("x".join(map(str, size)) for size in (whole.input_size, subject.input_size))
        raise RequestError("the pictures of {} are {}, the net takes {}".format(whole.name, *sizes))
    chosen = np.sort(np.random.default_rng(seed).permutation(len(whole))[:count])
    return Dataset(whole.name, whole.images[chosen], whole.labels[chosen], whole.classes)


def _inputs(subject: Model, images: torch.Tensor) -> torch.Tensor:
    """Pixels as the net takes them."""
    x = images.double() / 255
    if subject.normalisation is None:
        return x
    shape = (-1, *[1] * (x.dim() - 2))
    mean, std = (torch.tensor(part).double().reshape(shape) for part in vars(subject.normalisation).values())
    return (x - mean) / std


def _told(scores: torch.Tensor, shown: Dataset) -> torch.Tensor:
    """Where the labels are told right; of scores that do not fit them the line that says so.

    Raises:
        RequestError: another number of classes, or of places.
    """
    wanted = (len(shown.labels), len(shown.classes), *shown.labels.shape[1:])
    if tuple(scores.shape) != wanted:
        raise RequestError(
            f"the net gives {'x'.join(map(str, scores.shape[1:]))} a picture; the labels of {shown.name} take "
            f"{'x'.join(map(str, wanted[1:]))}"
        )
    return scores.argmax(1) == shown.labels


def _windows(subject: Model, session: Session, shown: Dataset, method: str) -> Answers:
    images = _inputs(subject, shown.images)
    spatial = images.shape[2:]
    sides = window_sides(spatial)
    asked = (_central(shown.labels) != IGNORED).double().numpy()
    right = np.zeros((len(images), len(sides)))
    for k, side in enumerate(sides):
        part = occluded(images, side) if method == "occlusion" else shuffled(images, side, session.seed)
        right[:, k] = _central(_told(session.scores(part), shown)).numpy() * asked
        session.tell(k + 1, len(sides))
    return Answers(sides, right, np.repeat(asked[:, None], len(sides), 1), 1 / len(shown.classes), rises=True)


def _central(places: torch.Tensor) -> torch.Tensor:
    """Of one value a place the central unit's; one value a picture as it is."""
    for n in places.shape[1:]:
        places = places[:, n // 2]
    return places


def _distance(subject: Model, session: Session, shown: Dataset, method: str) -> Answers:
    if shown.name not in TASKS:
        raise RequestError(
            f"{shown.name} is no task by rule ({', '.join(TASKS)}), whose labels say how far they need to see"
        )
    right = _told(session.scores(_inputs(subject, shown.images)), shown).reshape(len(shown), -1)
    needs = TASKS[shown.name].needs(shown.images.numpy(), shown.labels.numpy()).reshape(len(shown), -1)
    sizes = np.unique(needs[needs > 0])
    told, asked = np.zeros((2, len(shown), len(sizes)))
    for k, size in enumerate(sizes):
        at = needs == size
        told[:, k], asked[:, k] = (right.numpy() & at).sum(1), at.sum(1)
    return Answers(sizes, told, asked, 1 / len(shown.classes), rises=False)


def _pairs(subject: Model, session: Session, count: int) -> tuple[Answers, str, int]:
    """Two marks, farther and farther apart, in double precision: is the whole more than its parts?"""
    size = subject.require_input_size()
    if len(size) != 3 or size[0] != 3 or min(size) < 3:
        raise RequestError(
            f"pairs are shown to nets over colour pictures; {subject.name} takes {'x'.join(map(str, size))}"
        )
    exact = Session(copy.deepcopy(subject.module).double(), *list(vars(session).values())[1:])
    apart = np.arange(MARK, size[1] - 2 - MARK + 1)
    right, together = np.zeros((2, count, len(apart)))
    knows = tuple(subject.classes) == TASKS["marks"].classes
    for k, distance in enumerate(apart):
        four = quartets(count, int(distance), size[1], session.seed + k)
        scores = exact.scores(_inputs(subject, four.flatten(0, 1))).reshape(4, count, -1)
        gains = scores[0] + scores[1] - scores[2] - scores[3]
        least = 1e-9 * float(scores.abs().max())
        together[:, k] = (gains.abs() > least).any(1)
        gain = (gains[:, 1] - gains[:, 0]).numpy() if knows else together[:, k]
        right[:, k] = np.where(np.abs(gain) <= 2 * least, 0.5, gain > 0)
        exact.tell(k + 1, len(apart))
    seen = apart[together.any(0)]
    answers = Answers(apart - 1, right, np.ones_like(right), 0.5, rises=False)
    return answers, f"{count} pairs of marks a size", int(seen.max() - 1) if len(seen) else 0


def _result(subject: Model, session: Session, method: str, answers: Answers, source: str, reach: int | None) -> Probed:
    flat = len(subject.input_size or ()) == 2
    unit = "samples" if flat else "px"
    behavioural, low, high = measured(answers, session.seed, unit)
    shares = answers.shares(np.ones((1, len(answers.right))))[0]
    counts = answers.asked.sum(0).astype(int)
    rows = zip(answers.sizes.tolist(), shares.tolist(), low.tolist(), high.tolist(), counts.tolist(), strict=True)
    layer, can, does = _beside(subject, session.seed)
    return Probed(
        model=subject.info(),
        input_size=subject.input_size,
        layers=tuple(SizeSeen(f"{size} {unit}", size, *own) for size, *own in rows),
        method=method,
        source=source,
        unit=unit,
        chance=answers.chance,
        whole=float(shares[-1]) if answers.rises else None,
        behavioural=behavioural,
        reach=reach,
        layer=layer,
        theoretical=can,
        effective=does,
        seed=session.seed,
    )


def _beside(subject: Model, seed: int) -> tuple[str | None, int | None, Measure | None]:
    """The last convolution, its theoretical size, and the diameter that holds half of its gradient: of units that look
    back only the stretch before them.
    """
    from torch.nn.modules.conv import _ConvNd

    convolutions = [name for name, module in subject.module.named_modules() if isinstance(module, _ConvNd)]
    if not convolutions or subject.input_size is None:
        return None, None, None
    axes = theoretical(subject).get(convolutions[-1])
    if axes is None or not axes.axes or any(axis.size is None for axis in axes.axes):
        return convolutions[-1], None, None
    row = effective(subject, layers=[convolutions[-1]], seed=seed)[convolutions[-1]]
    causal = all(axis.causal for axis in axes.axes)
    return (
        convolutions[-1],
        _seen(axes.axes),
        row.measures["radius_50"] if causal else _doubled(row.measures["radius_50"]),
    )


def _seen(axes: Sequence[AxisField]) -> int | None:
    """The size that all units share; None where each sees another one, as all that came before it."""
    if any(axis.stride is None and not axis.global_ for axis in axes):
        return None
    return max(axis.size for axis in axes if axis.size is not None)


def _doubled(radius: Measure) -> Measure:
    from rftools.erf.result import Measure

    value, low, high = (None if end is None else 2 * end for end in (radius.value, radius.low, radius.high))
    return Measure(value, low, high, radius.unit)
