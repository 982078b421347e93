"""A run's folder: what changed from epoch to epoch, measured on its checkpoints."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rftools import erf, trf, weights
from rftools.checks.layers import weighted
from rftools.errors import RequestError
from rftools.loading import Model, load
from rftools.plots.sparsity.taps import PRUNED
from rftools.reporting.sources.models import from_model
from rftools.reporting.subject.subject import MeasuredEpoch, Subject
from rftools.runtime.listening import Listener

MOST_EPOCHS = 12  # epochs that are measured: an even choice, first and last among them
MOST_LAYERS = 4  # layers that are followed


def is_run(spec: Any) -> bool:
    """Whether a spec names a folder with the checkpoints of epochs."""
    from rftools.models.training.runs import checkpoints

    return isinstance(spec, (str, Path)) and os.path.isdir(spec) and bool(checkpoints(Path(spec)))


def from_run(
    folder: str | Path,
    effective: dict[str, Any] | None,
    *,
    input_size: tuple[int, ...] | None = None,
    model: Model | None = None,
    listener: Listener | None = None,
) -> Subject:
    """The subject of a run's last epoch, with what changed on the way there."""
    from rftools.models.training.runs import checkpoints

    found = checkpoints(Path(folder))
    subject = from_model(model or load(found[-1], input_size=input_size), input_size, effective, listener)
    layers = followed(subject)
    options = None if effective is None else {**effective, "layers": layers, "grid": None}
    history = {entry.get("epoch"): entry for entry in subject.history}
    epochs: list[MeasuredEpoch] = []
    try:
        for path in () if subject.partial else _evenly(found, MOST_EPOCHS):
            (listener or Listener()).begin(path.stem)
            epochs.append(_measured(path, input_size, options, history))
    except KeyboardInterrupt:
        subject = replace(subject, partial=True)
    return replace(subject, epochs=tuple(epochs), followed=tuple(layers))


def followed(subject: Subject) -> list[str]:
    """The convolutions whose course is shown: an even choice, first and last among them."""
    rows = weighted(subject.theoretical or ())
    return [row.name for row in _evenly(rows, MOST_LAYERS)]


def _evenly(items: Sequence[Any], most: int) -> list[Any]:
    if not items:
        return []
    return [items[i] for i in sorted({round(i) for i in np.linspace(0, len(items) - 1, min(most, len(items)))})]


def _measured(
    path: Path, input_size: tuple[int, ...] | None, options: dict[str, Any] | None, history: Mapping[Any, Any]
) -> MeasuredEpoch:
    model = load(path, input_size=input_size)
    sparsity = weights.sparsity(model)
    pruned = sparsity.total.sparsity > PRUNED
    number = int(path.stem.removeprefix("epoch-"))
    return MeasuredEpoch(
        number,
        sparsity,
        _or_none(lambda: weights.orientation(model)),
        None if options is None else _or_none(lambda: erf.effective(model, **options)),
        _or_none(lambda: trf.theoretical(model, surviving=True)) if pruned else None,
        history.get(number, {}),
    )


def _or_none(work: Callable[[], Any]) -> Any:
    """The result, or None where the analysis refuses; the report of the last epoch says why."""
    try:
        return work()
    except RequestError:
        return None
