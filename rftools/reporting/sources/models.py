"""A subject by analysing a model: every section's own analysis, and for each that refuses the reason."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rftools.erf import EffectiveComparison, compare
from rftools.errors import RequestError
from rftools.loading import Model, as_model
from rftools.reporting.sections import SECTIONS, Analyses, Section
from rftools.reporting.sources.results import placed
from rftools.reporting.subject.architecture import architecture
from rftools.reporting.subject.subject import Subject
from rftools.reporting.subject.supports import supports
from rftools.reporting.texts import say
from rftools.runtime.listening import Listener

if TYPE_CHECKING:
    from torch import nn

    from rftools.capture import Graph

Options = dict[str, Any] | None  # of `rftools.effective`; None leaves it out


def from_model(
    model: Model | nn.Module,
    input_size: tuple[int, ...] | None,
    effective: Options,
    listener: Listener | None = None,
) -> Subject:
    """A subject by analysing ``model``; an analysis that refuses leaves its reason instead of a result.

    ``effective`` are the options of `rftools.effective`, None leaves that analysis out.

    Ctrl-C ends the analyses: the subject then holds those that are done, the effective one as far as it is.

    Raises:
        RequestError: the images or layers that were asked for are not there.
    """
    loaded = as_model(model, input_size)
    known = Analyses(effective, listener=listener or Listener())
    for section in _in_order():
        _analyse(section, loaded, known)
    return Subject(
        model=loaded.info(),
        input_size=loaded.input_size,
        classes=loaded.classes,
        metadata=loaded.metadata,
        **(_structure(known.graph_of(loaded)) if "theoretical" in known.results else {}),
        partial=known.listener.interrupted,
        missing=known.missing,
        seconds=known.seconds,
        **placed(known.results),
    )


def _in_order() -> list[Section]:
    """The sections, each after those that it needs."""
    by_part = {section.part: section for section in SECTIONS}
    found: dict[str, Section] = {}
    for section in SECTIONS:
        for need in section.needs:
            found.setdefault(need, by_part[need])
        found.setdefault(section.part, section)
    return list(found.values())


def _analyse(section: Section, model: Model, known: Analyses) -> None:
    if section.analyse is None:
        return
    if known.listener.interrupted:
        known.missing[section.part] = say("missing.interrupted")
        return
    begin = time.perf_counter()
    try:
        known.listener.begin(section.part)
        result = section.analyse(model, known)
    except KeyboardInterrupt:
        known.listener.interrupted = True
        known.missing[section.part] = say("missing.interrupted")
        return
    except RequestError as error:
        if section.part in known.insisted:
            raise
        known.missing[section.part] = str(error)
        return
    known.listener.interrupted |= bool(getattr(result, "partial", False))
    if result is not None:
        known.results[section.part] = result
        known.seconds[section.part] = time.perf_counter() - begin


def _structure(graph: Graph) -> dict[str, Any]:
    """What the page draws and works fields out from, beyond the results."""
    return {"supports": supports(graph), "architecture": architecture(graph)}


def from_models(
    models: Sequence[Model | nn.Module],
    input_size: tuple[int, ...] | None,
    effective: Options,
    listener: Listener | None = None,
) -> list[Subject]:
    """Several subjects, their effective fields on the same images, so that differences can be paired.

    Where that is refused (other input sizes, no layer in common) each model is measured by itself.
    """
    begin, listener = time.perf_counter(), listener or Listener()
    together = None if effective is None or len(models) < 2 else _together(models, input_size, effective, listener)
    if together is None:
        alone = None if listener.interrupted else effective
        return _one_by_one(models, input_size, alone, listener)
    seconds = (time.perf_counter() - begin) / len(models)
    subjects = _one_by_one(models, input_size, None, listener)
    return [_measured_with(subject, together, place, seconds) for place, subject in enumerate(subjects)]


def _one_by_one(
    models: Sequence[Model | nn.Module], input_size: tuple[int, ...] | None, effective: Options, listener: Listener
) -> list[Subject]:
    """Each by itself. Where the fields that they have together were interrupted, what is quick is still analysed."""
    before, listener.interrupted = listener.interrupted, False
    found = [from_model(model, input_size, effective, listener) for model in models]
    listener.interrupted |= before
    return [replace(subject, partial=True) for subject in found] if before else found


def _together(
    models: Sequence[Model | nn.Module],
    input_size: tuple[int, ...] | None,
    options: dict[str, Any],
    listener: Listener,
) -> EffectiveComparison | None:
    listener.begin("effective")
    try:
        found = compare(
            [as_model(model, input_size) for model in models], **{"watch": listener.seen, **options, "grid": None}
        )
    except RequestError:
        return None
    except KeyboardInterrupt:
        listener.interrupted = True
        return None
    listener.interrupted |= found.partial
    return found if len(found.results) == len(models) else None


def _measured_with(subject: Subject, together: EffectiveComparison, place: int, seconds: float) -> Subject:
    paired = {layer.name: layer.differences[place - 1] for layer in together} if place else {}
    missing = {part: why for part, why in subject.missing.items() if part != "effective"}
    took = {**subject.seconds, "effective": seconds}
    return replace(subject, effective=together.results[place], paired=paired, missing=missing, seconds=took)
