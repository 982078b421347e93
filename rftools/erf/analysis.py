"""`effective`: from a model and images to what units of its layers really see."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rftools.capture import capture
from rftools.erf.attribution import check_method
from rftools.erf.gradients import AGGREGATIONS
from rftools.erf.images import Given, gather, pictures
from rftools.erf.intervals import METHOD, measure_all
from rftools.erf.measures import REGISTRY, Definition, Frame
from rftools.erf.result import EffectiveLayer, EffectiveResult
from rftools.erf.survey import DRAWN, Place, Plan, Progress, Promise, Survey, Taker, over_draws, survey, until_precise
from rftools.erf.weights import check_init
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
    count: int | None = None,
    batch_size: int = 16,
    seed: int = 0,
    strict: bool = False,
    method: str = "gradient",
    measures: Sequence[str] | None = None,
    precision: float | None = None,
    max_images: int | None = None,
    random_weights: int | None = None,
    init: str = "default",
    progress: Progress | None = None,
) -> EffectiveResult:
    """What one unit of each layer sees: its gradient with respect to the input, aggregated over images.

    ``map[p] = mean over images and input channels of |d y / d x[p]|`` for ``aggregation="abs"``, where y sums the
    unit's channels (Luo et al., arXiv:1701.04128); see `layer_maps` for the others. Every measure comes with a 95 %
    bootstrap interval over the images.

    Args:
        images: ``(N, C, *spatial)`` inputs, a path to pictures or arrays, a data set, ``white`` or ``pink`` noise
            (the default: ``count`` images of white noise).
        layers: names or patterns (``layer4.*``; with a slash, ``layer1.*/add``, of operators between modules); by
            default all layers that hold weights and have a map.
        unit: the output index; by default the centre of each layer's map.
        device: ``auto`` takes CUDA when present.
        count: images at most where there are more, or noise images to make: 32 (4 a draw of random weights).
        seed: of noise, of which of many files are taken, of random signs, weights and resampling.
        method: ``gradient``, or one of captum's attributions, see `attribution_maps`.
        measures: names of the measures to work out; by default all.
        precision: look at ever more images until the half-width of each measure's interval (``radius_50`` where none
            is named) is at most this share of its value, ``max_images`` (1,000) at most.
        random_weights: average maps over this many draws of random weights instead, drawn as ``init`` says: the map of
            a draw is what an image's is otherwise, so that intervals are over draws.

    Ctrl-C ends it early: the result then holds the images that are done, and is ``partial``.

    Raises:
        RequestError: no such layer, unit, aggregation, method or measure; images that do not fit; a gradient that is
            not finite.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=1), torch.nn.Conv2d(1, 1, 3, padding=1))
    >>> result = effective(net, torch.rand(4, 1, 15, 15))
    >>> result["1"].map.shape, int((result["1"].map > 0).sum())
    ((15, 15), 25)
    """
    return examined(
        model,
        images,
        layers,
        unit,
        aggregation,
        device,
        input_size=input_size,
        count=count,
        batch_size=batch_size,
        seed=seed,
        strict=strict,
        method=method,
        measures=measures,
        precision=precision,
        max_images=max_images,
        random_weights=random_weights,
        init=init,
        progress=progress,
    ).result()


@dataclass(frozen=True)
class Examined:
    """A model, the maps of its layers image by image, and the measures that are asked of them."""

    subject: Model
    taker: Taker
    survey: Survey
    measures: Mapping[str, Definition]

    @property
    def places(self) -> dict[str, Place]:
        return places(self.taker.rows, self.subject, whole=self.taker.plan.method == "occlusion")

    def result(self) -> EffectiveResult:
        """The maps' means and their measures."""
        plan, images, found, where = self.taker.plan, self.survey.images, self.survey, self.places
        return EffectiveResult(
            model=self.subject.info(),
            input_size=self.subject.require_input_size(),
            layers=tuple(
                _layer(row, found.maps[row.name], where[row.name], self.measures, plan, found.count)
                for row in self.taker.rows
            ),
            source=images.source,
            normalisation=None if images.normalisation is None else vars(images.normalisation),
            seed=plan.seed,
            interval=METHOD.replace("over images", "over draws of weights") if found.draws else METHOD,
            skipped=images.skipped,
            partial=found.partial,
            method=plan.method,
            events=found.events,
            precision=found.precision,
            draws=found.draws,
            pictures=pictures(images),
        )


def examined(
    model: Model | nn.Module,
    images: Given | Dataset[Any] = None,
    layers: Sequence[str] | str | None = None,
    unit: Unit | Mapping[str, Unit] | None = None,
    aggregation: str = "abs",
    device: str = "auto",
    *,
    input_size: tuple[int, ...] | None = None,
    count: int | None = None,
    batch_size: int = 16,
    seed: int = 0,
    strict: bool = False,
    method: str = "gradient",
    measures: Sequence[str] | None = None,
    precision: float | None = None,
    max_images: int | None = None,
    random_weights: int | None = None,
    init: str = "default",
    progress: Progress | None = None,
) -> Examined:
    """As `effective`, with the maps of single images in place of what is said of them."""
    check_method(method)
    chosen_measures = definitions(measures or (["radius_50"] if precision is not None else None))
    _check_options(aggregation, precision, max_images, random_weights, init)
    subject = _sized(as_model(model, input_size), images)
    graph = capture(subject.module, inputs=[subject.require_input_size(), *subject.other_inputs])
    rows = choose(theoretical(subject, unit=unit, graph=graph), subject.module, layers)
    taker = Taker(rows, Plan(aggregation, method, pick_device(device), batch_size, seed, progress), graph)
    if precision is not None:
        promise = Promise(precision, max_images or MOST, places(rows, subject), chosen_measures)
        found = until_precise(subject, taker, images, promise, strict)
    elif random_weights is not None:
        given = gather(images, subject, count=random_weights * (count or DRAWN), seed=seed, strict=strict)
        found = over_draws(subject, taker, given, random_weights, init)
    else:
        found = survey(subject, taker, gather(images, subject, count=count or COUNT, seed=seed, strict=strict))
    return Examined(subject, taker, found, definitions(measures))


COUNT = 32  # images, where nothing else is said
MOST = 1000  # images that --precision spends at most, where nothing else is said


def definitions(names: Sequence[str] | None) -> dict[str, Definition]:
    """Measures by name, in the order asked; all where none is named.

    Raises:
        RequestError: there is none of that name.
    """
    if names is None:
        return dict(REGISTRY)
    for name in names:
        if name not in REGISTRY:
            raise RequestError(f"no measure {name!r}{closest(name, REGISTRY)}; there are {', '.join(REGISTRY)}")
    return {name: REGISTRY[name] for name in names}


def _check_options(
    aggregation: str, precision: float | None, max_images: int | None, random_weights: int | None, init: str
) -> None:
    if aggregation not in AGGREGATIONS:
        raise RequestError(
            f"no aggregation {aggregation!r}{closest(aggregation, AGGREGATIONS)}; there are {', '.join(AGGREGATIONS)}"
        )
    if precision is not None and not 0 < precision < 1:
        raise RequestError(f"precision {precision:g} is not between 0 and 1 (0 % and 100 %)")
    if max_images is not None and (precision is None or max_images < 2):
        raise RequestError(f"at most {max_images} images: that goes with a precision, and takes at least two")
    check_init(init)
    if random_weights is not None and (random_weights < 1 or precision is not None):
        raise RequestError(f"{random_weights} draws of weights: it takes at least one, and no precision beside")
    if random_weights is None and init != "default":
        raise RequestError(f"the initialisation {init} goes with random weights; say how many draws (--random-weights)")


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
        among = list(rows) if "/" in name or "[" in name else known  # operators between modules, one of several outputs
        own = [row for row in among if row.name == name or (name and fnmatch.fnmatchcase(row.name, name))]
        if not own:
            raise RequestError(_no_layer(name, rows))
        found += [row for row in own if row not in found]
    for row in found:
        if row.unit is None:
            raise RequestError(f"the unit lies outside the map of {row.name!r}, whose output is {row.output_shape}")
    return found


def _no_layer(name: str, rows: TheoreticalResult) -> str:
    names = [row.name for row in rows]
    return f"no layer matches {name!r}{closest(name, names)}; there are {len(names)}"


def _holds_weights(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return weight is not None and getattr(weight, "ndim", 0) >= 2


def places(rows: Sequence[LayerField], model: Model, *, whole: bool = False) -> dict[str, Place]:
    """Each layer's place: the theoretical window inside the image, or the ``whole`` image (occluding windows blur)."""
    size = model.require_input_size()[1:]
    return {row.name: _place(row, size, whole) for row in rows}


def _place(row: LayerField, size: Sequence[int], whole: bool) -> Place:
    boxes = [None if whole else axis.clipped for axis in row.axes]
    box = tuple(slice(0, n) if b is None else slice(b[0], b[1] + 1) for b, n in zip(boxes, size, strict=True))
    frame = Frame(
        centre=tuple(centre_of(axis, n) for axis, n in zip(row.axes, size, strict=True)),
        sizes=tuple(axis.size for axis in row.axes),
        image=tuple(size),
        offset=tuple(s.start for s in box),
    )
    return Place(box, frame)


def _layer(
    row: LayerField,
    maps: NDArray[np.float32],
    place: Place,
    measures: Mapping[str, Definition],
    plan: Plan,
    images: int,
) -> EffectiveLayer:
    full = maps.mean(0, dtype=np.float64)
    return EffectiveLayer(
        name=row.name,
        unit=row.unit or (),
        images=images,
        aggregation=plan.aggregation,
        measures=measure_all(maps[(slice(None), *place.box)], place.frame, measures, seed=plan.seed),
        theoretical=_theoretical(row),
        map=full,
        scale=float(np.abs(full).max()),
        note=None if full.any() else "the gradient is zero everywhere: a dead unit at these images",
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
