"""The net as boxes and the tensors that run between them, at every depth of its modules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rftools.capture import Graph, Layer
from rftools.capture.graph import ModuleCall, calls_of, is_real_tensor
from rftools.capture.operators import POINTWISE
from rftools.reporting.texts import counted, say

if TYPE_CHECKING:
    from torch import fx

MOST = 240  # boxes that one drawing shows


@dataclass(frozen=True)
class Box:
    """A module's call or an operator: ``layer`` is what analyses call its output, ``kind`` its class or operator."""

    layer: str
    label: str
    kind: str
    op: str = ""


@dataclass(frozen=True)
class Level:
    """One drawing: boxes in execution order, the first being the input, and edges ``(from, to)`` by their indices.

    ``title`` says how far modules are opened; ``folded``: pointwise steps stand in the box of what they follow.
    """

    title: str
    boxes: tuple[Box, ...]
    edges: tuple[tuple[int, int], ...]
    folded: bool = False


@dataclass(frozen=True)
class Stretch:
    """Operators that follow each other in one call of a module, or one operator alone."""

    call: ModuleCall | None
    nodes: list[fx.Node]


def levels(graph: Graph) -> tuple[Level, ...]:
    """The net with its modules closed, opened once, twice, and so on, as long as a drawing stays legible.

    A module's call is one run of operators, so every drawing's edges lead onward. Where even closed modules are too
    many (thousands of layers in a row), neighbours share a box. Where pointwise steps follow layers, one more
    drawing has them in one box.
    """
    nodes = _moving(graph)
    deepest = max((len(calls_of(node)) for node in nodes), default=0)
    found: list[Level] = []
    for depth in range(1, deepest + 2):
        runs = _runs(nodes, depth)
        if found and len(runs) > MOST:
            break
        level = _level(graph, nodes, _fewer(runs), say("graph.depth", depth=depth))
        if not found or len(level.boxes) > len(found[-1].boxes):
            found.append(level)
    runs = _runs(nodes, deepest + 1)
    finest = _folded(_level(graph, nodes, [[run] for run in runs], say("graph.folded")))
    if finest.folded and len(finest.boxes) <= MOST:
        found.append(finest)
    return tuple(sorted(found, key=lambda level: len(level.boxes)))


def _folded(level: Level) -> Level:
    """Pointwise boxes with one input, which nothing else reads, put into the box of that input."""
    into: dict[int, list[int]] = {}
    readers = Counter(first for first, _ in level.edges)
    for first, second in level.edges:
        into.setdefault(second, []).append(first)
    home = list(range(len(level.boxes)))
    for index, box in enumerate(level.boxes):
        origins = into.get(index, [])
        if box.op in POINTWISE and len(origins) == 1 and origins[0] and readers[origins[0]] == 1:
            home[index] = home[origins[0]]
    kept = sorted(set(home))
    place = {old: new for new, old in enumerate(kept)}
    more = Counter(home)
    boxes = [
        replace(level.boxes[i], kind=level.boxes[i].kind + (f" +{more[i] - 1}" if more[i] > 1 else "")) for i in kept
    ]
    edges = {(place[home[a]], place[home[b]]) for a, b in level.edges if home[a] != home[b]}
    return Level(level.title, tuple(boxes), tuple(sorted(edges)), folded=len(kept) < len(home))


def _moving(graph: Graph) -> list[fx.Node]:
    """The operators, in execution order, whose single tensor depends on the input."""
    alive = set(graph.inputs)
    for node in graph.nodes:
        if any(origin in alive for origin in node.all_input_nodes):
            alive.add(node)
    return [node for node in graph.nodes if node in alive and node not in graph.inputs and is_real_tensor(node)]


def _runs(nodes: Sequence[fx.Node], depth: int) -> list[Stretch]:
    """Neighbouring nodes of one module call at ``depth``; what runs between modules stands alone."""
    runs: list[Stretch] = []
    for node in nodes:
        calls = calls_of(node)
        own = [call for call in calls if call.path]
        call = own[depth - 1] if len(own) >= depth else None
        if call is not None and runs and runs[-1].call == call:
            runs[-1].nodes.append(node)
        else:
            runs.append(Stretch(call, [node]))
    return runs


def _fewer(runs: list[Stretch]) -> list[list[Stretch]]:
    """One group a box: each run alone, or neighbours together where there are more than one drawing shows."""
    size = max(1, -(-len(runs) // MOST))
    return [runs[i : i + size] for i in range(0, len(runs), size)]


def _level(graph: Graph, nodes: Sequence[fx.Node], groups: Sequence[Sequence[Stretch]], title: str) -> Level:
    named: dict[fx.Node, list[Layer]] = {}
    for layer in graph.layers:
        named.setdefault(layer.node, []).append(layer)
    shape = "x".join(str(n) for n in tuple(graph.inputs[0].meta["val"].shape)[1:])
    boxes = [Box("", say("graph.input"), shape), *(_box(group, named) for group in groups)]
    place = {node: i for i, group in enumerate(groups, start=1) for run in group for node in run.nodes}
    place |= dict.fromkeys(graph.inputs, 0)
    edges = {(place[o], place[node]) for node in nodes for o in _origins(node, place) if place[o] != place[node]}
    return Level(title, tuple(boxes), tuple(sorted(edges)))


def _origins(node: fx.Node, place: Mapping[fx.Node, int]) -> Iterator[fx.Node]:
    """The nearest nodes before it that stand in a box: tuples and shapes in between are passed through."""
    seen: set[fx.Node] = set()
    waiting = list(node.all_input_nodes)
    while waiting:
        origin = waiting.pop()
        if origin in place:
            yield origin
        elif origin not in seen:
            seen.add(origin)
            waiting += origin.all_input_nodes


def _box(group: Sequence[Stretch], named: Mapping[fx.Node, Sequence[Layer]]) -> Box:
    first, last = (_named(run, named) for run in (group[0], group[-1]))
    if len(group) == 1:
        return Box(first.name, first.name, first.module or first.op, first.op)
    return Box(last.name, say("graph.group", first=first.name, last=last.name), counted(len(group), "layer"))


def _named(run: Stretch, named: Mapping[fx.Node, Sequence[Layer]]) -> Layer:
    """The layer that is the run's module call, or else its last operator."""
    rows = [layer for node in run.nodes for layer in named.get(node, ())]
    for layer in rows:
        if run.call is not None and layer.name.partition("[")[0] == run.call.name:
            return layer
    return named[run.nodes[-1]][0]
