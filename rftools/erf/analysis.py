"""`effective`: from a model and images to what units of its layers really see."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rftools.capture import capture
from rftools.erf.gradients import AGGREGATIONS, Target, layer_maps
from rftools.erf.images import Given, gather
from rftools.erf.intervals import METHOD, measure_all
from rftools.erf.measures import REGISTRY, Frame
from rftools.erf.result import EffectiveLayer, EffectiveResult
from rftools.errors import RequestError, closest
from rftools.loading import Model, as_model
from rftools.models.training import pick_device
from rftools.trf import LayerField, TheoreticalResult, theoretical

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import Dataset

Unit = tuple[int, ...]


def effective(
    model: Model | nn.Module,
    images: Given | Dataset[Any] = None,
    layers: Sequence[str] | str | None = None,
    unit: Unit | Mapping[str, Unit] | None = None,
    aggregation: str = "abs",
    device: str = "auto",
    *,
    input_size: tuple[int, ...] | None = None,
    count: int = 32,
    batch_size: int = 16,
    seed: int = 0,
    strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> EffectiveResult:
    """What one unit of each layer sees: its gradient with respect to the input, aggregated over images.

    ``map[p] = mean over images and input channels of |d y / d x[p]|`` for ``aggregation="abs"``, where y sums the
    unit's channels (Luo et al., arXiv:1701.04128); see `layer_maps` for the others. Every measure comes with a 95 %
    bootstrap interval over the images.

    Args:
        images: ``(N, C, *spatial)`` inputs, a path to pictures or arrays, a data set, ``white`` or ``pink`` noise
            (the default: ``count`` images of white noise).
        layers: names or patterns (``layer4.*``); by default all layers that hold weights and have a map.
        unit: the output index; by default the centre of each layer's map.
        device: ``auto`` takes CUDA when present.

    Raises:
        RequestError: no such layer, unit or aggregation; images that do not fit; a gradient that is not finite.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=1), torch.nn.Conv2d(1, 1, 3, padding=1))
    >>> result = effective(net, torch.rand(4, 1, 15, 15))
    >>> result["1"].map.shape, int((result["1"].map > 0).sum())
    ((15, 15), 25)
    """
    if aggregation not in AGGREGATIONS:
        raise RequestError(
            f"no aggregation {aggregation!r}{closest(aggregation, AGGREGATIONS)}; there are {', '.join(AGGREGATIONS)}"
        )
    subject = _sized(as_model(model, input_size), images)
    graph = capture(subject.module, subject.require_input_size())
    rows = theoretical(subject, unit=unit, graph=graph)
    chosen = choose(rows, subject.module, layers)
    given = gather(images, subject, count=count, seed=seed, strict=strict)
    targets = [Target(row.name, row.unit_dims, row.unit or ()) for row in chosen]
    total = len(given.inputs)
    maps = layer_maps(
        subject.module,
        given.inputs,
        targets,
        aggregation=aggregation,
        device=pick_device(device),
        batch_size=batch_size,
        seed=seed,
        graph=graph,
        progress=None if progress is None else lambda done: progress(done, total),
    )
    size = subject.require_input_size()[1:]
    return EffectiveResult(
        model=subject.info(),
        input_size=subject.require_input_size(),
        layers=tuple(_layer(row, maps[row.name], size, aggregation, seed) for row in chosen),
        source=given.source,
        normalisation=None if given.normalisation is None else vars(given.normalisation),
        seed=seed,
        interval=METHOD,
        skipped=given.skipped,
    )


def _sized(model: Model, images: Any) -> Model:
    """A plain module takes its input size from the images it is given."""
    import dataclasses

    shape = getattr(images, "shape", None)
    if model.input_size is None and shape is not None and len(shape) > 2:
        return dataclasses.replace(model, input_size=tuple(int(n) for n in shape[1:]))
    return model


def choose(rows: TheoreticalResult, module: nn.Module, layers: Sequence[str] | str | None) -> list[LayerField]:
    """The layers to look at: by name or pattern, or all that hold kernels or matrices and still have a map."""
    modules = dict(module.named_modules())
    known = [row for row in rows if row.name.partition("#")[0] in modules and "[" not in row.name]
    if layers is None:
        found = [
            row for row in known if row.module and row.unit and _holds_weights(modules[row.name.partition("#")[0]])
        ]
        if not found:
            raise RequestError("no layer with weights has a map; name a layer with --layer")
        return found
    asked = [layers] if isinstance(layers, str) else list(layers)
    found = []
    for name in asked:
        own = [row for row in known if row.name == name or (name and fnmatch.fnmatchcase(row.name, name))]
        if not own:
            raise RequestError(_no_layer(name, rows, known))
        found += [row for row in own if row not in found]
    for row in found:
        if row.unit is None:
            raise RequestError(f"the unit lies outside the map of {row.name!r}, whose output is {row.output_shape}")
    return found


def _no_layer(name: str, rows: TheoreticalResult, known: Sequence[LayerField]) -> str:
    if any(row.name == name for row in rows):
        inside = name.partition("/")[0] or "the model"
        return f"{name!r} is an operator between modules; effective fields are of modules: take one of {inside}"
    names = [row.name for row in known]
    return f"no layer matches {name!r}{closest(name, names)}; there are {len(names)}"


def _holds_weights(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return weight is not None and getattr(weight, "ndim", 0) >= 2


def _layer(
    row: LayerField, maps: NDArray[np.float32], size: Sequence[int], aggregation: str, seed: int
) -> EffectiveLayer:
    full = maps.mean(0, dtype=np.float64)
    boxes = [axis.clipped for axis in row.axes]
    box = tuple(slice(0, n) if b is None else slice(b[0], b[1] + 1) for b, n in zip(boxes, size, strict=True))
    frame = Frame(
        centre=tuple(centre_of(axis, n) for axis, n in zip(row.axes, size, strict=True)),
        sizes=tuple(axis.size for axis in row.axes),
        image=tuple(size),
        offset=tuple(s.start for s in box),
    )
    measures = measure_all(maps[(slice(None), *box)], frame, REGISTRY, seed=seed)
    note = None if full.any() else "the gradient is zero everywhere: a dead unit at these images"
    return EffectiveLayer(
        name=row.name,
        unit=row.unit or (),
        images=len(maps),
        aggregation=aggregation,
        measures=measures,
        theoretical=_theoretical(row),
        map=full,
        scale=float(np.abs(full).max()),
        note=note,
    )


def centre_of(axis: Any, length: int) -> float:
    """The unit's own centre along an axis: of its window, or of the image where the field is global."""
    if axis.window is None or (axis.global_ and axis.local_centre is None):
        return (length - 1) / 2
    return float(axis.local_centre) if axis.local_centre is not None else sum(axis.window) / 2


def _theoretical(row: LayerField) -> dict[str, Any]:
    axes = [
        {
            "size": axis.size,
            "stride": axis.stride,
            "start": axis.start,
            "centre": axis.centre,
            "window": axis.window,
            "clipped": axis.clipped,
            "global": axis.global_,
        }
        for axis in row.axes
    ]
    return {"status": row.status, "axes": axes}
