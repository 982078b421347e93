"""Fields that meet: sums and other element-wise operators, and tensors one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from rftools.trf.axis import Part, blank_part, join_parts
from rftools.trf.field import Field
from rftools.trf.flow import Flow
from rftools.trf.law import worst
from rftools.trf.sets import EMPTY, concatenate


def join_fields(fields: Sequence[Field], shape: Sequence[int]) -> Field:
    """The field of an element-wise operator on ``fields``, broadcast to ``shape``."""
    first: object = fields[0]
    if isinstance(first, Flow):
        return cast(Field, type(first).joined(cast(Sequence[Flow], fields), shape))
    causes = [field.cause for field in fields if field.cause]
    wide = [field.expand(shape) for field in fields]
    if len(wide) == 1:
        return wide[0]
    shapes = np.broadcast_shapes(*[field.labels.shape for field in wide])
    stacked = np.stack([np.broadcast_to(field.labels, shapes) for field in wide], axis=-1)
    groups, inverse = np.unique(stacked.reshape(-1, len(wide)), axis=0, return_inverse=True)
    parts = tuple(
        join_parts([field.parts[label] for field, label in zip(wide, group, strict=True)]) for group in groups
    )
    return Field(tuple(shape), parts, inverse.reshape(shapes).astype(np.int64), causes[0] if causes else None)


def concatenate_fields(fields: Sequence[Field | None], lengths: Sequence[int], dim: int, shape: Sequence[int]) -> Field:
    """The field of tensors one after the other along ``dim``; None stands for one that no input reaches."""
    present = [field for field in fields if field is not None]
    dim %= len(shape)
    first: object = present[0]
    if isinstance(first, Flow):
        return cast(Field, type(first).concatenated(cast(Sequence[Flow | None], fields), lengths, dim, shape))
    if any(field.carries(dim) for field in present) or _steps(fields, lengths, dim):
        return _concatenate_in_space(fields, lengths, dim, shape)
    causes = [field.cause for field in present if field.cause]
    blank = blank_part(present[0].parts[0], len(shape))
    parts: list[Part] = []
    labels = []
    target = np.broadcast_shapes(*[_but(field.labels.shape, dim) for field in present])
    for field, length in zip(fields, lengths, strict=True):
        own = (blank,) if field is None else field.parts
        own_labels = np.zeros([1] * len(shape), dtype=np.int64) if field is None else field.labels
        full = list(target)
        full[dim] = length
        labels.append(np.broadcast_to(own_labels, full) + len(parts))
        parts.extend(own)
    field = Field(tuple(shape), tuple(parts), np.concatenate(labels, axis=dim), causes[0] if causes else None)
    return _merge_same(field)


def _steps(fields: Sequence[Field | None], lengths: Sequence[int], dim: int) -> bool:
    """Whether the pieces are steps along an axis of the map, each at a place of its own that stands still."""
    own = [(field, length) for field, length in zip(fields, lengths, strict=True) if field is not None]
    beside_nothing = dim > 1 and len(own) < len(fields)
    if beside_nothing and len(own) == 1 and not any(axis.dims for part in own[0][0].parts for axis in part):
        return True  # padding of a map whose units all see the same
    if dim == 0 or any(length != 1 for _, length in own):
        return False
    for column in zip(*(field.merged() for field, _ in own), strict=True):
        if not any(axis.dims for axis in column):
            places = {axis.table.union_all() for axis in column}
            if len(places) > 1 or (beside_nothing and places != {EMPTY}):
                return True
    return False


def _merge_same(field: Field) -> Field:
    """Parts that are one and the same object under one label."""
    first: dict[int, int] = {}
    to = np.array([first.setdefault(id(part), i) for i, part in enumerate(field.parts)], dtype=np.int64)
    return replace(field, labels=to[field.labels]).tidy()


def _concatenate_in_space(
    fields: Sequence[Field | None], lengths: Sequence[int], dim: int, shape: Sequence[int]
) -> Field:
    present = [field.settled() for field in fields if field is not None]
    blank = blank_part(present[0].parts[0], len(shape))
    parts = iter(field.parts[0] for field in present)
    rows = [blank if field is None else next(parts) for field in fields]
    axes = []
    for column in zip(*rows, strict=True):
        status = worst(axis.status for axis in column)
        table = concatenate([axis.table for axis in column], lengths, dim).compress()
        everywhere = all(axis.global_ for axis in column)
        axis = replace(column[0], table=table, law=None, status=status, least=None, global_=everywhere)
        axes.append(axis.worsen("unit"))
    causes = [field.cause for field in present if field.cause]
    labels = np.zeros([1] * len(shape), dtype=np.int64)
    return Field(tuple(shape), (tuple(axes),), labels, causes[0] if causes else None)


def _but(shape: tuple[int, ...], dim: int) -> tuple[int, ...]:
    return (*shape[:dim], 1, *shape[dim + 1 :])
