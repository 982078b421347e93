"""`tuning`: from a model to how the filters of its layers answer to gratings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import NDArray

from rftools.arguments import checked
from rftools.errors import RequestError, closest
from rftools.gratings.filters import describe
from rftools.gratings.intervals import METHOD
from rftools.gratings.measures import RESPONSES
from rftools.gratings.request import Gratings, Options
from rftools.gratings.responses import respond
from rftools.gratings.result import TuningResult
from rftools.gratings.stimuli import Place, Sweep, as_input, patterns
from rftools.loading import Model, as_model
from rftools.runtime.device import pick_device
from rftools.trf import LayerField, theoretical
from rftools.units import centre_of, choose, unit_of

if TYPE_CHECKING:
    from torch import nn

BATCH = 32


@dataclass(frozen=True)
class Task:
    """Layers whose units have one centre and field, and the gratings that they all are shown."""

    place: Place
    sweep: Sweep
    rows: tuple[LayerField, ...]


@checked
def tuning(
    model: Model | nn.Module,
    layers: Sequence[str] | str | None = None,
    *,
    input_size: tuple[int, ...] | None = None,
    response: str = "F0",
    device: str = "auto",
    batch_size: int = BATCH,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **gratings: Unpack[Options],
) -> TuningResult:
    """How the filters of each layer are tuned to the orientation and spatial frequency of gratings.

    A disc of grating, as large as the theoretical field of the layer's central unit and centred on it, is shown at
    every orientation (of its bars), frequency and phase. A filter's response is ``F0``, the mean over phases of
    ``relu(y)``, or ``F1``, the amplitude of the first harmonic of ``y`` over phases, ``y`` being the layer's output.
    Preferred orientation and global OSI are angle and length of ``sum r exp(2 i theta) / sum r`` at the preferred
    frequency.

    Args:
        layers: names or patterns; by default all layers that hold weights and have a map.
        response: ``F0`` or ``F1``.
        seed: of the bootstrap.
        gratings: the fields of `Gratings`: ``orientations``, 24 evenly over 180 degrees; ``frequencies``, by default
            half octaves from half a cycle a field to 0.5 cycles a pixel; ``phases``, 8; ``contrast`` and ``size``, 1;
            ``temporal``, the drift in cycles a frame.

    Raises:
        RequestError: a net without a picture plane, a layer without a map, a number out of its range.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 5, padding=2, bias=False))
    >>> stripes = torch.tensor([-1.0, 1, 2, 1, -1]) - 0.4
    >>> net[0].weight.data[:] = stripes.reshape(5, 1)  # horizontal bars
    >>> row = tuning(net, input_size=(1, 15, 15))["0"]
    >>> round(row.filters[0].orientation.value, 3), row.filters[0].selective
    (0.0, True)

    Source: Mazurek, Kager, Van Hooser, "Robust quantification of orientation selectivity and direction selectivity",
    Front. Neural Circuits 2014, doi:10.3389/fncir.2014.00092; Ringach, Shapley, Hawken, J. Neurosci. 2002,
    doi:10.1523/JNEUROSCI.22-13-05639.2002.
    """
    subject = as_model(model, input_size)
    image = subject.require_input_size()
    shown = Gratings(**gratings)
    shown.check(image)
    if response not in RESPONSES:
        raise RequestError(f"no response {response!r}{closest(response, RESPONSES)}; there are {', '.join(RESPONSES)}")
    rows = choose(theoretical(subject), subject.module, layers)
    _check_maps(rows)
    tasks = _tasks(rows, image[1:], shown)
    total = sum(math.prod(task.sweep.shape) for task in tasks)
    done, found = 0, {}
    for task in tasks:
        units = [unit_of(row) for row in task.rows]
        batches = _counted(_batches(task, subject, batch_size), done, total, progress)
        outputs = respond(subject.module, batches, units, pick_device(device))
        done += math.prod(task.sweep.shape)
        for row in task.rows:
            own = describe(row, task.place, task.sweep, outputs[row.name], response, seed)
            found[row.name] = replace(own, kernels=_kernels(subject, row))
    return TuningResult(
        model=subject.info(),
        input_size=image,
        layers=tuple(found[row.name] for row in rows),
        response=response,
        contrast=shown.contrast,
        size=shown.size,
        phases=shown.phases,
        seed=seed,
        interval=METHOD,
    )


def _kernels(subject: Model, row: LayerField) -> NDArray[np.float32] | None:
    """The kernels of a layer that reads the image itself, channels last; None of any other."""
    from torch import nn

    module = dict(subject.module.named_modules())[row.name.partition("#")[0]]
    if not isinstance(module, nn.Conv2d) or module.groups > 1:
        return None
    reach = [d * (k - 1) + 1 for d, k in zip(module.dilation, module.kernel_size, strict=True)]
    if module.in_channels != subject.require_input_size()[0] or reach != [axis.size for axis in row.axes]:
        return None
    kernels: NDArray[np.float32] = module.weight.detach().float().cpu().numpy().transpose(0, 2, 3, 1)
    return kernels


def _check_maps(rows: Sequence[LayerField]) -> None:
    for row in rows:
        if not row.unit or len(row.axes) < 2:
            raise RequestError(
                f"layer {row.name!r} has no map, so none of its units has a place; name a layer before it"
            )
        if 0 in row.unit_dims:
            raise RequestError(f"layer {row.name!r} folds places into the batch; name a layer before or after it")
        if row.status == "unknown":
            raise RequestError(
                f"the field of layer {row.name!r} is unknown ({row.cause}); gratings have no size for it"
            )


def _tasks(rows: Sequence[LayerField], image: tuple[int, ...], shown: Gratings) -> list[Task]:
    places: dict[Place, list[LayerField]] = {}
    for row in rows:
        centre = tuple(centre_of(axis, n) for axis, n in zip(row.axes, image, strict=True))
        field = tuple(axis.size or axis.local_size or n for axis, n in zip(row.axes, image, strict=True))
        places.setdefault(Place(centre, field, image), []).append(row)
    return [Task(place, shown.sweep(place), tuple(own)) for place, own in places.items()]


def _batches(task: Task, subject: Model, batch_size: int) -> Iterator[NDArray[np.float32]]:
    """Inputs in batches of about ``batch_size``: whole sets of phases."""
    held: list[NDArray[np.float32]] = []
    channels = subject.require_input_size()[0]
    for pattern in patterns(task.place, task.sweep):
        held.append(as_input(pattern, channels, subject.normalisation))
        if len(held) * task.sweep.phases >= batch_size:
            yield np.concatenate(held)
            held = []
    if held:
        yield np.concatenate(held)


def _counted(
    batches: Iterator[NDArray[np.float32]], done: int, total: int, progress: Callable[[int, int], None] | None
) -> Iterator[NDArray[np.float32]]:
    for batch in batches:
        yield batch
        done += len(batch)
        if progress is not None:
            progress(done, total)
