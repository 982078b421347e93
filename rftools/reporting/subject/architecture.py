"""The net as boxes, the tensors that run between them, and the modules that hold them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rftools.capture import Graph, Layer
from rftools.capture.graph import ModuleCall, calls_of, is_real_tensor
from rftools.capture.operators import POINTWISE
from rftools.reporting.subject.folders import Folder, folders
from rftools.reporting.texts import counted, say

if TYPE_CHECKING:
    from torch import fx

MOST = 400  # boxes that one drawing holds


@dataclass(frozen=True)
class Box:
    """An operator or a closed module's call, with the pointwise steps that follow it.

    ``layer`` is what analyses call its output, ``kind`` its class or operator.
    """

    layer: str
    label: str
    kind: str
    op: str = ""


@dataclass(frozen=True)
class Wiring:
    """Boxes in execution order, the first being the input, and edges ``(from, to)`` by their indices.

    ``homes`` says in which of the ``folders`` each box lies, None in none; a folder's ``parent`` stands before it.
    """

    boxes: tuple[Box, ...]
    edges: tuple[tuple[int, int], ...]
    folders: tuple[Folder, ...] = ()
    homes: tuple[int | None, ...] = ()


@dataclass(frozen=True)
class Stretch:
    """Operators that follow each other in one call of a module, or one operator alone."""

    call: ModuleCall | None
    nodes: list[fx.Node]

    def around(self) -> tuple[ModuleCall, ...]:
        """The modules' calls that it lies in, outermost first, without its own."""
        calls = [call for call in calls_of(self.nodes[0]) if call.path]
        return tuple(calls[: calls.index(self.call)] if self.call in calls else calls)


def architecture(graph: Graph) -> Wiring:
    """The net with its modules opened as far as a drawing of `MOST` boxes holds.

    A module's call is one run of operators, so that edges lead onward. Pointwise steps stand in the box of what they
    follow. Where even closed modules are too many (thousands of layers in a row), neighbours share a box.
    """
    nodes = _moving(graph)
    deepest = max((len(calls_of(node)) for node in nodes), default=0)
    for depth in reversed(range(1, deepest + 2)):
        runs = _runs(nodes, depth)
        found = _drawn(graph, nodes, [[run] for run in runs])
        if len(found.boxes) <= MOST:
            return found
    return _drawn(graph, nodes, _fewer(_runs(nodes, 1)))


def _drawn(graph: Graph, nodes: Sequence[fx.Node], groups: Sequence[Sequence[Stretch]]) -> Wiring:
    boxes, edges = _boxes(graph, nodes, groups)
    home = _home(boxes, edges)
    kept = sorted(set(home))
    place = {old: new for new, old in enumerate(kept)}
    more = Counter(home)
    shown = [replace(boxes[i], kind=boxes[i].kind + (f" +{more[i] - 1}" if more[i] > 1 else "")) for i in kept]
    lines = {(place[home[a]], place[home[b]]) for a, b in edges if home[a] != home[b]}
    chains = [() if i == 0 or len(groups[i - 1]) > 1 else groups[i - 1][0].around() for i in kept]
    held, homes = folders([box.layer for box in shown], chains, {layer.name for layer in graph.layers})
    return Wiring(tuple(shown), tuple(sorted(lines)), held, homes)


def _home(boxes: Sequence[Box], edges: Sequence[tuple[int, int]]) -> list[int]:
    """For each box the one it stands in: a pointwise one whose input nothing else reads in the box of that input."""
    into: dict[int, list[int]] = {}
    readers = Counter(first for first, _ in edges)
    for first, second in edges:
        into.setdefault(second, []).append(first)
    home = list(range(len(boxes)))
    for index, box in enumerate(boxes):
        origins = into.get(index, [])
        if box.op in POINTWISE and len(origins) == 1 and origins[0] and readers[origins[0]] == 1:
            home[index] = home[origins[0]]
    return home


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


def _boxes(
    graph: Graph, nodes: Sequence[fx.Node], groups: Sequence[Sequence[Stretch]]
) -> tuple[list[Box], list[tuple[int, int]]]:
    """A box a group, the input first, and the lines between them."""
    named: dict[fx.Node, list[Layer]] = {}
    for layer in graph.layers:
        named.setdefault(layer.node, []).append(layer)
    shape = "x".join(str(n) for n in tuple(graph.inputs[0].meta["val"].shape)[1:])
    boxes = [Box("", say("graph.input"), shape), *(_box(group, named) for group in groups)]
    place = {node: i for i, group in enumerate(groups, start=1) for run in group for node in run.nodes}
    place |= dict.fromkeys(graph.inputs, 0)
    edges = {(place[o], place[node]) for node in nodes for o in _origins(node, place) if place[o] != place[node]}
    return boxes, sorted(edges)


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
