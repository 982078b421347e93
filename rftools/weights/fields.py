"""What pruning left of each layer's field, beside what it left of its weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from rftools.errors import RequestError
from rftools.loading import Model
from rftools.trf import theoretical
from rftools.weights.results import SparsityResult, SurvivingField

MOST_WALKED = 160  # layers with weights, beyond which surviving fields are walked only if asked: each takes a walk
NO_ARCHITECTURE = "fields need the architecture: name it with --model SPEC (model=SPEC)"
LATER = "Surviving fields were left out: {} layers hold weights, and each takes a walk; --surviving works them out."


class Left(Protocol):
    """What is left of a field: its hull in pixels along each axis, and the share of its pixels."""

    @property
    def sizes(self) -> tuple[int, ...]: ...
    @property
    def share(self) -> float: ...


class Extent(Protocol):
    """The architecture's field inside the image, along one axis."""

    @property
    def clipped(self) -> tuple[int, int] | None: ...


class FieldRow(Protocol):
    """A row of `rftools.theoretical` with ``surviving=True``."""

    @property
    def name(self) -> str: ...
    @property
    def axes(self) -> Sequence[Extent]: ...
    @property
    def surviving(self) -> Left | None: ...


def surviving_beside(result: SparsityResult, model: Model | Path, wanted: bool | None = None) -> SparsityResult:
    """The result with the surviving fields of ``model`` beside its layers, or with why there are none.

    Without ``wanted`` they are worked out where some weight is zero and at most `MOST_WALKED` layers hold weights.

    Raises:
        RequestError: they are wanted and cannot be worked out; a bare state dict has no architecture.
    """
    if wanted is False or (wanted is None and not result.total.zeros):
        return result
    if isinstance(model, Path):
        if wanted:
            raise RequestError(f"{result.model.name} is a bare state dict; {NO_ARCHITECTURE}")
        return without_fields(result, f"No surviving fields: {NO_ARCHITECTURE}.")
    if wanted is None and len(result) > MOST_WALKED:
        return without_fields(result, LATER.format(len(result)))
    try:
        return with_fields(result, theoretical(model, surviving=True))
    except RequestError as error:
        if wanted:
            raise
        return without_fields(result, f"No surviving fields: {error}.")


def with_fields(result: SparsityResult, fields: Iterable[FieldRow]) -> SparsityResult:
    """The same result with each layer's surviving field; a layer that runs several times has that of its first run.

    >>> import torch, rftools as rf
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=1))
    >>> net[0].weight.data[:, :, 0] = 0
    >>> with_fields(rf.sparsity(net), rf.theoretical(net, (1, 8, 8), surviving=True))["0"].surviving
    SurvivingField(sizes=(2, 3), whole=(3, 3), share=0.6666666666666666)
    """
    known = {row.name: _beside(row) for row in fields}
    layers = tuple(dataclasses.replace(row, surviving=known.get(row.name)) for row in result.layers)
    return dataclasses.replace(result, layers=layers, no_fields=None)


def without_fields(result: SparsityResult, why: str) -> SparsityResult:
    """The same result, which says why it has no surviving fields."""
    return dataclasses.replace(result, no_fields=why)


def _beside(row: FieldRow) -> SurvivingField | None:
    if row.surviving is None:
        return None
    whole = tuple(0 if axis.clipped is None else axis.clipped[1] - axis.clipped[0] + 1 for axis in row.axes)
    return SurvivingField(row.surviving.sizes, whole, row.surviving.share)
