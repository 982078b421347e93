"""What the page needs to work out any unit's field by itself: the layers' footprints as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rftools.erf.result import EffectiveResult
from rftools.reporting.subject.supports import Run, Supports, runs
from rftools.reporting.texts import say
from rftools.trf.layer_field import AxisField, LayerField, Phase
from rftools.trf.result import TheoreticalResult

MOST_RUNS = 20_000  # runs that one axis may list before its layer is left inexact at the border


def footprints(result: TheoreticalResult, exact: Supports | None = None) -> list[dict[str, Any]]:
    """One entry a layer whose window is known: ``{name, op, status, axes, unit, movable, exact}``.

    An axis is ``{n, phases, jump, global, window, runs, special}``: for output index ``o`` and ``P`` phases the window
    starts at ``phases[o % P].start + (o // P) * jump``; ``special`` lists the runs of pixels of those indices that
    fewer pixels reach. Without ``exact`` there are no such lists, and what the page says of the border is a bound.
    A layer without phases for every axis keeps its one unit, with its ``window`` and ``runs``.
    """
    sides = (result.input_size or ())[1:]
    return [entry for row in result if (entry := _entry(row, sides, (exact or {}).get(row.name))) is not None]


def measured_units(result: EffectiveResult) -> list[dict[str, Any]]:
    """As `footprints`, of effective fields alone: one entry a measured unit, which keeps its own window.

    A window of which nothing else is known may have holes: what it says is an upper bound.
    """
    rank = len(result.input_size or ()) - 1
    known = [(row, axes) for row in result if len(axes := row.theoretical.get("axes", ())) == rank]
    return [
        {
            "name": row.key,
            "op": say("figures.unit", unit=row.unit_name),
            "status": row.theoretical.get("status", "unknown"),
            "axes": [_fixed(axis) for axis in axes],
            "unit": list(row.unit) if len(row.unit) == rank else [0] * rank,
            "movable": False,
            "exact": False,
        }
        for row, axes in known
        if all(axis.get("clipped") for axis in axes)
    ]


def _fixed(axis: Mapping[str, Any]) -> dict[str, Any]:
    clipped = list(axis["clipped"])
    window = list(axis.get("window") or clipped)
    whole = bool(axis.get("global"))
    return {"n": 1, "phases": [], "jump": None, "global": whole, "window": window, "runs": [clipped], "special": {}}


def _entry(
    row: LayerField, sides: Sequence[int], exact: Sequence[Sequence[Sequence[Run]] | None] | None
) -> dict[str, Any] | None:
    if not row.axes or len(row.axes) != len(sides) or any(axis.clipped is None for axis in row.axes):
        return None
    sizes = _output_sizes(row)
    movable = sizes is not None and all(axis.phases or axis.global_ for axis in row.axes)
    axes = [_axis(axis, sizes[i] if sizes is not None else 1) for i, axis in enumerate(row.axes)]
    lists: list[dict[int, list[Run]] | None] = [None] * len(axes)
    if exact is not None and movable:
        lists = [_special(axis, data, side, known) for axis, data, side, known in zip(row.axes, axes, sides, exact)]
    for data, special in zip(axes, lists, strict=True):
        data["special"] = special or {}
    return {
        "name": row.name,
        "op": row.op,
        "status": row.status,
        "axes": axes,
        "unit": list(row.unit) if row.unit and sizes is not None else [0] * len(row.axes),
        "movable": movable,
        "exact": row.status == "exact"
        and (all(special is not None for special in lists) if movable else all(a.bits is not None for a in row.axes)),
    }


def _output_sizes(row: LayerField) -> list[int] | None:
    """The output's extent along each input axis; None where they do not correspond."""
    if row.unit is None or len(row.unit) != len(row.axes):
        return [1] * len(row.axes) if row.unit == () and all(axis.global_ for axis in row.axes) else None
    if row.grid is not None:
        return list(row.grid)
    return [row.output_shape[dim - 1] for dim in row.unit_dims] if row.unit_dims else None


def _axis(axis: AxisField, extent: int) -> dict[str, Any]:
    phases = axis.phases or ()
    jump = None if axis.stride is None or not phases else round(axis.stride * len(phases))
    return {
        "n": extent,
        "phases": [{"start": p.start, "size": p.size, "holes": [list(hole) for hole in p.holes]} for p in phases],
        "jump": jump,
        "global": axis.global_,
        "window": None if axis.window is None else list(axis.window),
        "runs": [list(axis.clipped)]
        if axis.bits is None and axis.clipped
        else [list(r) for r in runs(*axis.bits or (0, 0))],
    }


def _special(
    axis: AxisField, data: dict[str, Any], side: int, known: Sequence[Sequence[Run]] | None
) -> dict[int, list[Run]] | None:
    """The output indices whose support is not what the law and the image's border alone would give."""
    if known is None or len(known) not in (1, data["n"]):
        return None
    listed = {}
    for index in range(data["n"]):
        true = [(first, last) for first, last in known[index if len(known) > 1 else 0]]
        if true != (lawful(axis.phases, data["jump"], index, side) if axis.phases else [(0, side - 1)]):
            listed[index] = true
    return listed if sum(map(len, listed.values())) <= MOST_RUNS else None


def lawful(phases: Sequence[Phase], jump: int, index: int, side: int) -> list[Run]:
    """The runs of a unit's field inside the image by the law alone, as the page works them out.

    >>> lawful([Phase(start=-2, size=5, holes=((1, 1), (3, 1)))], 2, 1, 8)
    [(0, 0), (2, 2), (4, 4)]
    """
    turn, residue = divmod(index, len(phases))
    phase = phases[residue]
    low = begin = phase.start + turn * jump
    found = []
    for offset, length in (*phase.holes, (phase.size, 0)):
        first, last = max(begin, 0), min(low + offset - 1, side - 1)
        if first <= last:
            found.append((first, last))
        begin = low + offset + length
    return found
