"""The field along one input axis: its law, its table, and what is known of both."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rftools.trf.law import Law, worst
from rftools.trf.sets import EMPTY, Bits, Table, hull, join
from rftools.trf.taps import Taps


@dataclass(frozen=True, eq=False)
class Axis:
    """The field along one input axis.

    ``length`` is the input's extent and ``pitch`` the step, in pixels, of the map that the field was last carried by:
    a reduction is global where it reaches both ends of the axis to within one step. ``least`` is the smallest field
    of any branch, in pixels (Richter et al.), infinite where all branches are global.
    """

    table: Table
    law: Law | None
    length: int
    pitch: float = 1
    global_: bool = False
    aligned: bool = True
    status: str = "exact"
    least: float | None = 1

    @property
    def dims(self) -> frozenset[int]:
        """The tensor dimensions that the field depends on."""
        own = {d for d, n in enumerate(self.table.shape) if n > 1}
        if self.law is not None and self.law.dim is not None:
            own.add(self.law.dim)
        return frozenset(own)

    @property
    def moves_with(self) -> frozenset[int]:
        """The tensor dimensions along which the field moves, padding that sees nothing left aside."""
        if self.law is None:
            return self.dims
        return frozenset() if self.law.dim is None else frozenset({self.law.dim})

    @property
    def blank(self) -> bool:
        """Whether no unit sees anything."""
        return self.law is not None and self.law.dim is None and self.law.phases == (EMPTY,) and not self.dims

    def contract(self, dim: int, reads: NDArray[np.bool_]) -> Axis:
        """After a sum over ``dim`` in which output index ``o`` reads index ``i`` where ``reads[o, i]``."""
        if dim not in self.dims:
            return self._padded(dim, np.asarray(~reads.any(1)))
        table = self.table.contract(dim, reads)
        if self.law is not None and self.law.dim != dim:
            return replace(self, table=table.compress())
        return replace(self, table=table, law=None, least=None).worsen("unit")

    def worsen(self, status: str) -> Axis:
        return replace(self, status=worst([self.status, status]))

    def window(self, dim: int, taps: Taps) -> Axis:
        """After an operator that reads dimension ``dim`` at ``taps``."""
        if dim not in self.dims:
            return self._padded(dim, taps.blind())
        table = join([self.table.take(dim, row) for row in taps.rows()])
        if self.law is None:
            return replace(self, table=table).worsen("unit")
        if self.law.dim != dim or self.global_:  # the table knows units in the padding along ``dim``, which see nothing
            table = table.compress()
        if self.law.dim != dim:
            return replace(self, table=table)
        law = self.law.through(taps)
        stride = abs(self.law.stride)
        least = None if self.least is None else self.least + taps.span * stride
        axis = replace(self, table=table, law=law, least=least, pitch=self.pitch if law is None else abs(law.stride))
        return axis if law is not None else axis.worsen("unit")

    def _padded(self, dim: int, blind: NDArray[np.bool_]) -> Axis:
        """A dimension that carries nothing of this axis: only windows that see nothing but padding matter."""
        if not blind.any():
            return self
        table = self.table.take(dim, np.where(blind, -1, 0))
        return replace(self, table=table)

    def reduce(self, dim: int) -> Axis:
        """After a reduction over all of dimension ``dim``, which keeps length 1."""
        if dim not in self.dims:
            return self
        left = self.dims - {dim}
        table = self.table.reduce(dim)
        if self.law is not None and self.law.dim != dim:
            return replace(self, table=table.compress())
        if not left and self._spans(table):
            status = "exact" if self.status == "unit" else self.status
            return replace(self, table=table, law=None, global_=True, least=math.inf, status=status)
        reduced = replace(self, table=table, law=self.law if self.law and self.law.dim in left else None, least=None)
        return reduced.worsen("unit")

    def _spans(self, table: Table) -> bool:
        """Whether what is left after a reduction reaches both ends of the axis."""
        return self.spans(table.union_all())

    def spans(self, seen: Bits) -> bool:
        """Whether a set reaches both ends of the axis, to within one step of the map, and leaves nothing out."""
        ends, gap = hull(seen), max(self.pitch, 1)
        whole = ends is not None and ends[0] < gap and ends[1] >= self.length - gap
        return whole and seen[1] & (seen[1] + 1) == 0

    def everywhere(self) -> bool:
        """Whether every unit sees the whole extent; units in padding, say, do not."""
        sets = zip(self.table.low.flat, self.table.mask.flat, strict=True)
        return self.global_ and all(self.spans((int(low), int(mask))) for low, mask in set(sets))

    def placed(self, law: Law | None) -> Axis:
        """A global field of units that lie where ``law`` says."""
        return replace(self, law=law) if self.global_ and self.law is None else self

    def pinned(self, dims: Container[int]) -> Axis:
        """After one position along ``dims`` was repeated: there the field stands still."""
        if self.law is None or self.law.dim not in dims:
            return self
        return replace(self, law=Law(None, 0, (self.law.at(0),)))

    def move(self, table: Table, dims: Callable[[int], int | None]) -> Axis:
        """After an operator that only moves elements; ``dims`` says where a whole dimension went."""
        if self.law is None:
            return replace(self, table=table)
        if self.law.dim is None:
            return replace(self, table=table)
        target = dims(self.law.dim)
        if target is not None:
            return replace(self, table=table, law=replace(self.law, dim=target))
        if self.table.shape[self.law.dim] == 1:  # one position: its field is the same for all that is left
            return replace(self, table=table, law=Law(None, 0, (self.law.at(0),)))
        return replace(self, table=table, law=None).worsen("unit")


def join_axes(axes: Sequence[Axis]) -> Axis:
    """The field of what depends on all of ``axes``: their union."""
    if all(axis is axes[0] for axis in axes):
        return axes[0]
    axes = [axis for axis in axes if not axis.blank] or axes[:1]
    if len(axes) == 1:
        return axes[0]
    table = join([axis.table for axis in axes])
    status = worst(axis.status for axis in axes)
    local = [axis.law for axis in axes if axis.law is not None]
    lost = any(axis.law is None and not axis.global_ for axis in axes)
    law: Law | None = None
    aligned = all(axis.aligned for axis in axes)
    if local and not lost:
        law = local[0]
        for other in local[1:]:
            if law is None:
                break
            aligned = aligned and law.stride == other.stride and law.mean_centre == other.mean_centre
            law = law.join(other)
        if law is None:
            lost = True
    least = [axis.least for axis in axes]
    axis = Axis(
        table=table,
        law=None if lost else law,
        global_=any(axis.global_ for axis in axes),
        length=axes[0].length,
        pitch=max(axis.pitch for axis in axes),
        aligned=aligned,
        status=status,
        least=None if None in least else min(x for x in least if x is not None),
    )
    if axis.global_ and axis.status == "unit":  # every unit sees the whole extent
        return replace(axis, status="exact")
    return axis.worsen("unit") if lost and not axis.global_ else axis


Part = tuple[Axis, ...]


def blank_part(like: Part, rank: int) -> Part:
    """The part of elements that no input reaches."""
    table, law = Table.constant(EMPTY, rank), Law(None, 0, (EMPTY,))
    return tuple(Axis(table, law, axis.length, least=None) for axis in like)


def join_parts(parts: Sequence[Part]) -> Part:
    """The union of parts, axis by axis."""
    if all(part is parts[0] for part in parts):
        return parts[0]
    joined = tuple(join_axes(axes) for axes in zip(*parts, strict=True))
    if all(_blind_alike(part) for part in parts):
        return joined
    return tuple(axis.worsen("bound") for axis in joined)


def _blind_alike(part: Part) -> bool:
    """Whether a unit that sees nothing along one axis sees nothing along all.

    Where it does not (a window in the padding of one axis only), the unit sees nothing at all, and a union of
    branches, taken axis by axis, would still show what it sees along the other axes.
    """
    empties = [axis.table.empty() for axis in part]
    if not any(empty.any() for empty in empties):
        return True
    shape = np.broadcast_shapes(*[empty.shape for empty in empties])
    return all((np.broadcast_to(empty, shape) == np.broadcast_to(empties[0], shape)).all() for empty in empties)
