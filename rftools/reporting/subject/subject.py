"""What a report speaks of: one model's results, and for each that is missing the reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from rftools.errors import RequestError
from rftools.plots.sparsity.taps import PRUNED
from rftools.reporting.drawing.architecture import Level, levels
from rftools.reporting.drawing.explorer import Supports, supports
from rftools.reporting.texts import say
from rftools.results import ModelInfo, Result

if TYPE_CHECKING:
    from torch import nn

    from rftools.erf import EffectiveComparison
    from rftools.erf.intervals import Difference
    from rftools.erf.result import EffectiveResult
    from rftools.loading import Model
    from rftools.reporting.subject.run import Epoch
    from rftools.reporting.subject.saved import Saved
    from rftools.trf.result import TheoreticalResult
    from rftools.weights.results import OrientationResult, SparsityResult

#: schema name -> the part of a subject that a result of it fills
PARTS = {
    "rftools.trf": "theoretical",
    "rftools.erf": "effective",
    "rftools.sparsity": "sparsity",
    "rftools.orientation": "orientation",
}
MOST_WALKED = 160  # layers with kernels, beyond which a page's fields are the architecture's alone


@dataclass(frozen=True)
class Subject:
    """One model's results. ``missing`` says why a part is None, ``seconds`` what each took."""

    model: ModelInfo
    input_size: tuple[int, ...] | None = None
    theoretical: TheoreticalResult | None = None
    effective: EffectiveResult | None = None
    sparsity: SparsityResult | None = None
    orientation: OrientationResult | None = None
    history: tuple[Mapping[str, Any], ...] = ()
    classes: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    supports: Supports | None = field(default=None, repr=False)
    epochs: tuple[Epoch, ...] = field(default=(), repr=False)  # where a run's folder was given
    followed: tuple[str, ...] = ()  # the layers whose course the epochs show
    levels: tuple[Level, ...] = field(default=(), repr=False)
    #: layer -> measure -> how it differs from the first of several models, measured on the same images
    paired: Mapping[str, Mapping[str, Difference]] = field(default_factory=dict, repr=False)
    missing: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    sources: tuple[str, ...] = ()  # the files that the results were read from, where they were

    @property
    def file(self) -> str:
        """The model's spec without any folder: a report does not tell where on a disk files were."""
        return file_name(self.model.spec)


def file_name(spec: str) -> str:
    """A model spec with the folders of its file left out.

    >>> file_name("/home/me/runs/a/best.pt"), file_name("torchvision:resnet18"), file_name("nets/mine.py:build")
    ('best.pt', 'torchvision:resnet18', 'mine.py:build')
    """
    return PurePath(spec.replace("\\", "/")).name or spec


def from_results(results: Sequence[Result[Any]]) -> Subject:
    """A subject from results of one model that are there already.

    Raises:
        RequestError: two results of one kind, or one of a kind that no report shows.
    """
    parts: dict[str, Any] = {}
    for result in results:
        part = PARTS.get(result.SCHEMA[0])
        if part is None:
            raise RequestError(f"a report has no place for a {type(result).__name__}; it shows {', '.join(PARTS)}")
        if part in parts:
            raise RequestError(f"two {part} results of {result.model.name}; a report shows one of each")
        parts[part] = result
    sizes = [result.input_size for result in results if result.input_size is not None]
    missing = {part: say("missing.not_given") for part in (*PARTS.values(), "history") if part not in parts}
    return Subject(model=results[0].model, input_size=sizes[0] if sizes else None, missing=missing, **parts)


def from_saved(saved: Saved) -> Subject:
    """A subject from files of results: nothing is analysed again, and no model is needed."""
    subject = from_results(saved.results)
    missing = dict(subject.missing)
    if subject.effective is not None and not any(row.map.size for row in subject.effective):
        missing["maps"] = say("missing.maps")
    return replace(subject, sources=saved.sources, missing=missing)


def from_model(
    model: Model | nn.Module, input_size: tuple[int, ...] | None, effective: dict[str, Any] | None
) -> Subject:
    """A subject by analysing ``model``; an analysis that refuses leaves its reason instead of a result.

    ``effective`` are the options of `rftools.effective`, None leaves that analysis out.

    Raises:
        RequestError: the images or layers that were asked for are not there.
    """
    import rftools
    from rftools.loading import as_model

    loaded = as_model(model, input_size)
    works: dict[str, Callable[[], Any]] = {
        "sparsity": lambda: rftools.sparsity(loaded),
        "theoretical": lambda: _fields(loaded, parts.get("sparsity"), missing),
        "effective": lambda: rftools.effective(loaded, **(effective or {})),
        "orientation": lambda: rftools.orientation(loaded),
    }
    parts: dict[str, Any] = {}
    missing: dict[str, str] = {}
    seconds: dict[str, float] = {}
    if effective is None:
        del works["effective"]
        missing["effective"] = say("missing.left_out")
    for part, work in works.items():
        begin = time.perf_counter()
        try:
            parts[part] = work()
        except RequestError as error:
            if part == "effective" and "theoretical" in parts and _asked(effective):
                raise
            missing[part] = str(error)
        seconds[part] = time.perf_counter() - begin
    history = tuple(loaded.metadata.get("history") or ())
    if not history:
        missing["history"] = say("missing.history")
    return Subject(
        model=loaded.info(),
        input_size=loaded.input_size,
        history=history,
        classes=loaded.classes,
        metadata=loaded.metadata,
        **(_structure(loaded) if "theoretical" in parts else {}),
        missing=missing,
        seconds=seconds,
        **parts,
    )


def from_models(
    models: Sequence[Model | nn.Module], input_size: tuple[int, ...] | None, effective: dict[str, Any] | None
) -> list[Subject]:
    """Several subjects, their effective fields on the same images, so that differences can be paired.

    Where that is refused (other input sizes, no layer in common) each model is measured by itself.
    """
    begin = time.perf_counter()
    together = None if effective is None or len(models) < 2 else _together(models, input_size, effective)
    if together is None:
        return [from_model(model, input_size, effective) for model in models]
    seconds = (time.perf_counter() - begin) / len(models)
    return [
        _measured_with(from_model(model, input_size, None), together, place, seconds)
        for place, model in enumerate(models)
    ]


def _together(
    models: Sequence[Model | nn.Module], input_size: tuple[int, ...] | None, options: dict[str, Any]
) -> EffectiveComparison | None:
    from rftools.erf import compare
    from rftools.loading import as_model

    try:
        found = compare([as_model(model, input_size) for model in models], **options)
    except RequestError:
        return None
    return found if len(found.results) == len(models) else None


def _measured_with(subject: Subject, together: EffectiveComparison, place: int, seconds: float) -> Subject:
    paired = {layer.name: layer.differences[place - 1] for layer in together} if place else {}
    missing = {part: why for part, why in subject.missing.items() if part != "effective"}
    took = {**subject.seconds, "effective": seconds}
    return replace(subject, effective=together.results[place], paired=paired, missing=missing, seconds=took)


def _structure(model: Model) -> dict[str, Any]:
    """What the page draws and works fields out from, beyond the results."""
    from rftools.capture import capture

    graph = capture(model.module, model.require_input_size())
    return {"supports": supports(graph), "levels": levels(graph)}


def _asked(effective: dict[str, Any] | None) -> bool:
    """Whether the user named images or layers, who is then not served by a page without them."""
    return any((effective or {}).get(key) is not None for key in ("images", "layers"))


def _fields(loaded: Model, sparsity: SparsityResult | None, missing: dict[str, str]) -> TheoreticalResult:
    """The fields of the architecture and, where weights are zero, of what pruning left of them."""
    import rftools

    if sparsity is None or sparsity.total.sparsity <= PRUNED:
        return rftools.theoretical(loaded)
    if len(sparsity) > MOST_WALKED:
        missing["surviving"] = say("missing.not_walked", layers=len(sparsity), most=MOST_WALKED)
        return rftools.theoretical(loaded)
    try:
        return rftools.theoretical(loaded, surviving=True)
    except RequestError as error:
        missing["surviving"] = say("missing.surviving", why=error)
        return rftools.theoretical(loaded)
