"""A net's rows against what moves: which are wrong, by how much, and how sure they claim to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn

import rftools as rf
from rftools.capture import Graph, capture
from rftools.capture.graph import qualified_name
from rftools.capture.shapes import shape_of
from rftools.trf import LayerField
from rftools.trf.rows import explore
from tests.perturbation import Perturbation, Place

SURE = ("exact", "unit")


@dataclass(frozen=True)
class Wrong:
    """One row of one unit that is not what moves: ``missed`` pixels move the unit, ``invented`` ones do not."""

    layer: str
    op: str
    unit: tuple[int, ...]
    axis: int
    status: str
    missed: tuple[int, ...]
    invented: tuple[int, ...]
    outside: tuple[int, ...] = ()

    def __str__(self) -> str:
        kinds = [f"{k} {list(v)}" for k in ("missed", "invented", "outside") if (v := getattr(self, k))]
        return f"{self.layer} ({self.op}), unit {self.unit}, axis {self.axis}, {self.status}: {', '.join(kinds)}"


@dataclass
class Judged:
    """What came of one net: wrong rows, statuses by row, what is not sure, layers that were not found."""

    wrong: list[Wrong] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    unsure: list[tuple[str, str, str, str]] = field(default_factory=list)  # layer, operator, status, cause
    operators: Counter[str] = field(default_factory=Counter)
    unnamed: list[str] = field(default_factory=list)


def judge(
    module: nn.Module,
    size: tuple[int, ...],
    *,
    units: int = 3,
    folds: bool = False,
    most: int = 0,
    bases: int = 2,
    rounds: bool = False,
    faint: bool = False,
) -> Judged:
    """Every row of a net at its centre and in the corners of its map; ``folds``: windows without borders hold less.

    ``most``: so many rows, spread over the net, instead of all; ``bases``: at so many inputs; ``rounds``: weights that
    are rounding are none; ``faint``: weights of exp(-100) are paths.
    """
    module = module.double().eval()
    graph = capture(module, size)
    rows, places = _asked(module, graph, units, most)
    oracle = Perturbation(module, size, places, graph, bases=bases, rounds=rounds, faint=faint)
    found = Judged()
    found.operators.update(qualified_name(node) for node in graph.nodes)
    found.unnamed = oracle.missing()
    seen: set[str] = set()
    for number, row in enumerate(rows):
        if row.name not in seen:
            seen.add(row.name)
            found.statuses[row.status] += 1
            if row.status not in SURE:
                found.unsure.append((row.name, row.op, row.status, row.cause or ""))
        if row.status != "unknown" and row.name not in found.unnamed:
            found.wrong += _judged(row, number, oracle, folds)
    return found


def _asked(module: nn.Module, graph: Graph, units: int, most: int) -> tuple[list[LayerField], list[Place]]:
    """Rows, and the place in the layer's output that each speaks of."""
    nodes = {layer.name: layer.node for layer in graph.layers}
    walked = explore(module, graph)  # what `rf.theoretical` asks for rows, once for all units
    result = walked.rows()
    step = max(1, -(-len(result) // most)) if most else 1
    chosen = {row.name for i, row in enumerate(result) if i % step == 0 or row.name == ""}
    rows = [row for row in result if row.name in chosen]
    for corner in (0, -1)[: units - 1]:
        wanted = {row.name: unit for row in rows if (unit := _corner(row, nodes, corner)) is not None}
        if wanted:
            more = walked.rows(wanted)
            rows += [row for row in more if row.name in wanted and row.unit is not None]
    return rows, [(row.name, _index(row, nodes[row.name])) for row in rows]


def _corner(row: LayerField, nodes: Mapping[str, fx.Node], corner: int) -> tuple[int, ...] | None:
    if row.unit is None or not row.unit_dims or row.status == "unknown":
        return None
    shape = shape_of(nodes[row.name])
    sizes = row.grid or [shape[d] for d in row.unit_dims]
    unit = tuple(0 if corner == 0 else n - 1 for n in sizes)
    return None if unit == row.unit or len(unit) != len(row.unit) else unit


def _index(row: LayerField, node: fx.Node) -> tuple[Any, ...]:
    place: list[Any] = [slice(None)] * len(shape_of(node))
    for dim, index in zip(row.unit_dims, row.place, strict=True):
        place[dim] = index
    return tuple(place)


def _judged(row: LayerField, number: int, oracle: Perturbation, folds: bool) -> list[Wrong]:
    found = []
    for axis, said in enumerate(row.axes):
        support = said.support or ()
        moving = oracle.rows(number, axis, support if row.status in SURE else ())
        missed = tuple(sorted(set(moving) - set(support)))
        invented = tuple(sorted(set(support) - set(moving))) if row.status in SURE else ()
        outside: tuple[int, ...] = ()
        if row.status in SURE and not folds and said.window is not None and not said.global_:
            outside = tuple(i for i in support if not said.window[0] <= i <= said.window[1])
        if missed or invented or outside:
            found.append(Wrong(row.name, row.op, row.unit or (), axis, row.status, missed, invented, outside))
    return found


def judge_surviving(module: nn.Module, size: tuple[int, ...]) -> tuple[int, list[Wrong]]:
    """How many surviving fields a net has, and those that are not what moves the unit."""
    module = module.double().eval()
    graph = capture(module, size)
    nodes = {layer.name: layer.node for layer in graph.layers}
    rows = [row for row in rf.theoretical(module, size, graph=graph, surviving=True) if row.surviving is not None]
    places = [(row.name, _index(row, nodes[row.name])) for row in rows]
    oracle = Perturbation(module, size, places, graph, weights_stay=True)
    wrong = []
    for number, row in enumerate(rows):
        left = row.surviving
        assert left is not None
        assert left.support is not None
        for axis in range(len(size) - 1):
            said = _projected(torch.from_numpy(left.support), axis)
            moving = oracle.rows(number, axis, said)
            missed, invented = sorted(set(moving) - set(said)), sorted(set(said) - set(moving))
            if row.status not in SURE:
                invented = []
            if missed or invented:
                wrong.append(Wrong(row.name, row.op, row.unit or (), axis, "surviving", tuple(missed), tuple(invented)))
    return len(rows), wrong


def _projected(pixels: torch.Tensor, axis: int) -> Sequence[int]:
    hit = pixels.movedim(axis, 0).reshape(pixels.shape[axis], -1).any(1)
    return [int(i) for i in hit.nonzero().flatten()]
